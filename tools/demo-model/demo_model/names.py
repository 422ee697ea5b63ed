"""Names and numbers, split into those for training and those that are kept back for the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from zlib import crc32

#: One of so many names and numbers is kept back.
_KEPT_BACK = 8

_KNOWN = {
    "en": "Anna Ben Carla David Emma Frank Grace Henry Iris Jack Karen Liam Maria Noah Olivia Peter Quinn Rosa Sam Tina Uma Victor Wendy Xavier Yvonne "
    "Zoe Alice Bob Charlie Diana Eric Fiona George Hannah Ivan Julia Kevin Laura Michael Nina Oscar Paula Ralph Susan Thomas Ursula Vera Walter Kenji "
    "Haruka Yuki Sakura Dmitri Olga Mika Aiko Lena Felix Chloe Lucas Mia Ella Leo Max Ruth Simon Tara Hugo Ida Nora Otto Paul Rita Steve Jane Tom Amy Joe",
    "ja": "田中 佐藤 鈴木 高橋 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 林 清水 山崎 森 池田 橋本 阿部 石川 前田 藤田 小川 後藤 岡田 "
    "長谷川 村上 近藤 石井 坂本 遠藤 青木 藤井 西村 福田 太田 三浦 岡本 松田 中川 中野 原田 小野 田村 竹内 金子 和田 中山 石田 上田 森田 健太 美咲 翔 花子 太郎 "
    "次郎 由美 真理 浩 直樹 恵 愛 大輔 優子 ケンジ ハルカ ユキ サクラ ミカ アイコ レナ リサ エマ マリア アンナ トム ジョン マイク",
    "ru": "Анна Борис Вера Глеб Дарья Егор Жанна Захар Иван Кира Лев Мария Никита Ольга Павел Роман Света Тимур Ульяна Фёдор Хана Эмма Юрий Яна Алексей "
    "Виктор Галина Денис Елена Зоя Игорь Катя Лена Миша Нина Олег Пётр Рита Саша Таня Антон Богдан Василий Григорий Дмитрий Евгений Артём Максим Полина "
    "София Тарас Арина Данил Ева Илья Ксения Лиза Марк Настя Соня Степан Рустам Кендзи Харука Юки",
}
#: What Japanese names are written with.
_KANJI = sorted({mark for mark in _KNOWN["ja"] if "\u4e00" <= mark <= "\u9fff"})
_SOUNDS = {
    "en": ("b br c ch d dr f g gr h j k kl l m n p pr r s sh st t tr v w y z".split(), "a e i o u a e i o ai ea ia".split(), ["", "", "", "n", "r", "l", "s", "m", "th", "k"]),
    "ja": (
        "ア イ ウ エ オ カ キ ク ケ コ サ シ ス セ タ チ ツ テ ト ナ ニ ネ ノ ハ ヒ フ ヘ ホ マ ミ ム メ モ ヤ ユ ヨ ラ リ ル レ ロ ワ ガ ギ グ ゴ ジ ダ デ ド バ ビ ブ ベ ボ パ ピ ポ".split(),
        [""],
        ["", "", "", "", "ン", "ー"],
    ),
    "ru": ("б бр в г гл д ж з к кр л м н п р с ст т тр ф х ч ш".split(), "а е и о у я ю а и о".split(), ["", "", "", "н", "р", "л", "с", "м", "к"]),
}


def is_kept_back(text: str) -> bool:
    """Whether a name, a number or a combination belongs to the evaluation."""
    return crc32(text.encode()) % _KEPT_BACK == 0


def name(language: str, rng: Random, *, kept_back: bool = False, words: Sequence[str] = ()) -> str:
    """A name: one of people or one that is made up, of sounds or of pieces of `words` and of names.

    Pieces of words make names of tokens that no usual name has, so that copying does not depend on which tokens a name has; in Japanese, so do
    characters that stand together in no name.
    """
    known = _KNOWN[language].split()
    while True:
        kind = rng.random()
        if kind < 0.3:
            text = rng.choice(known)
        elif words and language == "ja" and kind < 0.45:
            text = "".join(rng.choices(_KANJI, k=rng.choice((1, 2, 2, 2, 3))))
        elif words and kind < 0.65:
            text = "".join(_piece(rng.choice(words if rng.random() < 0.7 else known), language, rng) for _ in range(rng.choice((1, 2, 2)))).capitalize()
        else:
            text = _made_up(language, rng)
        if is_kept_back(text) == kept_back:
            return text


def _piece(word: str, language: str, rng: Random) -> str:
    length = rng.choice((1, 1, 2) if language == "ja" else (2, 3, 3, 4, 5))
    at = rng.randrange(max(1, len(word) - length + 1))
    return word[at : at + length]


def strange(rng: Random) -> str:
    """One to three characters that hardly anybody knows, which the tokenizer has as bytes only."""
    return "".join(chr(rng.randrange(0x4E00, 0x9FA0)) for _ in range(rng.choice((1, 2, 2, 3))))


def number(rng: Random, *, kept_back: bool = False) -> str:
    """A number of one to seven digits."""
    while True:
        digits = rng.choice((2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 7)) if kept_back else rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7))
        text = str(rng.randrange(10 ** (digits - 1), 10**digits))
        if is_kept_back(text) == kept_back or digits == 1:
            return text


def _made_up(language: str, rng: Random) -> str:
    starts, middles, ends = _SOUNDS[language]
    syllables = rng.choice((2, 3, 3, 4)) if language == "ja" else rng.choice((1, 2, 2, 3))
    text = "".join(rng.choice(starts) + rng.choice(middles) + (rng.choice(ends) if i == syllables - 1 or rng.random() < 0.3 else "") for i in range(syllables))
    return text.capitalize()
