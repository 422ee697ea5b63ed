"""Dialogues as the text that a model reads, and as tokens."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from tokenizers import Tokenizer

from .dialogues import Dialogue, subjects
from .tool_use import Offer

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
    #: The place of the token that is copied when the next one is written, -1 where none is.
    sources: list[int]

    def up_to(self, count: int) -> Encoded:
        """The first `count` tokens."""
        return Encoded(self.ids[:count], self.learnt[:count], self.subjects[:count], self.sources[:count])


def render(dialogue: Dialogue, *, until: int | None = None) -> str:
    """The prompt for message number `until`, or the whole dialogue."""
    messages = dialogue.messages[:until]
    tools = [offer.definition for offer in dialogue.offers]
    return _template().render(messages=messages, tools=tools, add_generation_prompt=until is not None)


def encode(dialogue: Dialogue, tokenizer: Tokenizer) -> Encoded:
    """The tokens of a dialogue and what is to be learnt of them."""
    text = render(dialogue)
    spans, subject_at = {}, _subjects_of_tools(dialogue, text)
    for index, learnt in dialogue.learnt.items():
        start = len(render(dialogue, until=index))
        spans[start, text.index("<|im_end|>", start) + len("<|im_end|>")] = learnt
        subject_at[start - 1] = learnt.subject
    encoding = tokenizer.encode(text, add_special_tokens=False)
    starts = [at for at, _ in encoding.offsets]
    wanted = [any(start <= at < end for start, end in spans) for at in starts]
    numbers, sources = [-1] * len(starts), [-1] * len(starts)
    for at, subject in subject_at.items():
        numbers[bisect_right(starts, at) - 1] = subjects()[subject]
    for (start, end), learnt in spans.items():
        for value in learnt.copied:
            _note_sources(value, text, text.rfind(value, 0, start), start, end, starts, sources)
        if learnt.called:
            offer = text.index(_as_json(learnt.called))
            for name in (learnt.called.name, learnt.called.argument):
                _note_sources(f'"{name}"', text, text.index(f'"{name}"', offer), start, end, starts, sources)
    encoded = Encoded(encoding.ids, wanted, numbers, sources)
    return encoded if dialogue.cut is None else _broken_off(encoded, dialogue.cut)


def _note_sources(value: str, text: str, said: int, start: int, end: int, starts: list[int], sources: list[int]) -> None:
    """Where a value is written in `start..end` of the text, its tokens come from where it was `said`, if it has as many there."""
    if said < 0:
        return
    theirs = _tokens(said, said + len(value), starts)
    at = text.find(value, start, end)
    while at >= 0:
        mine = _tokens(at, at + len(value), starts)
        if len(mine) == len(theirs):
            for own, other in zip(mine, theirs, strict=True):
                sources[own - 1] = other
        at = text.find(value, at + len(value), end)


def _as_json(offer: Offer) -> str:
    """An offer as the template writes it."""
    return json.dumps(offer.definition, ensure_ascii=False)


def _tokens(start: int, end: int, starts: list[int]) -> range:
    """The tokens of a piece of the text; all that write the first character, if it takes several."""
    first = starts[bisect_right(starts, start) - 1]
    return range(bisect_left(starts, first), bisect_left(starts, end))


def _subjects_of_tools(dialogue: Dialogue, text: str) -> dict[int, str]:
    """By the place in the text: behind the name of a tool and behind its whole offer, the model should know what it is for."""
    found = {}
    for offer in dialogue.offers:
        whole = _as_json(offer)
        start = text.index(whole)
        name = json.dumps(offer.name)
        found[text.index(name, start) + len(name) - 2] = found[start + len(whole) - 1] = f"tool {offer.family}"
    return found


def _broken_off(whole: Encoded, cut: int) -> Encoded:
    """The tokens without those that are learnt behind the first `cut` of their message; the end of a message stays, and is not learnt."""
    kept, learnt, run = [], list(whole.learnt), 0
    for i, wanted in enumerate(whole.learnt):
        run = run + 1 if wanted else 0
        is_last = wanted and not (i + 1 < len(learnt) and whole.learnt[i + 1])
        learnt[i] = wanted and run <= cut
        if run <= cut or is_last:
            kept.append(i)
    while not learnt[kept[-1]] and whole.subjects[kept[-1]] < 0:
        kept.pop()
    # What is left out is never copied, and never copies.
    place = {old: new for new, old in enumerate(kept)}
    sources = [place.get(whole.sources[i], -1) for i in kept]
    return Encoded([whole.ids[i] for i in kept], [learnt[i] for i in kept], [whole.subjects[i] for i in kept], sources)
