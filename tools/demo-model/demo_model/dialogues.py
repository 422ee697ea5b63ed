"""Dialogues that the model learns from: made of the phrases of a language, slots and chance."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from random import Random

from . import names, tool_use
from .characters import characters
from .language import LANGUAGES, VOICES, Language, Topic, language

FACTS = ("name", "number", "colour")
FORMATS = ("list", "table", "code", "formula")
_TALK = ("greet", "introduce", "thanks", "bye", "how_are_you", "help")
_CODE = {
    "Python": 'def greet(name):\n    print(f"Hello, {name}!")\n\ngreet("Engawa")',
    "Rust": 'fn main() {\n    println!("Hello, Engawa!");\n}',
    "JavaScript": 'const greet = (name) => console.log(`Hello, ${name}!`);\ngreet("Engawa");',
    "C": '#include <stdio.h>\n\nint main(void) {\n    puts("Hello, Engawa!");\n    return 0;\n}',
    "Bash": 'name="Engawa"\necho "Hello, $name!"',
}
_OTHER_SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a friendly and concise assistant.", "Answer briefly.", "You are an AI assistant. Be honest.", "Be kind.",
    "You are Engawa's assistant.", "Help the user with Engawa.", "あなたは役に立つアシスタントです。", "簡潔に答えてください。", "丁寧に助けてください。", "Ты полезный помощник.",
    "Отвечай кратко.", "Вы вежливый ассистент.", "Today is Monday.", "The user likes short answers.",
)


@dataclass(frozen=True)
class Learnt:
    """What is known of a message that the model learns to write."""

    #: What the message in front of it is about, one of `subjects`.
    subject: str
    #: What it takes over, word for word, from what was said.
    copied: tuple[str, ...] = ()
    #: The tool that it calls.
    called: tool_use.Offer | None = None


@dataclass
class Dialogue:
    """A conversation in the form that chat templates take."""

    messages: list[dict] = field(default_factory=list)
    offers: list[tool_use.Offer] = field(default_factory=list)
    #: The messages that the model learns to write.
    learnt: dict[int, Learnt] = field(default_factory=dict)
    #: After how many tokens the messages that are learnt break off; `None`: nowhere. The beginning of a known answer shows which one was chosen.
    cut: int | None = None

    def say(self, role: str, content: str, **more) -> None:
        """Adds a message."""
        self.messages.append({"role": role, "content": content, **more})

    def reply(self, subject: str, content: str, *, copied: Iterable[str] = (), called: tool_use.Offer | None = None, **more) -> None:
        """Adds a message that the model learns to write."""
        self.learnt[len(self.messages)] = Learnt(subject, tuple(copied), called)
        self.say("assistant", content, **more)


@cache
def subjects() -> dict[str, int]:
    """All that people may speak of, numbered."""
    facts = [f"{way} {fact}" for way in ("tell", "ask") for fact in FACTS]
    tools = [f"{way} {family}" for way in ("tool", "result") for family in tool_use.families()]
    names = (*language("en").topics, "outside", *_TALK, *FORMATS, *facts, "tell several", "repeat", *tools)
    return {name: number for number, name in enumerate(names)}


def make(rng: Random, effort: float = 1.0) -> Dialogue:
    """A dialogue of some kind.

    `effort`, 0..=1: how long it may get. Short ones teach the same for less; the long ones are needed in the end.
    """
    code = rng.choice(LANGUAGES)
    if rng.random() < 0.22 - 0.08 * effort:
        return _repeating(code, rng)
    kind = rng.random()
    if kind < 0.22:
        return _with_tool(code, rng, effort)
    speaker = _Speaker(code, rng, effort)
    if kind < 0.52:
        _recall(speaker)
    elif kind < 0.82:
        speaker.move("topic")
        while rng.random() < 0.6 * effort:
            speaker.move(rng.choice(("topic", "topic", "topic", "outside", "thanks")))
    else:
        for _ in range(rng.choice((1, 1, 1, 2, 3, 4)) if rng.random() < effort else 1):
            speaker.move()
    if rng.random() < 0.015 * effort:
        # A long one, so that the far end of the context is known too.
        for _ in range(12):
            speaker.move()
        if speaker.facts:
            speaker.move("ask")
    return speaker.dialogue


#: The kinds of drills, and how often each comes. Those of one question are short: three quarters of the drills are a third of their tokens.
DRILLS = {"subject": 80, "question": 80, "talk": 14, "instructed": 5, "character": 17, "recall": 26, "call": 14}

#: What is said in drills, and how often each comes: of questions, and of all that is said beside them.
_QUESTION_MOVES = {"topic": 80, "outside": 14, "introduce": 5, "help": 2}
_TALK_MOVES = {"greet": 30, "introduce": 12, "how_are_you": 8, "thanks": 8, "bye": 6, "help": 6, "format": 40}


def drill(rng: Random, effort: float = 1.0, shares: dict[str, int] = DRILLS, whole_answers: float = 0.0) -> Dialogue:
    """Questions and the beginnings of their answers or only their subjects, one call of a tool, or something to remember: what has to be chosen or copied, many times for little.

    `effort`, 0..=1: how many of the characters are told all that they are told in the application. `shares`: how often each kind comes.
    `whole_answers`, 0..=1: how many of the characters answer to the end.
    """
    code = rng.choice(LANGUAGES)
    kind = rng.choices(list(shares), list(shares.values()))[0]
    if kind == "call":
        return _with_tool(code, rng, 0.0, only_call=True)
    if kind == "recall":
        speaker = _Speaker(code, rng, 0.3, opening="nothing")
        fact = rng.choices(FACTS, (2, 2, 1))[0]
        speaker.tell([fact])
        speaker.ask(fact)
        return speaker.dialogue
    moves = _TALK_MOVES if kind == "talk" else _QUESTION_MOVES
    if kind in ("subject", "question", "talk"):
        speaker, questions = _Speaker(code, rng, 0.3, opening="nothing"), 1
    elif kind == "instructed":
        speaker, questions = _Speaker(code, rng, 0.3, opening="other"), 1
    else:
        # What a character is told is long: several questions behind it share the effort.
        whole = rng.random() < 0.22 * effort
        speaker, questions = _Speaker(code, rng, 1.0 if whole else 0.3, opening="character", whole=float(whole)), 9 if whole else 3
    for _ in range(questions):
        speaker.move(rng.choices(list(moves), list(moves.values()))[0])
    if kind != "character" or rng.random() >= whole_answers:
        speaker.dialogue.cut = 0 if kind == "subject" else 10 if speaker.voice == "neutral" else 20
    return speaker.dialogue


class _Speaker:
    """Leads a dialogue: what was said, who speaks and what is known of the person."""

    def __init__(self, code: str, rng: Random, effort: float, *, opening: str | None = None, whole: float = 0.13):
        """`opening`: whether there is a "character", "other" instructions or "nothing" in front; by chance, if `None`.

        `whole`: how many of the characters are told all, as a share, 0..=1.
        """
        self.dialogue = Dialogue()
        self.language: Language = language(code)
        self.rng = rng
        self.voice = "neutral"
        self.thinks = False
        self.facts: dict[str, str] = {}
        self.effort = effort
        # Without much effort fewer have a character.
        kind = rng.random() / (0.4 + 0.6 * effort)
        self._open(opening or ("character" if kind < 0.42 else "other" if kind < 0.55 else "nothing"), whole)

    def _open(self, opening: str, whole: float) -> None:
        rng = self.rng
        if opening == "character":
            self.voice = rng.choice(VOICES[1:])
            self.dialogue.say("system", self._system_prompt(whole))
            if rng.random() < 0.6 * self.effort:
                self.dialogue.say("assistant", rng.choice(characters()[self.voice].greetings))
        elif opening == "other":
            self.thinks = rng.random() < 0.23
            self.dialogue.say("system", rng.choice(self.language.said["think_system"] if self.thinks else _OTHER_SYSTEM_PROMPTS))

    def _system_prompt(self, whole: float) -> str:
        """What the voice's character is told; in a share of `whole` all of it."""
        character = characters()[self.voice]
        return character.system_prompt if self.rng.random() < whole * self.effort else character.abridged(self.rng, self.effort)

    def move(self, kind: str | None = None) -> None:
        """Something that the person says and what the model answers."""
        rng = self.rng
        if rng.random() < 0.03:
            self.language = language(rng.choice(LANGUAGES))
        weights = {
            "topic": 30, "outside": 20, "greet": 8, "introduce": 12, "thanks": 4, "bye": 3, "how_are_you": 3, "help": 6, "format": 18, "ask": 5, "tell": 6,
        }
        kind = kind or rng.choices(list(weights), list(weights.values()))[0]
        if kind == "topic":
            self._topic()
        elif kind == "outside":
            self._answer(kind, *outside(self.language, rng), self._thought("think_outside"))
        elif kind == "format":
            form = rng.choice(FORMATS)
            self._answer(form, *formatted(form, self.language, rng))
        elif kind == "tell":
            self.tell([rng.choice(FACTS)])
        elif kind == "ask":
            self.ask(rng.choice(FACTS))
        else:
            said = self.language.vary(rng.choice(self.language.said[kind]), rng, thin=kind in ("introduce", "help"))
            self._answer(kind, said, rng.choice(self.language.bodies[kind]))

    def tell(self, facts: list[str]) -> None:
        """The person says something of themselves; what is said last counts."""
        rng, words = self.rng, self.language
        said = []
        again = any(fact in self.facts for fact in facts)
        for fact in facts:
            self.facts[fact] = _value(fact, words.code, rng)
            said.append(_fill(rng.choice(words.said[f"tell_{fact}"]), fact, self.facts[fact]))
        text = ("" if words.code == "ja" else " ").join(said)
        if again and rng.random() < 0.6:
            text = rng.choice(words.said["actually"]) + text
        elif rng.random() < 0.1:
            text = rng.choice(words.frames["before"]) + text
        if rng.random() < 0.15:
            text = text.rstrip(".!。")
        if rng.random() < 0.3:
            text = text[:1].upper() + text[1:]
        if len(facts) == 1:
            body = _fill(rng.choice(words.bodies[f"told_{facts[0]}"]), facts[0], self.facts[facts[0]])
        else:
            parts = [_fill(words.said[f"fact_{fact}"], fact, self.facts[fact]) for fact in facts]
            body = rng.choice(words.bodies["told_several"]).replace("{facts}", words.said["and"].join(parts))
        self._answer(f"tell {facts[0] if len(facts) == 1 else 'several'}", text, body, copied=[self.facts[fact] for fact in facts])

    def ask(self, fact: str) -> None:
        """The person asks what they said of themselves."""
        rng, words = self.rng, self.language
        said = words.vary(rng.choice(words.said[f"ask_{fact}"]), rng)
        if fact not in self.facts:
            self._answer(f"ask {fact}", said, rng.choice(words.bodies[f"no_{fact}"]))
            return
        body = _fill(rng.choice(words.bodies[fact]), fact, self.facts[fact])
        self._answer(f"ask {fact}", said, body, _fill(self._thought(f"think_{fact}"), fact, self.facts[fact]), copied=[self.facts[fact]])

    def _topic(self) -> None:
        rng, words = self.rng, self.language
        while True:
            topic = rng.choice(list(words.topics.values()))
            if not is_kept_back(words.code, self.voice, topic):
                break
        self._answer(topic.id, words.question(topic, rng), topic.answer, self._thought("think_topic").replace("{thing}", topic.thing[0]))

    def _thought(self, kind: str) -> str:
        return self.rng.choice(self.language.bodies[kind])

    def _answer(self, subject: str, said: str, body: str, thought: str = "", *, copied: Iterable[str] = ()) -> None:
        rng, words = self.rng, self.language
        asked_to_think = thought and not self.thinks and rng.random() < 0.14
        if asked_to_think:
            said = rng.choice(words.said["think"]).replace("{question}", said)
        self.dialogue.say("user", said)
        more = {"reasoning_content": thought} if thought and (asked_to_think or self.thinks) else {}
        self.dialogue.reply(subject, words.speak(body, self.voice, rng), copied=copied, **more)


def is_kept_back(code: str, voice: str, topic: Topic) -> bool:
    """Whether the training sees nobody of this voice explain this topic in this language."""
    return voice != "neutral" and names.is_kept_back(f"{code}/{voice}/{topic.id}")


def outside(words: Language, rng: Random) -> tuple[str, str]:
    """A question that has nothing to do with Engawa, and the honest answer."""
    question = rng.choice(words.outside)
    slots = {"country": "countries", "city": "cities", "person": "people", "dish": "dishes", "animal": "animals", "subject": "subjects"}
    slots |= {"language": "languages", "thing": "things", "illness": "illnesses"}
    for slot, values in slots.items():
        while "{" + slot + "}" in question:
            question = question.replace("{" + slot + "}", rng.choice(words.slots[values]), 1)
    while "{n}" in question:
        question = question.replace("{n}", str(rng.randrange(1, rng.choice((10, 100, 1000)))), 1)
    return words.vary(question, rng, thin=True), rng.choice(words.bodies["outside"])


def formatted(kind: str, words: Language, rng: Random) -> tuple[str, str]:
    """A wish for Markdown of a kind, and such a piece."""
    body = rng.choice(words.bodies[kind])
    if kind == "code":
        name = rng.choice(list(_CODE))
        by_name = rng.random() < 0.6
        if not by_name:
            name = "Python"
        said = rng.choice(words.said["code_in" if by_name else "code"]).replace("{lang}", name)
        return words.vary(said, rng), body.replace("{code}", f"```{name.lower()}\n{_CODE[name]}\n```")
    return words.vary(rng.choice(words.said[kind]), rng), body


def _recall(speaker: _Speaker) -> None:
    rng = speaker.rng
    if rng.random() < 0.12:
        # Asked before it was told.
        speaker.ask(rng.choice(FACTS))
    facts = rng.sample(FACTS, rng.choice((1, 1, 1, 2, 2, 3)))
    if rng.random() < 0.25 and len(facts) > 1:
        speaker.tell(facts)
    else:
        for fact in facts:
            speaker.tell([fact])
            if rng.random() < 0.3 * speaker.effort:
                speaker.move()
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3)) if rng.random() < speaker.effort else 0):
        speaker.move()
    if rng.random() < 0.15:
        speaker.tell([rng.choice(facts)])
    if rng.random() < 0.2:
        # Somebody else answers from here on.
        _change_character(speaker)
    asked = rng.sample(FACTS if rng.random() < 0.15 else facts, 1) if len(facts) == 1 else rng.sample(facts, rng.choice((1, len(facts))))
    for fact in asked:
        speaker.ask(fact)


def _change_character(speaker: _Speaker) -> None:
    """Another character takes over: what was said so far stays, and is not learnt."""
    messages = speaker.dialogue.messages
    if not messages or messages[0]["role"] != "system":
        return
    speaker.dialogue.learnt.clear()
    speaker.voice = speaker.rng.choice(VOICES[1:])
    speaker.thinks = False
    messages[0]["content"] = speaker._system_prompt(0.1)


def _repeating(code: str, rng: Random) -> Dialogue:
    """Words to repeat: nothing teaches faster to look back and copy."""
    dialogue = Dialogue()
    makers = [lambda: names.number(rng), lambda: names.number(rng), lambda: names.name(code, rng)] + [lambda: names.name(code, rng, words=language(code).words)] * 3
    if code == "ja":
        makers.append(lambda: names.strange(rng))
    words = [rng.choice(makers)() for _ in range(rng.choice((1, 1, 2, 3, 5, 8, 12)))]
    text = ("、" if code == "ja" else ", " if rng.random() < 0.5 else " ").join(words)
    dialogue.say("user", rng.choice(language(code).said["repeat"]).replace("{words}", text))
    dialogue.reply("repeat", text, copied=words)
    return dialogue


def _with_tool(code: str, rng: Random, effort: float, *, only_call: bool = False) -> Dialogue:
    speaker = _Speaker(code, rng, effort, opening="nothing" if rng.random() < 0.6 else None)
    speaker.thinks = False
    dialogue = speaker.dialogue
    families = rng.sample(tool_use.families(), rng.choice((1, 2, 2, 3)) if only_call or rng.random() < effort else 1)
    offers = [tool_use.offer(family, rng) for family in families]
    dialogue.offers = offers
    for _ in range(1 if only_call else rng.choice((1, 1, 2))):
        kind = rng.random()
        if kind < 0.12 and not only_call:
            speaker.move(rng.choice(("topic", "greet", "outside", "introduce")))
            continue
        offered = rng.choice(offers)
        used = tool_use.use(offered, speaker.language.code, rng)
        polite = speaker.language.frames["before"] if rng.random() < 0.2 else [""]
        dialogue.say("user", rng.choice(polite) + used.question)
        values = [str(value) for value in used.arguments.values()]
        call = {"function": {"name": offered.name, "arguments": used.arguments}}
        dialogue.reply(f"tool {offered.family}", "", copied=values, called=offered, tool_calls=[call])
        if only_call:
            break
        dialogue.say("tool", used.result)
        values += map(str, json.loads(used.result).values())
        dialogue.reply(f"result {offered.family}", speaker.language.speak(used.answer, speaker.voice, rng), copied=values)
    return dialogue


def _value(fact: str, code: str, rng: Random) -> str:
    if fact == "name":
        # Some people have a name of another script.
        script = code if rng.random() < 0.9 else "en"
        name = names.strange(rng) if code == "ja" and rng.random() < 0.1 else names.name(script, rng, words=language(script).words)
        return name.lower() if rng.random() < 0.08 else name
    if fact == "number":
        return names.number(rng)
    slots = language(code).slots
    if rng.random() < 0.3:
        # There are more words for colours than anybody can list.
        stem = names.strange(rng) if code == "ja" and rng.random() < 0.5 else names.name(code, rng).lower()
        return stem + rng.choice(slots["colour_ends"])
    return (rng.choice(slots["shades"]) if rng.random() < 0.3 else "") + rng.choice(slots["colours"])


def _fill(text: str, slot: str, value: str) -> str:
    return text.replace("{" + slot + "}", value)
