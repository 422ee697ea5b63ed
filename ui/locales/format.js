// @ts-check
/** Numbers, sizes and times as the interface's language writes them. */
import { currentLanguage, translate } from "./translate.js";

/** @param {number} value @param {number} [digits] digits after the point */
export function formatNumber(value, digits = 0) {
  return new Intl.NumberFormat(currentLanguage(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** @param {number} fraction 0..1 */
export function formatPercent(fraction) {
  return new Intl.NumberFormat(currentLanguage(), { style: "percent", maximumFractionDigits: 0 }).format(fraction);
}

const units = ["bytes", "kilobytes", "megabytes", "gigabytes"];

/** @param {number} bytes */
export function formatBytes(bytes) {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1024 ** power;
  return translate(`unit.${units[power]}`, { value: formatNumber(value, power > 0 && value < 100 ? 1 : 0) });
}

/** @param {number} milliseconds */
export function formatSeconds(milliseconds) {
  const seconds = milliseconds / 1000;
  return translate("unit.seconds", { value: formatNumber(seconds, seconds < 1 ? 2 : seconds < 60 ? 1 : 0) });
}

/** Rounded, for what is only an estimate. @param {number} milliseconds */
export function formatRemaining(milliseconds) {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  if (seconds < 90) return translate("unit.seconds", { value: formatNumber(seconds) });
  return translate("unit.minutes", { value: formatNumber(Math.round(seconds / 60)) });
}

/** Such as "7.6 B" of a model's parameters. @param {number} count */
export function formatParameters(count) {
  if (count >= 1e9) return translate("unit.billions", { value: formatNumber(count / 1e9, 1) });
  return translate("unit.millions", { value: formatNumber(count / 1e6, count < 1e7 ? 1 : 0) });
}

/** @param {number} time */
export function formatTime(time) {
  return new Intl.DateTimeFormat(currentLanguage(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(
    time,
  );
}

/** @param {number} time */
export function formatDateTime(time) {
  return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "long", timeStyle: "short" }).format(time);
}

/** @param {number} time */
export function formatMonth(time) {
  return new Intl.DateTimeFormat(currentLanguage(), { month: "long", year: "numeric" }).format(time);
}
