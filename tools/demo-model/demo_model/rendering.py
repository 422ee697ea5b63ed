"""Dialogues as the text that a model reads, and as tokens."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jinja2

from .dialogues import Dialogue

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


def render(dialogue: Dialogue, *, until: int | None = None) -> str:
    """The prompt for message number `until`, or the whole dialogue."""
    messages = dialogue.messages[:until]
    return _template().render(messages=messages, tools=dialogue.tools, add_generation_prompt=until is not None)


def encode(dialogue: Dialogue, tokenizer) -> tuple[list[int], list[bool]]:
    """The tokens, and for each whether the model learns to write it, both `[n_tokens]`."""
    text = render(dialogue)
    spans = []
    for index in dialogue.learnt:
        start = len(render(dialogue, until=index))
        spans.append((start, text.index("<|im_end|>", start) + len("<|im_end|>")))
    encoding = tokenizer.encode(text, add_special_tokens=False)
    learnt = [any(start <= at < end for start, end in spans) for at, _ in encoding.offsets]
    if dialogue.cut is None:
        return encoding.ids, learnt
    return _broken_off(encoding.ids, learnt, dialogue.cut)


def _broken_off(ids: list[int], learnt: list[bool], cut: int) -> tuple[list[int], list[bool]]:
    """The tokens without those that are learnt behind the first `cut` of their message; the end of a message stays, and is not learnt."""
    kept: list[tuple[int, bool]] = []
    run = 0
    for i, (id, wanted) in enumerate(zip(ids, learnt, strict=True)):
        run = run + 1 if wanted else 0
        is_last = wanted and not (i + 1 < len(ids) and learnt[i + 1])
        if run <= cut:
            kept.append((id, wanted))
        elif is_last:
            kept.append((id, False))
    while not kept[-1][1]:
        kept.pop()
    return [id for id, _ in kept], [wanted for _, wanted in kept]
