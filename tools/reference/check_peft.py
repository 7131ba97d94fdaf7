#!/usr/bin/env python3
"""Loads adapters that pith has written into `peft`, and holds the logits to the goldens.

    python3 tools/reference/check_peft.py --tool build/tools/reference/adapter_tool \\
        --tiny build/tests/cli/write_tiny_model

The adapters are those of tests/data/adapters, read by pith and written again. Exits with 1
where the relative error is 1e-5 or more.
Needs: torch, transformers, peft, gguf, numpy.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import peft
import torch
from tiny_adapters import MODELS
from tiny_models import build

GOLDENS = pathlib.Path(__file__).parents[2] / "tests/data/adapters"
MOST_ERROR = 1e-5


def golden(name: str) -> tuple[list[int], np.ndarray]:
    reader = gguf.GGUFReader(GOLDENS / f"{name}.gguf")
    tokens = reader.fields["golden.tokens"].contents()
    return tokens, reader.tensors[0].data


@torch.no_grad()
def error_of(name: str, arguments: argparse.Namespace, folder: pathlib.Path) -> float:
    model_file, written = folder / f"{name}.gguf", folder / name
    subprocess.run([arguments.tiny, name, model_file], check=True)
    subprocess.run(
        [arguments.tool, "export", model_file, GOLDENS / name, "peft", written], check=True)
    tokens, expected = golden(name)
    model = peft.PeftModel.from_pretrained(build(*MODELS[name]), written).eval()
    logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].numpy()
    return float(np.linalg.norm(logits - expected) / np.linalg.norm(expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True, help="the program adapter_tool")
    parser.add_argument("--tiny", required=True, help="the program write_tiny_model")
    arguments = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            error = error_of(name, arguments, pathlib.Path(folder))
            print(f"{name}: relative error {error:.1e}")
            good = good and error < MOST_ERROR
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
