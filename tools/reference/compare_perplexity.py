#!/usr/bin/env python3
"""Compares `pith perplexity` with llama.cpp on a text; exits with 1 where they differ by 1 %.

llama.cpp's side follows its own perplexity tool: windows that do not overlap, the second half
of each is scored.

    python3 tools/reference/compare_perplexity.py --pith build/bin/pith \\
        --text wikitext2/test.txt MODEL.gguf ...
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from llama import Llama

MOST_DIFFERENCE = 0.01


def pith_perplexity(arguments, model):
    command = [arguments.pith, "perplexity", "--json", "--quiet", "--model", str(model)]
    command += ["--file", str(arguments.text), "--context", str(arguments.context)]
    command += ["--windows", str(arguments.windows)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(output)["perplexity"]


def llama_perplexity(arguments, model):
    context, losses = arguments.context, []
    with Llama(model, context, arguments.threads) as llama:
        bos = llama.bos()
        tokens = llama.tokens(arguments.text.read_bytes())
        tokens = tokens if bos is None else [bos, *tokens]
        for begin in range(0, arguments.windows * context, context):
            window = tokens[begin : begin + context]
            window[0] = window[0] if bos is None else bos
            logits = llama.logits(window, first=context // 2)[:-1].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            scored = logits[np.arange(len(logits)), window[context // 2 + 1 :]]
            losses.append(np.log(np.exp(logits).sum(axis=1)) - scored)
    return np.exp(np.concatenate(losses).mean())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pith", required=True, help="the pith binary")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--context", type=int, default=512, help="tokens of a window [512]")
    parser.add_argument("--windows", type=int, default=20, help="[20]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("models", type=Path, nargs="+", help="GGUF files")
    arguments = parser.parse_args()
    print("| model | llama.cpp | pith | difference |\n| --- | --- | --- | --- |")
    good = True
    for model in arguments.models:
        theirs = llama_perplexity(arguments, model)
        ours = pith_perplexity(arguments, model)
        difference = ours / theirs - 1
        good = good and abs(difference) < MOST_DIFFERENCE
        print(f"| {model.stem} | {theirs:.4f} | {ours:.4f} | {difference:+.2%} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
