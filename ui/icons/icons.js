// @ts-check
/** The app's own drawings: strokes on a grid of 24, in the colour of the text around them. */

const shapes = {
  plus: "M12 5v14M5 12h14",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13M15.5 15.5L20 20",
  settings:
    "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5M9 14.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5",
  sidebar:
    "M5.5 5h13A1.5 1.5 0 0 1 20 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5v-11A1.5 1.5 0 0 1 5.5 5M9.5 5v14",
  inspector:
    "M5.5 5h13A1.5 1.5 0 0 1 20 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5v-11A1.5 1.5 0 0 1 5.5 5M14.5 5v14",
  down: "M6 9.5l6 6l6-6",
  left: "M14.5 6l-6 6l6 6",
  right: "M9.5 6l6 6l-6 6",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  send: "M12 19V5M6 11l6-6l6 6",
  toEnd: "M12 5v14M6 13l6 6l6-6",
  copy: "M9.5 9h9A1.5 1.5 0 0 1 20 10.5v8a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 8 18.5v-8A1.5 1.5 0 0 1 9.5 9M5 15.5V6A1.5 1.5 0 0 1 6.5 4.5H15",
  edit: "M4.5 19.5l1-4L16 5a2.1 2.1 0 0 1 3 3L8.5 18.5zM14 7l3 3",
  retry: "M19 12a7 7 0 1 1-2.2-5.1M19.5 3.5v4.5H15",
  close: "M6 6l12 12M18 6L6 18",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
  export: "M12 15V4M7.5 8.5L12 4l4.5 4.5M5 14v4.5A1.5 1.5 0 0 0 6.5 20h11a1.5 1.5 0 0 0 1.5-1.5V14",
  import: "M12 4v11M7.5 10.5L12 15l4.5-4.5M5 14v4.5A1.5 1.5 0 0 0 6.5 20h11a1.5 1.5 0 0 0 1.5-1.5V14",
  person: "M12 4.5a3.8 3.8 0 1 1 0 7.6a3.8 3.8 0 1 1 0-7.6M4.8 20c.6-4 3.5-5.8 7.2-5.8s6.6 1.8 7.2 5.8",
  porch: "M3 11L12 4.5L21 11M6 9.5V18M18 9.5V18M3.5 18h17M5 21h14M12 18v-5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  info: "M12 3.5a8.5 8.5 0 1 1 0 17a8.5 8.5 0 1 1 0-17M12 11v5.5M12 7.7h.01",
  warning: "M12 4L21 19.5H3zM12 10v4.5M12 17h.01",
  none: "M12 4.5a7.5 7.5 0 1 1 0 15a7.5 7.5 0 1 1 0-15M6.7 6.7l10.6 10.6",
  reset: "M5 12a7 7 0 1 0 2.2-5.1M4.5 3.5v4.5H9",
  file: "M7 3.5h7L19 8.5V19a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 6 19V5a1.5 1.5 0 0 1 1-1.5M14 3.5v5h5",
  eject: "M6 14l6-8l6 8zM6 18.5h12",
};

/** @typedef {keyof typeof shapes} IconName */

/** @param {IconName} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", shapes[name]);
  svg.append(path);
  return svg;
}
