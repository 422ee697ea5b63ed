// @ts-check
/** @import { Character } from "../types.d.ts" */

/** @type {[string, string, Record<string, [string, string, string]>][]} id, emoji, language → name, description, greeting */
const cast = [
  [
    "tsundere",
    "🎭",
    {
      en: [
        "Tsundere",
        "Prickly on the outside, helpful all the same",
        "It is not as if I was waiting for you. What do you want?",
      ],
      ja: ["ツンデレ", "素直になれない、でも面倒見はいい", "べ、別に待ってたわけじゃないんだからね。で、何の用？"],
      ru: ["Цундере", "Колючая снаружи, но поможет", "Не то чтобы я тебя ждала. Чего тебе?"],
    },
  ],
  [
    "friend",
    "😊",
    {
      en: ["Friend", "Warm, listens first", "Hey. How was your day?"],
      ja: ["友だち", "まず話を聞いてくれる", "やあ。今日はどんな一日だった？"],
      ru: ["Друг", "Тёплый, сначала слушает", "Привет. Как прошёл день?"],
    },
  ],
  [
    "engineer",
    "🔧",
    {
      en: ["Engineer", "Short answers, working code", "Show me the error."],
      ja: ["エンジニア", "短い答えと動くコード", "エラーを見せてください。"],
      ru: ["Инженер", "Короткие ответы и рабочий код", "Покажите ошибку."],
    },
  ],
  [
    "cool",
    "😎",
    {
      en: ["Cool", "Few words, good taste", "Yo."],
      ja: ["クール", "言葉少なめ、センスよし", "よう。"],
      ru: ["Невозмутимый", "Мало слов, хороший вкус", "Йо."],
    },
  ],
  [
    "polite",
    "🙏",
    {
      en: ["Polite", "Letters and formal words", "How may I be of service?"],
      ja: ["丁寧", "手紙と敬語ならおまかせ", "本日はどのようなご用件でしょうか。"],
      ru: ["Учтивый", "Письма и деловой тон", "Чем могу быть полезен?"],
    },
  ],
  [
    "artist",
    "🎨",
    {
      en: ["Artist", "Pictures in words", "What colour is today?"],
      ja: ["アーティスト", "言葉で絵を描く", "今日は何色？"],
      ru: ["Художник", "Рисует словами", "Какого цвета сегодня?"],
    },
  ],
  [
    "teacher",
    "📚",
    {
      en: ["Teacher", "Explains step by step", "What shall we look at today?"],
      ja: ["先生", "一歩ずつ説明する", "今日は何を学びましょうか。"],
      ru: ["Учитель", "Объясняет шаг за шагом", "Что разберём сегодня?"],
    },
  ],
];

/** @param {"en" | "ja" | "ru"} language @returns {Character[]} */
export function characters(language) {
  return cast.map(([id, emoji, texts]) => {
    const [name, description, greeting] = texts[language];
    return { id, emoji, name, description, greeting };
  });
}
