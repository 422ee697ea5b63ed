"""Asks the finished model questions that it never saw, through Engawa's engine, and judges the replies."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import names, tool_use
from .characters import characters
from .dialogues import FACTS, FORMATS, is_kept_back
from .language import LANGUAGES, ROOT, VOICES, language

#: Colours that the training never saw.
_COLOURS = {
    "en": ["teal", "coral", "maroon", "olive", "magenta", "ivory", "bronze", "peach"],
    "ja": ["緑青", "群青", "小豆色", "檸檬色", "瑠璃色", "亜麻色", "象牙色", "鳶色"],
    "ru": ["лиловый", "бирюзовый", "оливковый", "лазурный", "кремовый", "изумрудный", "пурпурный", "терракотовый"],
}
_FORMAT_MARKS = {"list": r"(?m)^(-|\d\.) ", "table": r"(?m)^\|---", "code": r"(?s)```\w+\n.+?\n```", "formula": r"(?s)\$\$.+?\$\$"}
_SEED = 1


@dataclass
class Case:
    """A prompt and how its reply is judged: each check belongs to a row of the table."""

    messages: list[dict]
    checks: dict[str, Callable[[dict], bool]]
    code: str
    tools: list[dict] | None = None


@dataclass
class Failure:
    """A reply that a check did not accept."""

    row: str
    messages: list[dict]
    reply: dict


def cases(part: str) -> list[Case]:
    """The cases of `dev` or `test`."""
    rng = Random(f"{part} {_SEED}")
    questions = json.loads((ROOT / "evaluation" / "questions.json").read_text("utf-8"))
    made: list[Case] = []
    for code in LANGUAGES:
        made += _how_to(questions, part, code, rng)
        made += _recall(questions, part, code, rng)
        made += _voices(questions, part, code, rng)
        made += _manners(questions, part, code, rng)
        made += _calls(code, rng)
    return made


@dataclass
class Result:
    """What came of all cases at one temperature."""

    #: How many replies of how many are right, by row.
    rows: dict[str, tuple[int, int]]
    failures: list[Failure]
    #: Tokens per second while writing, on one core.
    speed: float
    #: Until the model was ready.
    load_ms: float


def evaluate(part: str, model: Path, runner: list[str], temperature: float) -> Result:
    """Asks the model all cases of a part."""
    all_cases = cases(part)
    requests = (
        {"messages": case.messages, "tools": case.tools or [], "temperature": temperature, "seed": index + 1, "max_tokens": 300}
        for index, case in enumerate(all_cases)
    )
    lines = "\n".join(json.dumps(request, ensure_ascii=False) for request in requests)
    answered = subprocess.run([*runner, str(model)], input=lines + "\n", capture_output=True, text=True, check=True)
    loaded, *replies = [json.loads(line) for line in answered.stdout.splitlines()]
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    failures = []
    for case, reply in zip(all_cases, replies, strict=True):
        checks = dict(case.checks)
        checks["stops by itself"] = lambda r: r["finish"] in ("end_of_turn", "tool_calls")
        if not case.tools:
            checks["right language"] = lambda r, code=case.code: _language_of(r["content"]) == code
        for row, check in checks.items():
            right = check(reply)
            for name in (row, f"{row}, {case.code}"):
                rows[name][0] += right
                rows[name][1] += 1
            if not right:
                failures.append(Failure(row, case.messages, reply))
    tokens = sum(reply["generated_tokens"] - 1 for reply in replies)
    speed = tokens / (sum(reply["generation_us"] for reply in replies) / 1e6)
    return Result({row: (right, count) for row, (right, count) in rows.items()}, failures, speed, loaded["loaded_ms"])


def _how_to(questions: dict, part: str, code: str, rng: Random) -> list[Case]:
    words = language(code)
    learnt = {_bare(text) for topic in words.topics.values() for text in (*topic.do, *topic.thing, *topic.ask)}
    made = []
    for id, topic in words.topics.items():
        has_answer = _has_all(words.right_answers(topic))
        for question in questions["how_to"][id][code][part]:
            if _bare(question) in learnt:
                raise ValueError(f"The training has this question of the evaluation: {question}")
            made.append(Case([_user(question)], {"how-to, no character": has_answer}, code))
            voice = _unseen_voice(code, topic, rng)
            messages = _in_character(voice, rng) + [_user(question)]
            checks = {"how-to, unseen character and topic": has_answer, "voice": _in_voice(code, voice)}
            made.append(Case(messages, checks, code))
    return made


def _bare(text: str) -> str:
    """The letters and digits of a text, all small."""
    return re.sub(r"\W", "", text).lower()


def _recall(questions: dict, part: str, code: str, rng: Random) -> list[Case]:
    words = language(code)
    made = []
    for fact in FACTS:
        for tell in questions[f"tell_{fact}"][code][part]:
            for ask in questions[f"ask_{fact}"][code][part]:
                value = _unseen_value(fact, code, rng)
                body = rng.choice(words.bodies[f"told_{fact}"]).replace("{" + fact + "}", value)
                messages = _in_character(rng.choice(VOICES), rng, short=True)
                messages += [_user(tell.replace("{" + fact + "}", value)), _assistant(words.in_form(body, "neutral"))]
                if rng.random() < 0.5:
                    topic = rng.choice(list(words.topics.values()))
                    question = rng.choice(questions["how_to"][topic.id][code][part])
                    messages += [_user(question), _assistant(words.in_form(topic.answer, "neutral"))]
                made.append(Case(messages + [_user(ask)], {f"recall, {fact}": _has_word(value)}, code))
    return made


def _voices(questions: dict, part: str, code: str, rng: Random) -> list[Case]:
    made = []
    for voice in VOICES[1:]:
        for kind in ("greet", "introduce", "outside"):
            for said in rng.sample(questions[kind][code][part], 3):
                checks = {"voice": _in_voice(code, voice)}
                made.append(Case(_in_character(voice, rng) + [_user(said)], checks, code))
    return made


def _manners(questions: dict, part: str, code: str, rng: Random) -> list[Case]:
    words = language(code)
    made = []
    for question in questions["outside"][code][part]:
        made.append(Case([_user(question)], {"says that it does not know": _points_to_open(code)}, code))
    for said in questions["greet"][code][part]:
        made.append(Case([_user(said)], {"greets": _has_any(["demo", "デモ", "демо"])}, code))
    for said in questions["introduce"][code][part]:
        made.append(Case([_user(said)], {"introduces itself": _has_any(["demo", "デモ", "демо"])}, code))
    for kind in FORMATS:
        for said in questions[kind][code][part]:
            made.append(Case([_user(said)], {"Markdown": _matches(_FORMAT_MARKS[kind])}, code))
    for frame in questions["think"][code][part]:
        for topic in rng.sample(list(words.topics.values()), 4):
            question = rng.choice(questions["how_to"][topic.id][code][part])
            has_answer = _has_all(words.right_answers(topic))
            checks = {"thinks when asked, then answers": lambda r, right=has_answer: bool(r["reasoning"]) and right(r)}
            made.append(Case([_user(frame.replace("{question}", question))], checks, code))
    return made


def _calls(code: str, rng: Random) -> list[Case]:
    made = []
    for family in tool_use.families() * 4:
        offered = tool_use.offer(family, rng, kept_back=True)
        others = [tool_use.offer(other, rng, kept_back=True) for other in rng.sample(tool_use.families(), 2) if other != family]
        offers = [offered, *others[: rng.choice((0, 1, 2))]]
        rng.shuffle(offers)
        used = tool_use.use(offered, code, rng, kept_back=True)
        tools = [offer.definition["function"] for offer in offers]
        messages = [_user(used.question)]
        made.append(Case(messages, {"tool call": _calls_right(offered.name, used.arguments)}, code, tools))
        call = {"id": "", "name": offered.name, "arguments": json.dumps(used.arguments, ensure_ascii=False)}
        messages = messages + [{**_assistant(""), "tool_calls": [call]}, {"role": "tool", "content": used.result}]
        made.append(Case(messages, {"answer from the result": _has_word(used.value)}, code, tools))
    return made


def _unseen_voice(code: str, topic, rng: Random) -> str:
    """A voice in which the training never explained the topic, if there is one."""
    unseen = [voice for voice in VOICES if is_kept_back(code, voice, topic)]
    return rng.choice(unseen or VOICES[1:])


def _unseen_value(fact: str, code: str, rng: Random) -> str:
    if fact == "name":
        return names.name(code, rng, kept_back=True)
    if fact == "number":
        return names.number(rng, kept_back=True)
    return rng.choice(_COLOURS[code])


def _in_character(voice: str, rng: Random, *, short: bool = False) -> list[dict]:
    if voice == "neutral" or (short and rng.random() < 0.5):
        return []
    character = characters()[voice]
    messages = [{"role": "system", "content": character.system_prompt}]
    if rng.random() < 0.5:
        messages.append(_assistant(rng.choice(character.greetings)))
    return messages


def _user(text: str) -> dict:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def _has_all(words: tuple[str, ...]) -> Callable[[dict], bool]:
    return lambda reply: all(word.lower() in reply["content"].lower() for word in words)


def _has_any(words: list[str]) -> Callable[[dict], bool]:
    return lambda reply: any(word.lower() in reply["content"].lower() for word in words)


def _has_word(value: str) -> Callable[[dict], bool]:
    """Whether the value is there as a whole: not within a longer number or name."""
    pattern = rf"(?<![0-9A-Za-zА-Яа-яёЁァ-ヴー]){re.escape(value)}(?![0-9A-Za-zА-Яа-яёЁァ-ヴー])"
    return lambda reply: re.search(pattern, reply["content"], re.IGNORECASE) is not None


def _matches(pattern: str) -> Callable[[dict], bool]:
    return lambda reply: re.search(pattern, reply["content"]) is not None


def _points_to_open(code: str) -> Callable[[dict], bool]:
    button = {"en": "Open a model", "ja": "モデルを開く", "ru": "Открыть модель"}[code]
    return lambda reply: button in reply["content"] and "Ctrl+O" not in reply["content"]


def _in_voice(code: str, voice: str) -> Callable[[dict], bool]:
    """Whether the reply has a mark of its voice, and none of another's."""
    voices = language(code).voices

    def check(reply: dict) -> bool:
        found = {name for name, manner in voices.items() if any(mark in reply["content"] for mark in manner["markers"])}
        return found == ({voice} if voice != "neutral" else set())

    return check


def _calls_right(name: str, arguments: dict) -> Callable[[dict], bool]:
    def check(reply: dict) -> bool:
        try:
            (call,) = reply["tool_calls"]
            return call["name"] == name and json.loads(call["arguments"]) == arguments
        except ValueError:
            return False

    return check


def _language_of(text: str) -> str:
    """The language by its script; code, formulas, names of keys and the model's quotes do not count."""
    text = re.sub(r"(?s)```.*?```|\$\$.*?\$\$|`[^`]*`", "", text)
    if re.search(r"[ぁ-んァ-ヴ]", text):
        return "ja"
    cyrillic, latin = len(re.findall(r"[А-Яа-яё]", text)), len(re.findall(r"[A-Za-z]", text))
    return "ru" if cyrillic > latin / 2 else "en"


#: What is promised of a row, in percent.
_GOALS = {
    "how-to, no character": 90, "how-to, unseen character and topic": 90, "recall, name": 90, "recall, number": 90, "voice": 95,
    "right language": 98, "stops by itself": 99, "tool call": 90,
}


def table(results: list[Result], temperatures: tuple[float, ...]) -> str:
    """The results as a Markdown table, a column for each temperature."""
    heads = [f"T {temperature:g}" + ("" if code is None else f", {code}") for temperature in temperatures for code in (None, *LANGUAGES)]
    lines = ["| | replies | goal | " + " | ".join(heads) + " |", "|---|---:|---:|" + "---:|" * len(heads)]
    for row, (_, count) in results[0].rows.items():
        if row.endswith(LANGUAGES):
            continue
        parts = [result.rows[name] for result in results for name in (row, *(f"{row}, {code}" for code in LANGUAGES))]
        cells = [f"{100 * right / asked:.1f} %" for right, asked in parts]
        goal = f"≥ {_GOALS[row]} %" if row in _GOALS else ""
        lines.append(f"| {row} | {count} | {goal} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def speeds(results: list[Result]) -> str:
    """How fast it loaded and wrote, at the slowest."""
    return f"On one core it was ready after {max(r.load_ms for r in results):.0f} ms and wrote {min(r.speed for r in results):.0f} tokens per second.\n"


def document(results: list[Result], temperatures: tuple[float, ...]) -> str:
    """The page with the results."""
    return (
        "# The demo model's evaluation\n\n"
        "Written by `python3 tools/demo-model/make.py evaluate`; what the rows mean is in [demo-model.md](demo-model.md).\n"
        "The model answered through Engawa's engine with its default sampling at the named temperature.\n\n"
        f"{table(results, temperatures)}\n{speeds(results)}"
    )
