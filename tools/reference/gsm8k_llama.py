#!/usr/bin/env python3
"""llama.cpp's greedy answers to GSM8K questions, one JSON object a line; can be resumed.

    python3 tools/reference/gsm8k_llama.py --model MODEL.gguf --data gsm8k/test.jsonl \\
        --output answers.jsonl [--limit 100]

Questions that the output file holds already are skipped. Each line: id (the question's place
in the data), text, answer (of the last \\boxed{}, else the last number, or null), expected,
correct, prompt_tokens, tokens, finish_reason.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

import llama_cpp

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


def boxed(text):
    """What the last complete \\boxed{...} holds, or None."""
    found = None
    for match in re.finditer(r"\\boxed\s*\{", text):
        depth = 1
        for end in range(match.end(), len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                found = text[match.end() : end]
                break
    return found


def last_number(text):
    """In one form for equal numbers, or None."""
    numbers = NUMBER.findall(text)
    return f"{float(numbers[-1].replace(',', '')):.10g}" if numbers else None


def answer_of(text):
    box = boxed(text)
    return last_number(box if box is not None else text)


def ask(llama, question, most_tokens):
    reply = llama.create_chat_completion(
        [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
        temperature=0,
        max_tokens=most_tokens,
    )
    choice = reply["choices"][0]
    return {
        "text": choice["message"]["content"],
        "answer": answer_of(choice["message"]["content"]),
        "prompt_tokens": reply["usage"]["prompt_tokens"],
        "tokens": reply["usage"]["completion_tokens"],
        "finish_reason": choice["finish_reason"],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--data", type=Path, required=True, help="gsm8k's test.jsonl")
    parser.add_argument("--output", type=Path, required=True, help="JSONL file, added to")
    parser.add_argument("--limit", type=int, default=100, help="questions, from the first [100]")
    parser.add_argument("--max-tokens", type=int, default=1024, help="of an answer [1024]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    items = [json.loads(line) for line in arguments.data.read_text().splitlines()]
    items = items[: arguments.limit]
    lines = arguments.output.read_text().splitlines() if arguments.output.exists() else []
    done = {record["id"]: record for record in map(json.loads, lines)}
    llama = llama_cpp.Llama(
        arguments.model,
        n_ctx=arguments.max_tokens + 1024,
        n_threads=arguments.threads,
        n_threads_batch=arguments.threads,
        verbose=False,
    )
    with arguments.output.open("a") as output:
        for number, item in enumerate(items):
            if number in done:
                continue
            reply = ask(llama, item["question"], arguments.max_tokens)
            expected = last_number(item["answer"].split("####")[1])
            record = {"id": number, **reply, "expected": expected}
            record["correct"] = record["answer"] == expected
            done[number] = record
            print(json.dumps(record), file=output, flush=True)
            print(f"{number}: {record['answer']}, expected {expected}", file=sys.stderr)
    records = [done[number] for number in range(len(items))]
    correct = sum(record["correct"] for record in records)
    tokens = sum(record["tokens"] for record in records) / max(len(records), 1)
    print(f"{correct} of {len(records)} correct, {tokens:.0f} tokens a question")


if __name__ == "__main__":
    main()
