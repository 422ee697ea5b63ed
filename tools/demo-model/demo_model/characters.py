"""The characters that Engawa ships, as the system prompts that the application makes of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

_FOLDER = Path(__file__).resolve().parents[3] / "presets" / "characters"
#: What `{{user}}` stands for, as in the application.
_PERSON = "User"


@dataclass(frozen=True)
class Character:
    """A character card, as much of it as the model sees."""

    id: str
    system_prompt: str
    greetings: tuple[str, ...]

    def abridged(self, rng: Random, effort: float = 1.0) -> str:
        """Its first line and some of the others, the more the greater the effort: the same voice in fewer tokens."""
        first, *others = self.system_prompt.split("\n")
        share = rng.random() ** 2 * 0.4 * effort
        return "\n".join([first] + [line for line in others if line and rng.random() < share])


@cache
def characters() -> dict[str, Character]:
    """The characters by their id."""
    cards = [json.loads(path.read_text("utf-8"))["data"] for path in sorted(_FOLDER.glob("*.json"))]
    return {card["extensions"]["engawa"]["id"]: _character(card) for card in cards}


def _character(card: dict) -> Character:
    def substitute(text: str) -> str:
        return text.replace("{{char}}", card["name"]).replace("{{user}}", _PERSON)

    parts = (card[key].strip() for key in ("system_prompt", "description", "personality", "scenario"))
    text = "\n\n".join(part for part in parts if part)
    for example in re.split(r"<START>\s*", card["mes_example"]):
        if example.strip():
            text += "\n\nExample:\n" + example.strip()
    greetings = (card["first_mes"], *card["alternate_greetings"])
    return Character(card["extensions"]["engawa"]["id"], substitute(text), tuple(map(substitute, greetings)))
