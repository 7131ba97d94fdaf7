#!/usr/bin/env python3
"""Compares pith's judgement of answers with math-verify's.

Pairs are made of the answers of gsm8k, math500 and, where it is there, math_train: every
answer with itself, answers of different problems (any two, and neighbours in alphabetical
order), answers written differently, near misses (tools/reference/answer_pairs.py), and
gold answers with those of a model (--solutions: lines {"gold": .., "solutions": [..]}).

Prints a table, and every pair on which the two differ as a line of JSON, but for those of
--judged (tools/reference/judged_answers.jsonl; docs/equivalence.md sums them up). Exit
status 1 where one has not been judged, or where less than 99 % agree.

    compare_answers.py --judge build/tools/reference/judge_answers --data FOLDER
"""

import argparse
import json
import logging
import multiprocessing
import random
import subprocess
import sys
from pathlib import Path

import math_verify

import answer_pairs

SEED = 20261126
TIMEOUT_S = 60  # math-verify's 5 seconds are short on a machine that is busy


class Pith:
    def __init__(self, judge):
        self.judge = judge

    def run(self, lines, *options):
        text = "\n".join(json.dumps(line) for line in lines)
        result = subprocess.run(
            [self.judge, *options], input=text, capture_output=True, text=True, check=True
        )
        return [json.loads(line) for line in result.stdout.splitlines()]

    def verdicts(self, pairs):
        return [verdict for verdict, _, _ in self.run([list(pair) for pair in pairs])]

    def extracted(self, solutions):
        return self.run(solutions, "--extract")


def reference_verdict(pair):
    gold, answer = (
        math_verify.parse(f"$\\boxed{{{text}}}$", parsing_timeout=TIMEOUT_S) for text in pair
    )
    return bool(math_verify.verify(gold, answer, timeout_seconds=TIMEOUT_S))


def reference_verdicts(pairs, processes):
    logging.disable(logging.CRITICAL)
    with multiprocessing.Pool(processes) as pool:
        return pool.map(reference_verdict, pairs, chunksize=16)


def model_pairs(path, pith):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    flat = [(row["gold"], solution) for row in rows for solution in row["solutions"]]
    found = pith.extracted([solution for _, solution in flat])
    pairs = [(gold, answer) for (gold, _), answer in zip(flat, found) if answer]
    return list(dict.fromkeys(pairs))


def read_judged(path):
    """The right verdict for each pair that was judged by hand."""
    rows = map(json.loads, path.read_text().splitlines())
    return {(row["gold"], row["answer"]): row["same"] for row in rows}


def families(arguments, pith):
    rng = random.Random(SEED)
    sets = {name: arguments.data / f"{name}.jsonl" for name in ("gsm8k/test", "math500/test")}
    train = arguments.data / "math_train/train.jsonl"
    if train.exists():
        sets["math_train/train"] = train
    golds = {name: answer_pairs.answers(path) for name, path in sets.items()}
    everything = list(dict.fromkeys(a for values in golds.values() for a in values))
    formulas = [a for a in everything if not a.replace(",", "").isdigit()]
    size = arguments.size
    result = {f"{name}, itself": [(a, a) for a in values] for name, values in golds.items()}
    result["any two"] = answer_pairs.strangers(everything, size, rng)
    result["neighbours"] = answer_pairs.neighbours(formulas, size, rng)
    result["written differently"] = answer_pairs.variants(
        everything, answer_pairs.rewritings, rng, 2 * size
    )
    result["near misses"] = answer_pairs.variants(
        formulas, answer_pairs.near_misses, rng, 2 * size
    )
    if arguments.solutions:
        result["a model's answers"] = model_pairs(arguments.solutions, pith)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--judge", required=True, help="the judge_answers binary")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--solutions", type=Path, help="a model's solutions")
    parser.add_argument("--judged", type=Path, help="disagreements that have been judged")
    parser.add_argument("--size", type=int, default=1500, help="pairs of each random kind")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    arguments = parser.parse_args()

    pith = Pith(arguments.judge)
    judged = read_judged(arguments.judged) if arguments.judged else {}
    total, agreed, open_cases = 0, 0, 0
    print(f"{'pairs':24} {'number':>7} {'both yes':>9} {'both no':>8} {'pith yes':>9} {'pith no':>8}")
    for name, pairs in families(arguments, pith).items():
        ours = pith.verdicts(pairs)
        theirs = reference_verdicts(pairs, arguments.processes)
        counts = [list(zip(ours, theirs)).count(c) for c in ((1, 1), (0, 0), (1, 0), (0, 1))]
        total, agreed = total + len(pairs), agreed + counts[0] + counts[1]
        print(f"{name:24} {len(pairs):7} {counts[0]:9} {counts[1]:8} {counts[2]:9} {counts[3]:8}")
        for pair, our, their in zip(pairs, ours, theirs):
            if our == their:
                continue
            known = pair in judged
            open_cases += not known
            if not known:
                case = {"gold": pair[0], "answer": pair[1], "pith": our, "math_verify": their}
                print("  " + json.dumps(case), flush=True)
    share = agreed / total
    print(f"{agreed} of {total} agree: {100 * share:.2f} %; {open_cases} disagreements not judged")
    return 0 if share >= 0.99 and open_cases == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
