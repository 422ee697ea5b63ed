"""Trains the network on dialogues."""

from __future__ import annotations

import time
from dataclasses import dataclass
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
class Plan:
    """How long and how fast the network learns."""

    seed: int = 20261121
    #: How many tokens are read in all.
    tokens: int = 32_000_000
    #: At most so many tokens are in a batch, padding included.
    batch: int = 6144
    matrix_rate: float = 0.02
    other_rate: float = 0.01
    warm_up: float = 0.02
    #: The share of the steps at the end in which the rate falls to zero.
    cool_down: float = 0.6
    #: Dialogues that are shuffled and sorted by length together.
    pool: int = 1024
    #: The share of the training in which dialogues grow from the shortest to their full length.
    growth: float = 0.7
    #: The share of drills among the dialogues; they are half as long as the others in the end.
    drills: float = 0.6


def train(shape: Shape, plan: Plan, tokenizer: Tokenizer, output: Path, device: str = "cpu") -> Network:
    """Trains a network and writes it to `output`; reports what it does on the way."""
    torch.manual_seed(plan.seed)
    network = Network(shape)
    network.relate(joined(tokenizer))
    network.hint(subject_weights(tokenizer, plan.seed))
    network.to(device)
    matrices = [w for name, w in network.named_parameters() if w.ndim == 2 and "embedding" not in name]
    others = [w for name, w in network.named_parameters() if w.ndim != 2 or "embedding" in name]
    optimizers = [
        (torch.optim.Muon(matrices, lr=plan.matrix_rate, momentum=0.95, weight_decay=0.01), plan.matrix_rate),
        # The epsilon is far above the gradients of tokens that do not occur in a batch: those stay where they are.
        (torch.optim.AdamW(others, lr=plan.other_rate, betas=(0.9, 0.98), eps=1e-4, weight_decay=0.0), plan.other_rate),
    ]
    print(f"{sum(w.numel() for w in network.parameters()):,} parameters", flush=True)
    started, read, step, losses = time.monotonic(), 0, 0, []
    batches = _Batches(plan, shape.context, tokenizer)
    while (share := read / plan.tokens) < 1:
        tokens, targets = batches.next(share)
        rate = min(1, share / plan.warm_up + 0.01, (1 - share) / plan.cool_down)
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
            if step % 300 == 0:
                torch.save(network.state_dict(), output)
    torch.save(network.state_dict(), output)
    return network


def _loss(network: Network, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy where there is a target (not -1), both `[batch, length]`."""
    with torch.autocast(tokens.device.type, torch.bfloat16):
        states = network(tokens)
        wanted = targets >= 0
        logits = network.logits(states[wanted])
    return F.cross_entropy(logits.float(), targets[wanted])


class _Batches:
    """Dialogues of similar length, in batches: tokens and, behind each, the token to write or -1, both `[batch, length]`."""

    def __init__(self, plan: Plan, context: int, tokenizer: Tokenizer):
        self._plan, self._context, self._tokenizer = plan, context, tokenizer
        self._rng = Random(plan.seed)
        self._waiting: list[list[tuple[list[int], list[bool]]]] = []

    def next(self, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The next batch, when `share` of the training is over."""
        if not self._waiting:
            self._fill(min(1.0, 0.1 + share / self._plan.growth) if self._plan.growth else 1.0)
        return _padded(self._waiting.pop())

    def _fill(self, effort: float) -> None:
        pool = []
        while len(pool) < self._plan.pool:
            is_drill = self._rng.random() < self._plan.drills
            dialogue = dialogues.drill(self._rng, effort) if is_drill else dialogues.make(self._rng, effort)
            ids, learnt = rendering.encode(dialogue, self._tokenizer)
            if any(learnt[: self._context]):
                pool.append((ids[: self._context], learnt[: self._context]))
        pool.sort(key=lambda item: len(item[0]))
        batch: list[tuple[list[int], list[bool]]] = []
        for item in pool:
            if batch and (len(batch) + 1) * len(item[0]) > self._plan.batch:
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
