#!/usr/bin/env python3
"""What it costs to switch a reasoning pack's adapter on: seconds to the first token.

    bench/switching.py --pith build/bin/pith -m qwen2.5-coder-0.5b ./masked ./unmasked

Each prompt is asked twice of `pith serve --pack PACK`: of the base model (`think` off), then with
the pack's adapter (`think` on), a token each time. An adapter that is on from the assistant's
header alone finds the prompt read; one that reads the prompt too reads all of it again. Packs
take turns, each time with a new server; medians count.
"""

import argparse
import json
import random
import statistics
import sys
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.append(str(Path(__file__).resolve().parent / "serve"))
import questions
import servers

TIMEOUT_S = 600


def prompt(sentences, rng):
    text = " ".join(questions.sentence(rng, rng.choice(questions.SENTENCES)) for _ in range(sentences))
    return f"Case {rng.randrange(10**6)}. {text} Who has the most in the end?"


def ask(port, text, think):
    body = {
        "messages": [{"role": "user", "content": text}],
        "think": think,
        "max_tokens": 1,
        "temperature": 0,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        answer = json.load(reply)
    tokens = answer["usage"]["prompt_tokens"]
    read = tokens - answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    return tokens, read, answer["pith"]["timing"]["first_token_s"]


def measure(arguments, pack, sentences, seed):
    """A row (prompt tokens, base s, tokens read again, switched s) for each prompt."""
    rng = random.Random(seed)
    port = servers.free_port()
    command = [arguments.pith, "serve", "-q", "-m", arguments.model, "--pack", pack, "--port", port]
    rows = []
    with servers.Server("pith", command, port):
        ask(port, prompt(1, rng), "on")  # touches what is touched once
        for _ in range(arguments.prompts):
            text = prompt(sentences, rng)
            tokens, _, base = ask(port, text, "off")
            _, read, switched = ask(port, text, "on")
            rows.append((tokens, base, read, switched))
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packs", nargs="+", metavar="PACK", help="a folder, with a / in its name")
    parser.add_argument("--pith", default="pith")
    parser.add_argument("-m", "--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--sentences", default="5,25,75", help="of a prompt, 20 tokens each [5,25,75]")
    parser.add_argument("--prompts", type=int, default=3, help="of each length in a round [3]")
    parser.add_argument("--rounds", type=int, default=3, help="[3]")
    arguments = parser.parse_args()
    print("prompt tokens  base s  read again  switched on s  pack")
    for sentences in map(int, arguments.sentences.split(",")):
        rows = {pack: [] for pack in arguments.packs}
        for seed in range(arguments.rounds):
            for pack in arguments.packs:
                rows[pack] += measure(arguments, pack, sentences, seed)
        for pack in arguments.packs:
            tokens, base, read, switched = map(statistics.median, zip(*rows[pack]))
            print(f"{tokens:13g} {base:7.3f} {read:11g} {switched:14.3f}  {pack}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
