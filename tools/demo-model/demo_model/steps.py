"""The steps of the making, in their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from . import convert, dialogues, rendering, tokenizer
from . import evaluate as evaluation
from . import train as training
from .network import Shape

#: Of the model, not of Engawa: counted up when the model is made again.
VERSION = "1.4"
_TOKENIZER_DIALOGUES = 30_000
_TEMPERATURES = (0.0, 0.7)


def train(work: Path, output: Path, device: str, million_tokens: float | None) -> None:
    """Fits the tokenizer, trains the network and writes the model."""
    shape, plan = Shape(), training.Plan()
    if million_tokens is not None:
        plan = replace(plan, main=replace(plan.main, tokens=int(million_tokens * 1e6)))
    print("Fitting the tokenizer.", flush=True)
    rng = Random(plan.main.seed + 1)
    texts = (rendering.render(dialogues.make(rng)) for _ in range(_TOKENIZER_DIALOGUES))
    fitted = tokenizer.fit(texts, shape.vocabulary)
    fitted.save(str(work / "tokenizer.json"))
    network = training.train(shape, plan, fitted, work / "network.pt", device)
    output.parent.mkdir(parents=True, exist_ok=True)
    convert.convert({name: weight.cpu() for name, weight in network.state_dict().items()}, shape, fitted, VERSION, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB", flush=True)


def evaluate(part: str, model: Path, runner: list[str], report: Path | None) -> None:
    """Asks the model and prints the table; writes it to `report`, if given. Failures are shown for `dev` only."""
    results = [evaluation.evaluate(part, model, runner, temperature) for temperature in _TEMPERATURES]
    if part == "dev":
        for temperature, result in zip(_TEMPERATURES, results, strict=True):
            for failure in result.failures:
                said = " / ".join(message["content"][-80:] for message in failure.messages if message["role"] != "system")
                reply = failure.reply
                print(f"T {temperature} · {failure.row} · {said} → {reply['content'][:160]!r} {reply['tool_calls'] or ''}")
    print(evaluation.table(results, _TEMPERATURES))
    print(evaluation.speeds(results))
    if report:
        report.write_text(evaluation.document(results, _TEMPERATURES), "utf-8")
