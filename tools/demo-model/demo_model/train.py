"""Trains the network on dialogues."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import dialogues, rendering
from .network import Network, Shape
from .subjects import subject_weights
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
    #: How often each kind of drill comes.
    kinds: dict[str, int] = field(default_factory=lambda: dialogues.DRILLS)


#: Drills for what is hardest to choose: the tool that is meant, and what to answer as a character.
_CHOICES = {"call": 27, "recall": 13, "question": 25, "instructed": 5, "character": 30}


@dataclass(frozen=True)
class Plan:
    """The first course, and those in which what came of it goes on by itself; the mean of what these come to is the result.

    Each of the short courses forgets and overrates other things; the mean does so less than any of them (Wortsman et al. 2022, “Model soups”).
    """

    # Drills are half as long as the other dialogues in the end.
    first: Course = Course(seed=20261121, tokens=25_000_000, rate=0.02, cool_down=0.6, drills=0.55, growth=0.7)
    then: tuple[Course, ...] = (
        Course(seed=1, tokens=1_300_000, rate=0.008, cool_down=0.95, drills=0.85, kinds=_CHOICES),
        Course(seed=2, tokens=1_300_000, rate=0.008, cool_down=0.95, drills=0.85, kinds=_CHOICES),
        Course(seed=3, tokens=1_300_000, rate=0.008, cool_down=0.95, drills=0.1),
    )


#: At most so many tokens are in a batch, padding included.
_BATCH = 6144
#: Dialogues that are shuffled and sorted by length together.
_POOL = 1024


def train(shape: Shape, plan: Plan, tokenizer: Tokenizer, output: Path, device: str = "cpu") -> Network:
    """Trains a network and writes it to `output`; reports what it does on the way."""
    torch.manual_seed(plan.first.seed)
    network = Network(shape)
    network.relate(joined(tokenizer))
    network.hint(subject_weights(tokenizer, plan.first.seed))
    network.to(device)
    # Uncompiled, the many small operations between the products take a third of the time.
    for block in network.blocks:
        block.compile(dynamic=True)
    print(f"{sum(w.numel() for w in network.parameters()):,} parameters", flush=True)
    _learn(network, plan.first, tokenizer, device, output)
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
    matrices = [w for name, w in network.named_parameters() if w.ndim == 2 and "embedding" not in name]
    others = [w for name, w in network.named_parameters() if w.ndim != 2 or "embedding" in name]
    optimizers = [
        (torch.optim.Muon(matrices, lr=course.rate, momentum=0.95, weight_decay=0.01), course.rate),
        # The epsilon is far above the gradients of tokens that do not occur in a batch: those stay where they are.
        (torch.optim.AdamW(others, lr=course.rate / 2, betas=(0.9, 0.98), eps=1e-4, weight_decay=0.0), course.rate / 2),
    ]
    started, read, step, losses = time.monotonic(), 0, 0, []
    batches = _Batches(course, network.shape.context, tokenizer)
    while (share := read / course.tokens) < 1:
        tokens, targets = batches.next(share)
        rate = min(1, share / course.warm_up + 0.01, (1 - share) / course.cool_down)
        for optimizer, full in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = full * rate
        loss = _loss(network, tokens.to(device), targets.to(device))
        for optimizer, _ in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        losses.append(loss.item())
        read += tokens.numel()
        step += 1
        if step % 100 == 0:
            spent = time.monotonic() - started
            print(f"step {step:5} · {read / 1e6:5.1f} M tokens · loss {np.mean(losses[-100:]):.4f} · {read / spent:.0f} tok/s · {spent / 60:.1f} min", flush=True)
            if output and step % 300 == 0:
                torch.save(network.state_dict(), output)
    if output:
        torch.save(network.state_dict(), output)


def _loss(network: Network, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy where there is a target (not -1), both `[batch, length]`."""
    with torch.autocast(tokens.device.type, torch.bfloat16):
        states = network(tokens)
        wanted = targets >= 0
        return _cross_entropy(states[wanted], network.embedding.weight, targets[wanted])


@torch.compile(dynamic=True)
def _cross_entropy(states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of the next tokens `[n]`, by the states in front of them, `[n, width]`, and the embeddings `[vocabulary, width]`."""
    return F.cross_entropy(F.linear(states, embedding).float(), targets)


class _Batches:
    """Dialogues of similar length, in batches: tokens and, behind each, the token to write or -1, both `[batch, length]`."""

    def __init__(self, course: Course, context: int, tokenizer: Tokenizer):
        self._course, self._context, self._tokenizer = course, context, tokenizer
        self._rng = Random(course.seed)
        self._waiting: list[list[tuple[list[int], list[bool]]]] = []

    def next(self, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The next batch, when `share` of the course is over."""
        if not self._waiting:
            self._fill(min(1.0, 0.1 + share / self._course.growth) if self._course.growth else 1.0)
        return _padded(self._waiting.pop())

    def _fill(self, effort: float) -> None:
        pool = []
        while len(pool) < _POOL:
            is_drill = self._rng.random() < self._course.drills
            dialogue = dialogues.drill(self._rng, effort, self._course.kinds) if is_drill else dialogues.make(self._rng, effort)
            ids, learnt = rendering.encode(dialogue, self._tokenizer)
            if any(learnt[: self._context]):
                pool.append((ids[: self._context], learnt[: self._context]))
        pool.sort(key=lambda item: len(item[0]))
        batch: list[tuple[list[int], list[bool]]] = []
        for item in pool:
            if batch and (len(batch) + 1) * len(item[0]) > _BATCH:
                self._waiting.append(batch)
                batch = []
            batch.append(item)
        self._waiting.append(batch)
        self._rng.shuffle(self._waiting)


def _padded(batch: list[tuple[list[int], list[bool]]]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(len(ids) for ids, _ in batch)
    tokens = np.zeros((len(batch), length), dtype=np.int64)
    targets = np.full((len(batch), length), -1, dtype=np.int64)
    for row, (ids, learnt) in enumerate(batch):
        tokens[row, : len(ids)] = ids
        following = np.where(learnt[1:], ids[1:], -1)
        targets[row, : len(ids) - 1] = following
    return torch.from_numpy(tokens), torch.from_numpy(targets)
