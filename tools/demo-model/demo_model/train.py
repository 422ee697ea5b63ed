"""Trains the network on dialogues."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import dialogues, rendering
from .network import Network, Shape
from .tokenizer import joined


@dataclass(frozen=True)
class Course:
    """How long and how fast the network learns, and from what."""

    seed: int
    #: How many tokens are read in all.
    tokens: int
    #: The highest rate of the matrices; everything else has half of it.
    rate: float
    #: The share of the steps at the end in which the rate falls to zero.
    cool_down: float
    #: The share of drills among the dialogues.
    drills: float
    #: The share of the course in which dialogues grow from the shortest to their full length; 0: they have it from the start.
    growth: float = 0.0
    warm_up: float = 0.02
    #: The share of the drills with characters whose answers are whole.
    whole_answers: float = 0.0
    #: How often each kind of drill comes.
    kinds: dict[str, int] = field(default_factory=lambda: dialogues.DRILLS)


#: Drills for what the main course has little of: what is said beside questions, and what to answer as a character.
_MORE = {"subject": 30, "question": 50, "talk": 30, "instructed": 5, "character": 35, "recall": 25, "call": 15}


@dataclass(frozen=True)
class Plan:
    """The courses: one in which only subjects are learnt, the main one, and those in which what came of it goes on by itself.

    The mean of what the last come to is the result. Each of the short courses forgets and overrates other things; the mean does so less than any
    of them (Wortsman et al. 2022, “Model soups”).
    """

    subjects: Course = Course(seed=20261128, tokens=5_000_000, rate=0.02, cool_down=0.6, drills=1.0, kinds={"subject": 1})
    # Drills are three fifths of the tokens in the end.
    main: Course = Course(seed=20261121, tokens=21_000_000, rate=0.02, cool_down=0.6, drills=0.86, growth=0.7)
    then: tuple[Course, ...] = (
        *(Course(seed=seed, tokens=1_000_000, rate=0.008, cool_down=0.95, drills=0.92, whole_answers=0.7, kinds=_MORE) for seed in (1, 2, 4, 5)),
        Course(seed=3, tokens=1_000_000, rate=0.008, cool_down=0.95, drills=0.3),
    )


#: What it counts to know the subject, when to write the next token counts 1: auxiliary losses half-way, as in Lee et al. 2015, “Deeply-supervised nets”.
_SUBJECT_COUNTS = 1.0
#: And to look at what is to be copied.
_SOURCE_COUNTS = 0.3
#: The share of certainty that is spread over all subjects (label smoothing).
_SMOOTHING = 0.05
#: At most so many tokens are in a batch, and in each of its parts, padding included.
_BATCH, _PART = 6144, 2048
#: Dialogues that are shuffled and sorted by length together.
_POOL = 1024


def train(shape: Shape, plan: Plan, tokenizer: Tokenizer, output: Path, device: str = "cpu") -> Network:
    """Trains a network and writes it to `output`; reports what it does on the way."""
    torch.manual_seed(plan.main.seed)
    network = Network(shape, len(dialogues.subjects()))
    network.relate(joined(tokenizer))
    network.to(device)
    # Uncompiled, the many small operations between the products take a third of the time.
    for block in network.blocks:
        block.compile(dynamic=True)
    print(f"{sum(w.numel() for w in network.parameters()):,} parameters", flush=True)
    _learn(network, plan.subjects, tokenizer, device)
    _learn(network, plan.main, tokenizer, device, output)
    ways = [copy.deepcopy(network.state_dict())]
    for course in plan.then:
        network.load_state_dict(ways[0])
        _learn(network, course, tokenizer, device)
        ways.append(copy.deepcopy(network.state_dict()))
    for number, way in enumerate(ways):
        torch.save(way, output.with_stem(f"{output.stem}-{number}"))
    ends = ways[1:] or ways
    network.load_state_dict({name: torch.stack([end[name] for end in ends]).mean(0) for name in ends[0]})
    torch.save(network.state_dict(), output)
    return network


def _learn(network: Network, course: Course, tokenizer: Tokenizer, device: str, output: Path | None = None) -> None:
    """Leads the network through a course; writes it to `output` now and then, if given, and in the end."""
    matrices = [w for w in network.blocks.parameters() if w.ndim == 2]
    others = [w for w in network.blocks.parameters() if w.ndim != 2] + [*network.norm.parameters(), network.embedding.weight, network.subject.weight]
    optimizers = [
        (torch.optim.Muon(matrices, lr=course.rate, momentum=0.95, weight_decay=0.01), course.rate),
        # The epsilon is far above the gradients of tokens that do not occur in a batch: those stay where they are.
        (torch.optim.AdamW(others, lr=course.rate / 2, betas=(0.9, 0.98), eps=1e-4, weight_decay=0.0), course.rate / 2),
    ]
    started, read, step, losses = time.monotonic(), 0, 0, []
    batches = _Batches(course, network.shape.context, tokenizer)
    while (share := read / course.tokens) < 1:
        batch = batches.next(share)
        rate = min(1, share / course.warm_up + 0.01, (1 - share) / course.cool_down)
        for optimizer, full in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = full * rate
            optimizer.zero_grad(set_to_none=True)
        losses.append(_follow(network, batch, device))
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        read += sum(part.tokens.numel() for part in batch)
        step += 1
        if step % 100 == 0:
            spent = time.monotonic() - started
            written, known, copied = np.mean(losses[-100:], axis=0)
            print(f"step {step:5} · {read / 1e6:5.1f} M tokens · loss {written:.4f}, subjects {known:.4f}, sources {copied:.4f} · {read / spent:.0f} tok/s · {spent / 60:.1f} min", flush=True)
            if output and step % 300 == 0:
                torch.save(network.state_dict(), output)
    if output:
        torch.save(network.state_dict(), output)


class _Part(NamedTuple):
    """Dialogues of similar length, all `[n_dialogues, length]`."""

    tokens: torch.Tensor
    #: Behind each token, the next one that is to be written, or -1.
    targets: torch.Tensor
    #: Behind each token, the subject that is to be known, or -1.
    subjects: torch.Tensor
    #: Behind each token, the place of the one that is copied next, or -1.
    sources: torch.Tensor


def _follow(network: Network, batch: list[_Part], device: str) -> np.ndarray:
    """Adds the gradients of a batch to the network's; the mean cross-entropies of the tokens to write, the subjects and the sources, `[3]`."""
    counts = [max(1, sum(int((values >= 0).sum()) for values in kind)) for kind in list(zip(*batch))[1:]]
    losses = np.zeros(3)
    for part in batch:
        tokens, targets, subjects, sources = (values.to(device) for values in part)
        to_write, to_know, to_copy = targets >= 0, subjects >= 0, sources >= 0
        with torch.autocast(device, torch.bfloat16):
            half_way = network.read(tokens)
            zero = half_way.new_zeros((), dtype=torch.float32)
            written = copied = zero
            scores = network.subject_scores(half_way[to_know]).float()
            known = F.cross_entropy(scores, subjects[to_know], label_smoothing=_SMOOTHING, reduction="sum")
            if to_write.any():
                written = _cross_entropy(network.write(half_way)[to_write], network.embedding.weight, targets[to_write])
            if to_copy.any():
                rows, places = to_copy.nonzero(as_tuple=True)
                looks = network.looks(half_way)[rows, places].float()
                later = torch.arange(looks.shape[1], device=device) > places[:, None]
                copied = F.cross_entropy(looks.masked_fill(later, float("-inf")), sources[to_copy], reduction="sum")
        parts = [loss / count for loss, count in zip((written, known, copied), counts, strict=True)]
        (parts[0] + _SUBJECT_COUNTS * parts[1] + _SOURCE_COUNTS * parts[2]).backward()
        losses += [loss.item() for loss in parts]
    return losses


@torch.compile(dynamic=True)
def _cross_entropy(states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The sum over the next tokens `[n]`, by the states in front of them, `[n, width]`, and the embeddings `[vocabulary, width]`."""
    return F.cross_entropy(F.linear(states, embedding).float(), targets, reduction="sum")


class _Batches:
    """The dialogues of a course in batches, of which each part has dialogues of similar length."""

    def __init__(self, course: Course, context: int, tokenizer: Tokenizer):
        self._course, self._context, self._tokenizer = course, context, tokenizer
        self._rng = Random(course.seed)
        self._waiting: list[list[rendering.Encoded]] = []

    def next(self, share: float) -> list[_Part]:
        """The next batch, when `share` of the course is over."""
        batch, size = [], 0
        while size + _PART <= _BATCH:
            if not self._waiting:
                self._fill(min(1.0, 0.1 + share / self._course.growth) if self._course.growth else 1.0)
            batch.append(_padded(self._waiting.pop()))
            size += batch[-1].tokens.numel()
        return batch

    def _fill(self, effort: float) -> None:
        pool = [self._dialogue(effort) for _ in range(_POOL)]
        pool.sort(key=lambda item: len(item.ids))
        part: list[rendering.Encoded] = []
        for item in pool:
            if part and (len(part) + 1) * len(item.ids) > _PART:
                self._waiting.append(part)
                part = []
            part.append(item)
        self._waiting.append(part)
        self._rng.shuffle(self._waiting)

    def _dialogue(self, effort: float) -> rendering.Encoded:
        while True:
            is_drill = self._rng.random() < self._course.drills
            dialogue = dialogues.drill(self._rng, effort, self._course.kinds, self._course.whole_answers) if is_drill else dialogues.make(self._rng, effort)
            encoded = rendering.encode(dialogue, self._tokenizer).up_to(self._context)
            if any(encoded.learnt) or max(encoded.subjects) >= 0:
                return encoded


def _padded(encoded: list[rendering.Encoded]) -> _Part:
    length = max(len(item.ids) for item in encoded)
    tokens = np.zeros((len(encoded), length), dtype=np.int64)
    targets = np.full((len(encoded), length), -1, dtype=np.int64)
    subjects = np.full((len(encoded), length), -1, dtype=np.int64)
    sources = np.full((len(encoded), length), -1, dtype=np.int64)
    for row, item in enumerate(encoded):
        count = len(item.ids)
        tokens[row, :count] = item.ids
        targets[row, : count - 1] = np.where(item.learnt[1:], item.ids[1:], -1)
        subjects[row, :count] = item.subjects
        sources[row, :count] = item.sources
    return _Part(*map(torch.from_numpy, (tokens, targets, subjects, sources)))
