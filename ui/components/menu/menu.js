// @ts-check
/** A menu that opens below a button and closes by itself. */
import { create } from "../../dom/create.js";
import { icon } from "../../icons/icons.js";

/**
 * @typedef {object} MenuItem
 * @property {string} label
 * @property {string} [description]
 * @property {string} [shortcut]
 * @property {Node} [leading] an icon or an emoji
 * @property {boolean} [checked] makes the item one of a choice
 * @property {boolean} [danger]
 * @property {string} [id]
 * @property {Record<string, string>} [data] data attributes, for tests
 * @property {() => void} run
 */

const GAP = 4;

/** @param {HTMLElement} anchor @param {string} label @param {(MenuItem | null)[]} items null draws a line @param {{ x: number; y: number }} [at] where instead of below the anchor */
export function openMenu(anchor, label, items, at) {
  const menu = create("div", { class: "menu", role: "menu", popover: "auto", "aria-label": label });
  for (const item of items) menu.append(item ? menuItem(menu, item) : create("hr"));
  menu.addEventListener("keydown", (event) => moveFocus(menu, event));
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") return;
    const focusLost = menu.contains(document.activeElement) || document.activeElement === document.body;
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    if (focusLost) anchor.focus();
  });
  document.body.append(menu);
  menu.showPopover();
  anchor.setAttribute("aria-expanded", "true");
  place(menu, anchor, at);
  /** @type {HTMLElement | null} */ (
    menu.querySelector('[aria-checked="true"]') ?? menu.querySelector("button")
  )?.focus();
}

/** @param {HTMLElement} menu @param {MenuItem} item */
function menuItem(menu, item) {
  const chosen = item.checked !== undefined;
  return create(
    "button",
    {
      type: "button",
      role: chosen ? "menuitemradio" : "menuitem",
      class: item.danger ? "menu-item danger" : "menu-item",
      id: item.id,
      "aria-checked": chosen ? String(item.checked) : null,
      ...Object.fromEntries(Object.entries(item.data ?? {}).map(([name, value]) => [`data-${name}`, value])),
      onclick: () => {
        menu.hidePopover();
        item.run();
      },
    },
    create("span", { class: "menu-leading" }, item.leading ?? null),
    create(
      "span",
      { class: "menu-text" },
      create("span", {}, item.label),
      item.description ? create("span", { class: "small" }, item.description) : null,
    ),
    item.shortcut ? create("kbd", {}, item.shortcut) : null,
    item.checked ? icon("check") : null,
  );
}

/** @param {HTMLElement} menu @param {HTMLElement} anchor @param {{ x: number; y: number } | undefined} at */
function place(menu, anchor, at) {
  const box = anchor.getBoundingClientRect();
  const own = menu.getBoundingClientRect();
  const left = at ? at.x : box.left;
  const below = at ? at.y : box.bottom + GAP;
  const above = (at ? at.y : box.top - GAP) - own.height;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - own.width - 8))}px`;
  menu.style.top = `${Math.max(8, below + own.height > innerHeight - 8 ? above : below)}px`;
}

/** @param {HTMLElement} menu @param {KeyboardEvent} event */
function moveFocus(menu, event) {
  const buttons = [...menu.querySelectorAll("button")];
  const at = buttons.findIndex((button) => button === document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  if (next === undefined) return;
  event.preventDefault();
  buttons[(next + buttons.length) % buttons.length].focus();
}
