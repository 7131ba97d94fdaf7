#!/usr/bin/env python3
"""Asks questions of GSM8K under deadlines: are they kept, and what does more time buy?

    python3 bench/deadlines.py --pith build/bin/pith --data gsm8k/test.jsonl --limit 20 \\
        --deadlines 2,5,10,30 [-- further options of pith ask]

One process a question, as a user would start it, so that loading counts. Prints a line for
each deadline: wall times of the processes, how many were late by more than 5 %, how many
answers were right, and what was planned.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

LATE = 1.05


def number(text):
    try:
        return float(text.replace(",", "").replace("$", ""))
    except (AttributeError, ValueError):
        return None


def ask(pith, question, deadline, options):
    command = [pith, "ask", "--json", "--deadline", str(deadline), *options]
    start = time.monotonic()
    process = subprocess.run(command, input=question, stdout=subprocess.PIPE, text=True, check=True)
    return time.monotonic() - start, json.loads(process.stdout)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pith", default="pith")
    parser.add_argument("--data", type=Path, required=True, help="gsm8k's test.jsonl")
    parser.add_argument("--limit", type=int, default=20, help="questions, from the first [20]")
    parser.add_argument("--deadlines", default="2,5,10,30", help="seconds [2,5,10,30]")
    parser.add_argument("options", nargs="*", help="of pith ask, after --")
    arguments = parser.parse_args()
    lines = arguments.data.read_text().splitlines()[: arguments.limit]
    items = [json.loads(line) for line in lines]
    print("deadline  median s   most s  late  right  branches  budget")
    for deadline in map(float, arguments.deadlines.split(",")):
        seconds, right, plans = [], 0, []
        for item in items:
            took, result = ask(arguments.pith, item["question"], deadline, arguments.options)
            seconds.append(took)
            right += number(result["answer"]) == number(item["answer"].split("####")[1])
            plans.append(result["deadline"])
        late = sum(took > LATE * deadline for took in seconds)
        print(
            f"{deadline:7g} s  {statistics.median(seconds):8.2f} {max(seconds):8.2f} {late:5} "
            f"{right:3}/{len(items)}  {statistics.median(p['branches'] for p in plans):8g} "
            f"{statistics.median(p['budget_tokens'] for p in plans):7g}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
