#!/usr/bin/env python3
"""Compares pith's logits with llama.cpp's, and both with those of the model in float32.

For each model, text and KV type: the same tokens, in windows, through both engines; how often
the likeliest token is the same, and the mean of KL(llama.cpp || pith). Exits with 1 where less
than 98 % are the same or the mean is 0.02 or more.

With --float, the weights are also written out in float32 (a file of four bytes a weight) and
run by pith with a float32 cache. That is what the quantised model means, without the rounding
of activations that both engines do: the distance of either engine to it says what the distance
between them consists of. llama.cpp runs that file too; the distance of the two in float32 says
how far the yardstick can be trusted.

    python3 tools/reference/compare_logits.py --dump build/tools/reference/dump_logits \\
        --text wikitext2/test.txt --text gsm8k/test.jsonl [--float] MODEL.gguf ...
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from float_model import write_float_model
from llama import KV_TYPES, Llama

ROWS = 64  # positions compared at once: 64 x 152k in double are 78 MB
LEAST_SAME, MOST_KL = 0.98, 0.02


def read_text(path):
    """Of a JSONL file the questions and answers."""
    if path.suffix != ".jsonl":
        return path.read_bytes()
    items = map(json.loads, path.read_text().splitlines())
    return "\n\n".join(f"{item['question']}\n{item['answer']}" for item in items).encode()


def windows_of(model, texts, context, windows):
    """Token ids from the start of each text, by turns."""
    with Llama(model, context, 1) as llama:
        tokens = [llama.tokens(text) for text in texts]
    result = []
    for i in range(windows):
        text = tokens[i % len(tokens)]
        begin = i // len(tokens) * context
        result.append(text[begin : begin + context])
    if any(len(window) < context for window in result):
        sys.exit("the texts are too short for so many windows")
    return result


# --- logits of each engine, into a file: three engines' do not fit into memory ---


def pith_logits(dump, model, windows, kv, path):
    ids = "\n".join(str(token) for window in windows for token in window)
    command = [dump, model, str(len(windows[0])), kv]
    with open(path, "wb") as output:
        subprocess.run(command, input=ids.encode(), stdout=output, check=True)


def llama_logits(model, windows, kv, threads, path):
    with Llama(model, len(windows[0]), threads, kv) as llama, open(path, "wb") as output:
        for window in windows:
            llama.logits(window).tofile(output)


def load(path, positions):
    return np.memmap(path, np.float32, "r").reshape(positions, -1)


# --- comparison ---


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=1, keepdims=True))
    return x


def compare(a, b):
    """By position: whether the likeliest token is the same; KL(a || b); a's lead of its first."""
    same, divergence, lead = [], [], []
    for begin in range(0, len(a), ROWS):
        p, q = (log_softmax(x[begin : begin + ROWS]) for x in (a, b))
        same.append(p.argmax(axis=1) == q.argmax(axis=1))
        divergence.append((np.exp(p) * (p - q)).sum(axis=1))
        second, first = np.partition(p, -2, axis=1)[:, -2:].T
        lead.append(first - second)
    return tuple(np.concatenate(parts) for parts in (same, divergence, lead))


HEADER = (
    "| model | KV | a | b | positions | same likeliest | KL(a, b) mean | 99 % below "
    "| a's lead where they differ |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def report(model, kv, names, a, b):
    """Prints a line; the share of the same likeliest token, and the mean KL."""
    same, divergence, lead = compare(a, b)
    gap = f"{np.median(lead[~same]):.3f} of {np.median(lead):.2f}" if not same.all() else "-"
    print(
        f"| {model} | {kv} | {names[0]} | {names[1]} | {len(same)} | {same.mean():.2%} "
        f"| {divergence.mean():.5f} | {np.quantile(divergence, 0.99):.4f} | {gap} |",
        flush=True,
    )
    return same.mean(), divergence.mean()


def compare_model(path, windows, arguments, folder):
    """True if every KV type is within the bounds."""
    positions = sum(map(len, windows))
    logits = {}
    good = True

    def line(kv, a, b):
        arrays = [load(logits[name], positions) for name in (a, b)]
        return report(path.stem, kv, (a, b), *arrays)

    if arguments.float:
        float_model = folder / "float.gguf"
        write_float_model(path, float_model)
        logits["float"] = folder / "float"
        pith_logits(arguments.dump, float_model, windows, "f32", logits["float"])
        logits["llama.cpp float"] = folder / "llama float"
        llama_logits(float_model, windows, "f32", arguments.threads, logits["llama.cpp float"])
        float_model.unlink()
        line("f32", "float", "llama.cpp float")
        logits.pop("llama.cpp float").unlink()
    for kv in arguments.kv:
        logits |= {"llama.cpp": folder / "llama", "pith": folder / "pith"}
        llama_logits(path, windows, kv, arguments.threads, logits["llama.cpp"])
        pith_logits(arguments.dump, path, windows, kv, logits["pith"])
        same, divergence = line(kv, "llama.cpp", "pith")
        good = good and same >= LEAST_SAME and divergence < MOST_KL
        if arguments.float:
            line(kv, "float", "llama.cpp")
            line(kv, "float", "pith")
    return good


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dump", required=True, help="the dump_logits binary")
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--context", type=int, default=512, help="tokens of a window [512]")
    parser.add_argument("--windows", type=int, default=10, help="windows in all [10]")
    parser.add_argument("--kv", nargs="+", choices=KV_TYPES, default=["int16", "f16", "f32"])
    parser.add_argument("--float", action="store_true", help="also against float32")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", help="for large temporary files")
    parser.add_argument("models", type=Path, nargs="+", help="GGUF files")
    arguments = parser.parse_args()
    texts = [read_text(path) for path in arguments.text]
    print(HEADER)
    good = True
    for model in arguments.models:
        windows = windows_of(model, texts, arguments.context, arguments.windows)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            good = compare_model(model, windows, arguments, Path(folder)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
