#!/usr/bin/env python3
"""Compares a random adapter's logits with llama.cpp's, switched on in the middle of a text.

pith writes the adapter as a GGUF file; both engines read the first part of the text with the
base model and the rest with the adapter, as an activated LoRA is run. Prints how often the
likeliest token is the same and the mean of KL(llama.cpp || pith), for each way in which pith
keeps the adapter. Exits with 1 where less than 98 % are the same.

    python3 tools/reference/compare_adapters.py --tool build/tools/reference/adapter_tool \\
        --text wikitext2/test.txt MODEL.gguf ...
"""

import argparse
import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np

from llama import Llama

TOKENS, FROM = 512, 256
LEAST_SAME = 0.98


class AdaptedLlama(Llama):
    """Two decodes of one text: the base model's part, then the adapter's."""

    def __init__(self, path, adapter):
        super().__init__(path, TOKENS, 2)
        self.adapter = llama_cpp.llama_adapter_lora_init(self.model, str(adapter).encode())
        if not self.adapter:
            raise SystemExit(f"llama.cpp cannot load {adapter}")

    def set_adapter(self, on):
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self.adapter)
        scales = (ctypes.c_float * 1)(1.0)
        status = llama_cpp.llama_set_adapters_lora(self.context, adapters, int(on), scales)
        if status != 0:
            raise SystemExit("llama.cpp cannot use the adapter")

    def adapted_logits(self, ids):
        self.set_adapter(False)
        self.logits(ids[:FROM])
        self.set_adapter(True)
        return self.more_logits(ids[FROM:], FROM)


def softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def pith_logits(tool, model, adapter, precision, ids):
    text = " ".join(map(str, ids)).encode()
    command = [tool, "logits", model, adapter, str(FROM), precision]
    output = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(output, np.float32).reshape(len(ids) - FROM, -1)


def compare(arguments, model):
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder) / "adapter.gguf"
        subprocess.run(
            [arguments.tool, "export", model, str(arguments.rank), "gguf", adapter], check=True
        )
        with AdaptedLlama(model, adapter) as llama:
            ids = llama.tokens(arguments.text.read_bytes()[: 16 * TOKENS])[:TOKENS]
            theirs = llama.adapted_logits(ids)
            base = llama.logits(ids, FROM)
        expected = softmax(theirs.astype(np.float64))
        changed = np.mean(base.argmax(axis=1) != theirs.argmax(axis=1))
        print(f"{Path(model).name}: the adapter changes {changed:.1%} of the likeliest tokens")
        good = True
        for precision in ("f32", "f16", "int8", "int4"):
            ours = pith_logits(arguments.tool, model, adapter, precision, ids)
            same = np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1))
            difference = expected - softmax(ours.astype(np.float64))
            kl = np.mean((np.exp(expected) * difference).sum(axis=1))
            print(f"  {precision:5} {same:7.2%} of the likeliest tokens are the same, KL {kl:.5f}")
            good = good and (same >= LEAST_SAME or precision == "int4")
        return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True, help="the program adapter_tool")
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    results = [compare(arguments, model) for model in arguments.models]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
