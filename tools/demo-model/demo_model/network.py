"""The network: a Llama as llama.cpp computes it, with rotations of neighbouring pairs and a shared input and output embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The sizes of the network."""

    vocabulary: int = 6144
    width: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 704
    #: The longest text in tokens.
    context: int = 2048
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """How many values a head has."""
        return self.width // self.heads


#: How many values all embeddings begin with in common.
_COMMON = 8
#: Up to so many tokens, attention is computed as three plain products: for short texts that is faster than the fused kernel, on a CPU.
_SHORT = 600


class Block(nn.Module):
    """Attention and a gated feed-forward layer."""

    def __init__(self, shape: Shape):
        super().__init__()
        width, hidden = shape.width, shape.feed_forward
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(width, eps=shape.norm_epsilon)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(width, eps=shape.norm_epsilon)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        normed = self.attention_norm(x)

        def by_head(values: Tensor) -> Tensor:
            return values.view(batch, length, self.heads, -1).transpose(1, 2)

        query, key = rotate(by_head(self.query(normed)), turn), rotate(by_head(self.key(normed)), turn)
        attended = attend(query, key, by_head(self.value(normed)))
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        normed = self.feed_forward_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class Network(nn.Module):
    """The whole network."""

    def __init__(self, shape: Shape, subjects: int):
        """`subjects`: how many subjects are told apart while training."""
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        #: Tells the subject from the states half-way: not part of the finished model.
        self.subject = nn.Linear(shape.width, subjects, bias=False)
        angles = torch.arange(shape.context)[:, None] * shape.rope_base ** (
            -torch.arange(0, shape.head_width, 2) / shape.head_width
        )
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if name.endswith(("out.weight", "down.weight", "subject.weight")):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                nn.init.normal_(weight, std=0.02 if "embedding" in name else 0.5 * weight.shape[1] ** -0.5)
        self._look_back()

    @torch.no_grad()
    def _look_back(self) -> None:
        """Begins with heads that look one, two and three tokens back, so that order need not be discovered.

        A rotation by the distance is the only way to tell places apart, and queries and keys have no bias: so all embeddings begin with
        a common part, and the heads turn it so that the score is greatest at the wanted distance.
        """
        common, pairs, sharpness = _COMMON, 12, 3.0
        self.embedding.weight[:, :common] = 0.04
        # What the norm makes of the common part, along it.
        strength = 0.04 * common**0.5 / self.embedding.weight.pow(2).mean().sqrt()
        size = (sharpness * self.shape.head_width**0.5) ** 0.5 / strength / common**0.5
        first = self.blocks[0]
        for head, distance in enumerate((1, 2, 3)):
            start = head * self.shape.head_width
            for weight in (first.query.weight, first.key.weight):
                weight[start : start + self.shape.head_width] = 0
            for pair in range(pairs):
                angle = torch.tensor(distance * self.shape.rope_base ** (-2 * pair / self.shape.head_width))
                row = start + 2 * pair
                first.key.weight[row, :common] = size
                first.query.weight[row, :common] = size * angle.cos()
                first.query.weight[row + 1, :common] = -size * angle.sin()

    @torch.no_grad()
    def relate(self, joined: list[tuple[int, int, int]]) -> None:
        """Begins with tokens that are a mark and a word as the sum of both: what is known of one holds for the other."""
        whole, mark, word = torch.tensor(joined).T
        common = self.embedding.weight[:, :_COMMON].clone()
        self.embedding.weight[whole] = (self.embedding.weight[mark] + self.embedding.weight[word]) * 0.5**0.5
        self.embedding.weight[:, :_COMMON] = common

    def read(self, tokens: Tensor) -> Tensor:
        """The states behind the first half of the layers, `[batch, length, width]`."""
        return self._through(self.blocks[: len(self.blocks) // 2], self.embedding(tokens))

    def write(self, x: Tensor) -> Tensor:
        """The states behind the last layer, from those half-way, both `[batch, length, width]`."""
        return self.norm(self._through(self.blocks[len(self.blocks) // 2 :], x))

    def looks(self, x: Tensor) -> Tensor:
        """Where the first head behind the states half-way looks: before the softmax, `[batch, length, length]`, later places included."""
        block, width = self.blocks[len(self.blocks) // 2], self.shape.head_width
        normed = block.attention_norm(x)
        turn = self._turn(x)
        query, key = (rotate(F.linear(normed, part.weight[:width]), turn) for part in (block.query, block.key))
        return query @ key.transpose(-1, -2) * width**-0.5

    def subject_scores(self, x: Tensor) -> Tensor:
        """How much speaks for each subject, `[n, subjects]`, in the states half-way, `[n, width]`."""
        return self.subject(F.rms_norm(x, x.shape[-1:], eps=self.shape.norm_epsilon))

    def _through(self, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        turn = self._turn(x)
        for block in blocks:
            x = block(x, turn)
        return x

    def _turn(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rotation of each place, both `[length, head_width / 2]`."""
        length = x.shape[1]
        return self.cosines[:length], self.sines[:length]


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What each place takes from itself and those before it, all `[batch, heads, length, head_width]`."""
    length, width = query.shape[-2:]
    if length > _SHORT:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    scores = (query @ key.transpose(-1, -2)).float() * width**-0.5
    later = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(-1).to(value.dtype) @ value


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding of pairs of neighbours, `[batch, heads, length, head_width]` (Su et al. 2021, arXiv:2104.09864)."""
    cosines, sines = (part.to(x.dtype) for part in turn)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), -1).flatten(-2)
