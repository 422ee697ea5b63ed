"""Tools that are offered in a chat: their description, a call and what comes back."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from random import Random

from . import names
from .language import ROOT, language


_AFFIXES = ("my_*", "do_*", "*_tool", "*_v2", "*2", "api_*", "*_now", "run_*", "*_function", "engawa_*", "*_for_me", "x_*", "*_service", "home_*")
_PARAMETER_AFFIXES = ("*_name", "the_*", "*_value", "*1", "input_*", "my_*", "target_*", "*_text", "wanted_*", "p_*")


@dataclass(frozen=True)
class Offer:
    """A tool as it is offered in one chat."""

    family: str
    name: str
    argument: str
    definition: dict


@dataclass(frozen=True)
class Use:
    """A question that needs a tool, the call that answers it, the result and the answer."""

    question: str
    arguments: dict
    result: str
    answer: str
    #: What the answer must contain.
    value: str


@cache
def _tools() -> dict:
    return tomllib.loads((ROOT / "speech" / "tools.toml").read_text("utf-8"))


def families() -> list[str]:
    """The kinds of tools."""
    return [family for family in _tools() if family != "values"]


def offer(family: str, rng: Random, *, kept_back: bool = False) -> Offer:
    """A tool under one of its names; combinations of names are kept back for the evaluation."""
    tool = _tools()[family]
    ((_, argument),) = tool["arguments"].items()
    while True:
        name, parameter = rng.choice(tool["names"]), rng.choice(argument["names"])
        if names.is_kept_back(f"{name}({parameter})") == kept_back:
            break
    if not kept_back and rng.random() < 0.5:
        name, parameter = _renamed(name, _AFFIXES, rng), _renamed(parameter, _PARAMETER_AFFIXES, rng)
    schema = {"type": argument["type"]}
    if rng.random() < 0.2:
        schema["description"] = rng.choice(tool["descriptions"])
    # Clients write the keys in any order.
    parameters = [("type", "object"), ("properties", {parameter: _shuffled(schema.items(), rng)}), ("required", [parameter])]
    function = {
        "name": name,
        "description": rng.choice(tool["descriptions"]) if rng.random() < 0.8 else "",
        "parameters": dict(sorted(parameters)) if rng.random() < 0.5 else _shuffled(parameters, rng),
    }
    return Offer(family, name, parameter, {"type": "function", "function": function})


def use(offered: Offer, code: str, rng: Random, *, kept_back: bool = False) -> Use:
    """A question for an offered tool and how it goes on."""
    tool = _tools()[offered.family]
    ((slot, argument),) = tool["arguments"].items()
    value = _value(slot, code, rng, kept_back)
    filled = {slot: value}
    result = {}
    for key, kind in tool["result"].items():
        result[key] = _result(kind, code, rng, kept_back)
        filled[key] = result[key]
    typed = int(value) if argument["type"] == "integer" else value

    def fill(text: str) -> str:
        for key, text_of in filled.items():
            text = text.replace("{" + key + "}", str(text_of))
        return text

    phrases = tool[code]
    telling = next((v for k, v in result.items() if k != "status"), value)
    return Use(fill(rng.choice(phrases["ask"])), {offered.argument: typed}, _as_json(result, rng), fill(rng.choice(phrases["answer"])), str(telling))


def _value(slot: str, code: str, rng: Random, kept_back: bool) -> str:
    if slot == "city":
        cities = [city for city in language(code).slots["cities"] if names.is_kept_back(city) == kept_back]
        if cities and rng.random() < 0.4:
            return rng.choice(cities)
        return _name(code, rng, kept_back)
    if slot == "expression":
        operator = rng.choice(("+", "-", "*", "/"))
        return f"{names.number(rng, kept_back=kept_back)} {operator} {names.number(rng, kept_back=kept_back)}"
    if slot == "minutes":
        return rng.choice([str(n) for n in range(1, 181) if names.is_kept_back(str(n)) == kept_back])
    if slot == "sides":
        return rng.choice([str(n) for n in range(4, 101) if names.is_kept_back(str(n)) == kept_back])
    if rng.random() < 0.5:
        return _name(code, rng, kept_back)
    return rng.choice(language(code).slots["subjects"])


def _name(code: str, rng: Random, kept_back: bool) -> str:
    return names.name(code, rng, kept_back=kept_back, words=() if kept_back else language(code).words)


def _result(kind: str, code: str, rng: Random, kept_back: bool):
    if kind == "degrees":
        return rng.randrange(-20, 40)
    if kind == "sky":
        return rng.choice(_tools()["values"][code]["sky"])
    if kind == "clock":
        return f"{rng.randrange(24):02}:{rng.randrange(60):02}"
    if kind == "small":
        return rng.randrange(1, 40)
    if kind == "large":
        return rng.randrange(1000, 9_999_999)
    if kind == "ok":
        return "ok"
    return int(names.number(rng, kept_back=kept_back))


def _renamed(name: str, affixes: tuple[str, ...], rng: Random) -> str:
    """The name in one of the ways in which programs call such a thing, or one that says nothing."""
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(affixes).replace("*", name)
    if kind < 0.8:
        first, *others = name.split("_")
        return first + "".join(map(str.capitalize, others))
    return names.name("en", rng).lower()


def _shuffled(items: Iterable[tuple], rng: Random) -> dict:
    items = list(items)
    rng.shuffle(items)
    return dict(items)


def _as_json(result: dict, rng: Random) -> str:
    compact = rng.random() < 0.3
    return json.dumps(result, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))
