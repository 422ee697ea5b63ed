"""The tokenizer: byte-level BPE, fitted to dialogues."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from .rendering import CONTROL_TOKENS, TAGS

#: How llama.cpp cuts text before the merges where a file says `tokenizer.ggml.pre = "qwen2"`: words, single digits, marks, line ends.
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: Runs of one script. No merge is learnt across their ends, so that a name in front of a particle has the tokens that it always has.
_SCRIPTS = r"[\p{Han}々]+|\p{Hiragana}+|[\p{Katakana}ー]+"
#: What is not a letter in front of a word: QWEN2_PATTERN leaves it with the word.
_MARK_BEFORE_WORD = r"^[^\r\n\p{L}\p{N}](?=\p{L})"
#: How many tokens are a mark and the beginning of a word.
_JOINED = 1400
#: The longest token in bytes.
_LONGEST = 30


def fit(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer with `vocabulary` tokens, fitted to texts.

    A word has the same tokens wherever it stands, so that it can be copied: merges across the mark in front of it (a space, a quote)
    come last, and only for what is frequent there.
    """
    texts = list(texts)
    tokenizer = Tokenizer(BPE())
    words = Split(Regex(QWEN2_PATTERN), "isolated")
    to_bytes = ByteLevel(add_prefix_space=False, use_regex=False)
    special = list(CONTROL_TOKENS + TAGS)
    within = [Split(Regex(pattern), "isolated") for pattern in (_MARK_BEFORE_WORD, _SCRIPTS)]
    tokenizer.pre_tokenizer = Sequence([Split(Regex("|".join(map(_escape, special))), "removed"), words, *within, to_bytes])
    trainer = BpeTrainer(
        vocab_size=vocabulary - _JOINED, special_tokens=special, initial_alphabet=ByteLevel.alphabet(), max_token_length=_LONGEST, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = Sequence([words, to_bytes])
    tokenizer = _with_joined(tokenizer, texts)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in TAGS])
    tokenizer.decoder = ByteLevelDecoder()
    return tokenizer


def joined(tokenizer: Tokenizer) -> list[tuple[int, int, int]]:
    """The tokens made of a mark and the beginning of a word: each with the mark's token and the word's."""
    model = json.loads(tokenizer.to_str())["model"]
    ids = model["vocab"]
    return [(ids[mark + word], ids[mark], ids[word]) for mark, word in model["merges"][-_JOINED:]]


def _with_joined(tokenizer: Tokenizer, texts: list[str]) -> Tokenizer:
    """The tokenizer and the most frequent pairs of a mark and the first token of the word behind it."""
    found: Counter[tuple[str, str]] = Counter()
    for text in texts:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        tokens, units, starts = encoding.tokens, encoding.word_ids, [at for at, _ in encoding.offsets]
        for i in range(len(tokens) - 1):
            opens = i == 0 or units[i - 1] != units[i]
            if opens and units[i] == units[i + 1] and not text[starts[i]].isalnum() and text[starts[i + 1]].isalpha():
                found[tokens[i], tokens[i + 1]] += 1
    whole = json.loads(tokenizer.to_str())
    model = whole["model"]
    for mark, word in [pair for pair, _ in found.most_common() if "".join(pair) not in model["vocab"]][:_JOINED]:
        model["vocab"][mark + word] = len(model["vocab"])
        model["merges"].append([mark, word])
    return Tokenizer.from_str(json.dumps(whole))


def load(path: Path) -> Tokenizer:
    """The tokenizer of a file."""
    return Tokenizer.from_file(str(path))


def _escape(text: str) -> str:
    return "".join("\\" + mark if mark in r"<|>/\.[]()*+?" else mark for mark in text)
