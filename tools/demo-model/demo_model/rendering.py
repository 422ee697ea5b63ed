"""Dialogues as the text that a model reads, and as tokens."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from tokenizers import Tokenizer

from .dialogues import Dialogue, subjects

TEMPLATE = Path(__file__).with_name("chat_template.jinja")
#: Marks that only a template may set. Their order is that of their tokens.
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
#: Tags that the model writes and reads, one token each.
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment()
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text("utf-8"))


@dataclass(frozen=True)
class Encoded:
    """A dialogue as tokens; all lists are as long, `[n_tokens]`."""

    ids: list[int]
    #: Whether the model learns to write the token.
    learnt: list[bool]
    #: The number of the subject that the model should know behind the token (`dialogues.subjects`), -1 where there is none.
    subjects: list[int]

    def up_to(self, count: int) -> Encoded:
        """The first `count` tokens."""
        return Encoded(self.ids[:count], self.learnt[:count], self.subjects[:count])


def render(dialogue: Dialogue, *, until: int | None = None) -> str:
    """The prompt for message number `until`, or the whole dialogue."""
    messages = dialogue.messages[:until]
    tools = [offer.definition for offer in dialogue.offers]
    return _template().render(messages=messages, tools=tools, add_generation_prompt=until is not None)


def encode(dialogue: Dialogue, tokenizer: Tokenizer) -> Encoded:
    """The tokens of a dialogue and what is to be learnt of them."""
    text = render(dialogue)
    spans, subject_at = [], _subjects_of_tools(dialogue, text)
    for index, subject in dialogue.learnt.items():
        start = len(render(dialogue, until=index))
        spans.append((start, text.index("<|im_end|>", start) + len("<|im_end|>")))
        subject_at[start - 1] = subject
    encoding = tokenizer.encode(text, add_special_tokens=False)
    learnt = [any(start <= at < end for start, end in spans) for at, _ in encoding.offsets]
    numbers = [-1] * len(learnt)
    starts = [at for at, _ in encoding.offsets]
    for at, subject in subject_at.items():
        numbers[bisect_right(starts, at) - 1] = subjects()[subject]
    encoded = Encoded(encoding.ids, learnt, numbers)
    return encoded if dialogue.cut is None else _broken_off(encoded, dialogue.cut)


def _subjects_of_tools(dialogue: Dialogue, text: str) -> dict[int, str]:
    """By the place in the text: behind the name of a tool and behind its whole offer, the model should know what it is for."""
    found = {}
    for offer in dialogue.offers:
        whole = json.dumps(offer.definition, ensure_ascii=False)
        start = text.index(whole)
        name = json.dumps(offer.name)
        found[text.index(name, start) + len(name) - 2] = found[start + len(whole) - 1] = f"tool {offer.family}"
    return found


def _broken_off(whole: Encoded, cut: int) -> Encoded:
    """The tokens without those that are learnt behind the first `cut` of their message; the end of a message stays, and is not learnt."""
    kept = []
    learnt = list(whole.learnt)
    run = 0
    for i, wanted in enumerate(whole.learnt):
        run = run + 1 if wanted else 0
        is_last = wanted and not (i + 1 < len(learnt) and learnt[i + 1])
        if run <= cut:
            kept.append(i)
        elif is_last:
            kept.append(i)
            learnt[i] = False
    while not learnt[kept[-1]] and whole.subjects[kept[-1]] < 0:
        kept.pop()
    return Encoded(*([values[i] for i in kept] for values in (whole.ids, learnt, whole.subjects)))
