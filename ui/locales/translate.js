// @ts-check
/** The words of the interface: one JSON file a language, English behind the others. */

/** @typedef {"en" | "ja" | "ru"} Language */
/** @typedef {string | Record<string, string>} Entry a text, or one text a plural form of `count` */
/** @typedef {Record<string, string | number | null | undefined>} Values */

/** @type {Language[]} */
export const languages = ["en", "ja", "ru"];

/** @type {Language} */
let current = "en";
/** @type {Record<string, Entry>} */
let entries = {};
/** @type {Record<string, Entry>} */
let english = {};
let numbers = new Intl.NumberFormat("en");
let plurals = new Intl.PluralRules("en");

/** The language the interface speaks now; also a safe locale for Intl. */
export function currentLanguage() {
  return current;
}

/** The language for a setting. `navigator.language` may be "C", so it is only compared. @param {string} setting @returns {Language} */
export function chooseLanguage(setting) {
  const wanted = setting === "auto" ? [...(navigator.languages ?? []), navigator.language] : [setting];
  for (const name of wanted) {
    const found = languages.find((language) => String(name).toLowerCase().startsWith(language));
    if (found) return found;
  }
  return "en";
}

/** @param {Language} language */
export async function useLanguage(language) {
  if (Object.keys(english).length === 0) english = await loadEntries("en");
  entries = language === "en" ? english : await loadEntries(language);
  current = language;
  numbers = new Intl.NumberFormat(language);
  plurals = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

/** @param {Language} language @returns {Promise<Record<string, Entry>>} */
async function loadEntries(language) {
  try {
    const response = await fetch(new URL(`./${language}.json`, import.meta.url));
    return await response.json();
  } catch (error) {
    console.error(`locale ${language} could not be read`, error);
    return {};
  }
}

/** @param {string} key */
export function hasText(key) {
  return key in entries || key in english;
}

/** The text for a key, its `{names}` replaced by values; numbers are written as the language writes them. @param {string} key @param {Values} [values] */
export function translate(key, values = {}) {
  const entry = entries[key] ?? english[key];
  if (entry === undefined) return key;
  const text = typeof entry === "string" ? entry : (entry[plurals.select(Number(values.count))] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : String(value ?? "");
  });
}

/** Whether the text for a key needs a value that is not there. @param {string} key @param {Values} values */
export function lacksValues(key, values) {
  const entry = entries[key] ?? english[key];
  const texts = typeof entry === "string" ? [entry] : Object.values(entry ?? {});
  const names = texts.flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
  return names.some((name) => values[name] === undefined || values[name] === null);
}
