"""What is known and how it is said, in one language."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "ja", "ru")
VOICES = ("neutral", "tsundere", "friendly", "technical", "casual", "polite", "creative", "academic")

#: `{a|b}`: two forms of an ending, as the speech files write them.
_FORMS = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")
#: How many of the questions have words left out, and at most which share of them.
_THINNED, _LEFT_OUT = 0.3, 0.45
#: Russian voices that say ты.
_FAMILIAR = ("tsundere", "friendly", "casual")


@dataclass(frozen=True)
class Topic:
    """Something that the model can explain."""

    id: str
    do: tuple[str, ...]
    thing: tuple[str, ...]
    ask: tuple[str, ...]
    answer: str
    keys: tuple[str, ...]


class Language:
    """The phrases of one language."""

    def __init__(self, code: str):
        self.code = code
        speech = tomllib.loads((ROOT / "speech" / f"{code}.toml").read_text("utf-8"))
        self.frames = speech["frames"]
        self.bodies = speech["bodies"]
        self.said = speech["said"]
        self.slots = speech["slots"]
        self.outside = speech["outside"]["questions"]
        self.voices = speech["voices"]
        topics = tomllib.loads((ROOT / "topics" / f"{code}.toml").read_text("utf-8"))
        self.topics = {
            id: Topic(id, tuple(t["do"]), tuple(t["thing"]), tuple(t["ask"]), t["answer"], tuple(t["keys"]))
            for id, t in topics.items()
        }
        self._synonyms = {word: group for group in speech["synonyms"]["groups"] for word in group}
        long_first = sorted((w for w in self._synonyms if len(w) > 1), key=len, reverse=True)
        edge = "" if code == "ja" else r"\b"
        self._synonym_pattern = re.compile(edge + "(" + "|".join(map(re.escape, long_first)) + ")" + edge)
        # Japanese has no spaces: a run of kanji with what is written behind it, or one of another script.
        self._word_pattern = re.compile(r"[\u4e00-\u9fff々]+[ぁ-ん]?|[ァ-ヴー]+|[ぁ-ん]+|\w+|[^\w\s]+" if code == "ja" else r"\S+")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the questions, in lower case; in Japanese, runs of kanji or of katakana."""
        questions = " ".join(text for topic in self.topics.values() for text in topic.ask).lower()
        return tuple(sorted(set(re.findall(r"[\u4e00-\u9fff]{2,}|[\u30a1-\u30fa]{2,}" if self.code == "ja" else r"[^\W\d_]{3,}", questions))))

    # What people say.

    def question(self, topic: Topic, rng: Random) -> str:
        """A question about a topic, in one of many forms."""
        kind = rng.random()
        if kind < 0.84:
            text = rng.choice(topic.ask)
        elif kind < 0.93:
            text = rng.choice(self.frames["do"]).replace("{x}", rng.choice(topic.do))
        else:
            text = rng.choice(self.frames["thing"]).replace("{x}", rng.choice(topic.thing))
        return self.vary(self.with_synonyms(text, rng), rng, thin=True)

    def with_synonyms(self, text: str, rng: Random, share: float = 0.25) -> str:
        """The text with some of its words replaced by others of the same meaning."""

        def other(match: re.Match) -> str:
            return rng.choice(self._synonyms[match[0]]) if rng.random() < share else match[0]

        return self._synonym_pattern.sub(other, text)

    def vary(self, text: str, rng: Random, *, thin: bool = False) -> str:
        """The text as people type: with a word before or after, in lower case, without a mark at the end, with a slip.

        `thin`: some lack words, so that it pays to add up what the words say instead of knowing the text by heart.
        """
        if thin and rng.random() < _THINNED:
            text = self._thinned(text, rng)
        if rng.random() < 0.1:
            text = rng.choice(self.frames["before"]) + (text if self.code == "ja" else text[:1].lower() + text[1:])
        if rng.random() < 0.06:
            text += rng.choice(self.frames["after"])
        if rng.random() < 0.2:
            text = text.rstrip("?.!？。！")
        if rng.random() < 0.15:
            text = text.lower()
        if self.code != "ja" and rng.random() < 0.1:
            words = text.split(" ")
            if len(words) > 3:
                del words[rng.randrange(len(words))]
                text = " ".join(words)
        if rng.random() < 0.04 and len(text) > 6:
            text = _with_slip(text, rng)
        return text

    def _thinned(self, text: str, rng: Random) -> str:
        """The text without some of its words, and at times with its end in front."""
        share = rng.random() * _LEFT_OUT
        words = [word for word in self._word_pattern.findall(text) if rng.random() >= share]
        if len(words) > 2 and rng.random() < 0.25:
            turn = rng.randrange(1, len(words))
            words = words[turn:] + words[:turn]
        return ("" if self.code == "ja" else " ").join(words) or text

    # What the model says.

    def speak(self, body: str, voice: str, rng: Random) -> str:
        """A reply in a voice."""
        manner = self.voices[voice]
        body = self.in_form(body, voice)
        if not manner["open"]:
            return body
        between = "" if self.code == "ja" else " "
        text = rng.choice(manner["open"]) + between + body
        if rng.random() < 0.4:
            on_its_own = "\n" in body or voice == "academic"
            text += ("\n\n" if on_its_own else between) + rng.choice(manner["close"])
        return text

    def in_form(self, body: str, voice: str) -> str:
        """The body with the endings that suit the voice."""
        seen = 0

        def ending(match: re.Match) -> str:
            nonlocal seen
            seen += 1
            plain, polite = match[1], match[2]
            if self.code == "ru":
                return plain if voice in _FAMILIAR else polite
            if voice == "casual":
                return plain + "よ"
            if voice == "tsundere":
                if plain.endswith("だ"):
                    return plain[:-1] + "なのよ"
                return plain + ("のよ" if seen % 2 else "わよ")
            if voice == "polite" and polite == "いいです":
                return "よろしいかと存じます"
            if voice == "polite" and plain.endswith("だ"):
                return polite.removesuffix("です") + "でございます"
            return polite

        return _FORMS.sub(ending, body)

    def right_answers(self, topic: Topic) -> tuple[str, ...]:
        """Words of which a right answer about the topic has all, whatever the voice."""
        return topic.keys


@cache
def language(code: str) -> Language:
    """The phrases of a language."""
    return Language(code)


def _with_slip(text: str, rng: Random) -> str:
    at = rng.randrange(1, len(text) - 1)
    if rng.random() < 0.5:
        return text[:at] + text[at + 1 :]
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]
