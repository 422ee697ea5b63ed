// @ts-check
/** Sorts conversations into Today, Yesterday, the last seven days and months. */
/** @import { ConversationSummary } from "../../backend/types.d.ts" */
import { formatMonth } from "../../locales/format.js";
import { translate } from "../../locales/translate.js";

/** @typedef {{ title: string; conversations: ConversationSummary[] }} Group */

/** @param {ConversationSummary[]} conversations newest first @param {number} now @returns {Group[]} */
export function groupByAge(conversations, now) {
  const today = startOfDay(now, 0);
  const yesterday = startOfDay(now, 1);
  const week = startOfDay(now, 7);
  /** @param {number} time */
  const titleOf = (time) => {
    if (time >= today) return translate("list.today");
    if (time >= yesterday) return translate("list.yesterday");
    if (time >= week) return translate("list.week");
    const month = formatMonth(time);
    return month[0].toUpperCase() + month.slice(1);
  };
  /** @type {Group[]} */
  const groups = [];
  for (const conversation of conversations) {
    const title = titleOf(conversation.updatedAt);
    const last = groups.at(-1);
    if (last?.title === title) last.conversations.push(conversation);
    else groups.push({ title, conversations: [conversation] });
  }
  return groups;
}

/** @param {number} now @param {number} daysBefore */
function startOfDay(now, daysBefore) {
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - daysBefore);
  return day.getTime();
}
