#!/usr/bin/env python3
"""Writes tests/data/reason/answer_pairs.jsonl: pairs of answers and whether they are the same.

The pairs are made of the answers of math500 and gsm8k (tools/reference/answer_pairs.py);
math-verify judges them, and docs/equivalence.md where it is overruled (--judged).

    make_answer_goldens.py --data FOLDER --judged tools/reference/judged_answers.jsonl > FILE
"""

import argparse
import json
import logging
import random
from pathlib import Path

import answer_pairs
import compare_answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--judged", type=Path, required=True, help="where math-verify is overruled")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rng = random.Random(compare_answers.SEED)
    math = answer_pairs.answers(arguments.data / "math500/test.jsonl")
    school = answer_pairs.answers(arguments.data / "gsm8k/test.jsonl")
    formulas = [a for a in math if not a.isdigit()]
    pairs = answer_pairs.variants(formulas, answer_pairs.rewritings, rng, 120)
    pairs += answer_pairs.variants(school, answer_pairs.rewritings, rng, 40)
    pairs += answer_pairs.variants(formulas, answer_pairs.near_misses, rng, 160)
    pairs += answer_pairs.neighbours(formulas, 60, rng)
    judged = compare_answers.read_judged(arguments.judged)
    for gold, answer in pairs:
        same = judged.get((gold, answer))
        if same is None:
            same = compare_answers.reference_verdict((gold, answer))
        print(json.dumps({"gold": gold, "answer": answer, "same": same}))


if __name__ == "__main__":
    main()
