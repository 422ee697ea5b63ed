"""What each token tells of the subject of a question, by itself: a linear classifier finds in seconds what a network is slow to find.

Its weights become part of the first embeddings (`Network.hint`), so that the network begins where questions about different things already
look different.
"""

from __future__ import annotations

from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import dialogues
from .language import LANGUAGES, language
from .tokenizer import joined

#: What people say that is not about a topic: one subject each.
_OTHER = ("outside", "introduce", "greet", "help", "thanks", "bye", "list", "table", "formula", "code")
#: How many questions of each subject are read in each language.
_QUESTIONS = 300
_STEPS = 240
_RATE = 0.05
_DECAY = 1e-4
_SMOOTHING = 0.05


def subject_weights(tokenizer: Tokenizer, seed: int) -> torch.Tensor:
    """How much each token speaks for each subject, `[vocabulary, subjects]`; languages share the subjects.

    A token made of a mark and a word has the word's weights.
    """
    torch.manual_seed(seed)
    word_of = {whole: word for whole, _, word in joined(tokenizer)}
    questions, subjects = _questions(Random(seed))
    bags = [sorted({word_of.get(id, id) for id in encoding.ids}) for encoding in tokenizer.encode_batch(questions, add_special_tokens=False)]
    tokens = torch.tensor([id for bag in bags for id in bag])
    starts = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
    shares = torch.tensor([len(bag) ** -0.5 for bag in bags for _ in bag])
    wanted = torch.tensor(subjects)
    weights = torch.zeros(tokenizer.get_vocab_size(), max(subjects) + 1, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=_RATE)
    for step in range(_STEPS):
        optimizer.param_groups[0]["lr"] = _RATE * (1 - step / _STEPS)
        scores = F.embedding_bag(tokens, weights, starts, mode="sum", per_sample_weights=shares)
        loss = F.cross_entropy(scores, wanted, label_smoothing=_SMOOTHING) + _DECAY * weights.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = weights.detach()
    for whole, word in word_of.items():
        found[whole] = found[word]
    return found - found.mean(1, keepdim=True)


def _questions(rng: Random) -> tuple[list[str], list[int]]:
    """Questions in all languages, and the number of each one's subject."""
    questions, subjects = [], []
    for code in LANGUAGES:
        words = language(code)
        topics = list(words.topics.values())
        for _ in range(_QUESTIONS):
            said = [words.question(topic, rng) for topic in topics]
            for kind in _OTHER:
                if kind == "outside":
                    said.append(dialogues.outside(words, rng)[0])
                elif kind in dialogues.FORMATS:
                    said.append(dialogues.formatted(kind, words, rng)[0])
                else:
                    said.append(words.vary(rng.choice(words.said[kind]), rng))
            questions += said
            subjects += range(len(said))
    return questions, subjects
