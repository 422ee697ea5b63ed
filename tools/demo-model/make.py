#!/usr/bin/env python3
"""Makes Engawa's demo model: `python3 tools/demo-model/make.py`.

Prepares a Python of its own under `target/demo-model`, writes dialogues, fits the tokenizer, trains, converts to GGUF, and
asks the result questions that it never saw. The model goes to `models/engawa-demo.gguf`, the table to
`docs/demo-model-evaluation.md`. Engawa itself needs none of this.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target" / "demo-model"


def main() -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("step", nargs="?", choices=("all", "train", "evaluate"), default="all", help="all of it, or only one part")
    parser.add_argument("--part", choices=("dev", "test"), default="test", help="which questions to ask; look at the failures of `dev` only")
    parser.add_argument("--tokens", type=float, help="train on so many million tokens instead of the plan's, to try something out")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "engawa-demo.gguf", help="where the model is written and read")
    parser.add_argument("--device", default="cpu", help="what to train on: cpu or cuda")
    options = parser.parse_args()
    enter_environment()
    import demo_model.steps as steps

    WORK.mkdir(parents=True, exist_ok=True)
    if options.step in ("all", "train"):
        steps.train(WORK, options.model, options.device, options.tokens)
    if options.step in ("all", "evaluate"):
        build_runner()
        # The table in the documents is of the held-out questions.
        report = ROOT / "docs" / "demo-model-evaluation.md" if options.part == "test" else None
        runner = [str(ROOT / "target" / "release" / "engawa-bench"), "replies"]
        steps.evaluate(options.part, options.model, runner, report)


def enter_environment() -> None:
    """Goes on in the Python under `target`, which has the packages of `requirements.txt`."""
    folder = WORK / "python"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = folder / "requirements.txt"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("Preparing Python packages (about 5 GB with PyTorch).", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    if Path(sys.prefix).resolve() != folder.resolve():
        raise SystemExit(subprocess.run([python, __file__, *sys.argv[1:]]).returncode)
    sys.path.insert(0, str(HERE))


def build_runner() -> None:
    """Builds the program that asks the model through Engawa's engine."""
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "engawa-bench"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
