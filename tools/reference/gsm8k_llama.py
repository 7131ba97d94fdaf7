#!/usr/bin/env python3
"""llama.cpp's greedy answers to GSM8K questions, one JSON object a line; can be resumed.

    python3 tools/reference/gsm8k_llama.py --model MODEL.gguf --data gsm8k/test.jsonl \\
        --output answers.jsonl [--limit 100]

Questions that the output file holds already are skipped. Each line: id (the question's place
in the data), text, answer (of the last \\boxed{}, else the last number, or null), expected,
correct, prompt_tokens, tokens, finish_reason.
"""

import argparse
import ctypes
import json
import os
import re
import sys
from pathlib import Path

import llama_cpp

from llama import Llama

MOST_PROMPT = 512  # tokens
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


class Solver:
    """Greedy answers of one model to many questions, several at once, each on its own sequence."""

    def __init__(self, path, threads, parallel, most_tokens):
        context = most_tokens + MOST_PROMPT
        self.llama = Llama(path, context * parallel, threads, sequences=parallel)
        self.parallel, self.most_tokens = parallel, most_tokens
        self.memory = llama_cpp.llama_get_memory(self.llama.context)

    def prompt(self, question):
        messages = (llama_cpp.llama_chat_message * 2)(
            (b"system", SYSTEM.encode()), (b"user", question.encode())
        )
        template = llama_cpp.llama_model_chat_template(self.llama.model, None)
        text = ctypes.create_string_buffer(16 * MOST_PROMPT)
        size = llama_cpp.llama_chat_apply_template(template, messages, 2, True, text, len(text))
        if not 0 < size <= len(text):
            raise SystemExit("llama.cpp cannot apply the model's chat template")
        return self.llama.tokens(text.raw[:size], special=True)

    def decode(self, rows):
        """The likeliest token after each of `rows`: (token, position, sequence, wanted)."""
        logits = self.llama.decode(rows)
        return [int(row) for row in logits.argmax(axis=1)]

    def start(self, number, question, sequence):
        prompt = self.prompt(question)
        if len(prompt) > MOST_PROMPT:
            raise SystemExit(f"question {number} has {len(prompt)} tokens")
        rows = [(t, i, sequence, i + 1 == len(prompt)) for i, t in enumerate(prompt)]
        return {"id": number, "sequence": sequence, "prompt_tokens": len(prompt), "ids": self.decode(rows)}

    def solve(self, questions):
        """Yields id, text, tokens and so on of each question, in the order of their ends."""
        waiting = list(questions)[::-1]
        free, running = list(range(self.parallel)), []
        while waiting or running:
            while waiting and free:
                running.append(self.start(*waiting.pop(), free.pop()))
            rows = []
            for answer in running:
                position = answer["prompt_tokens"] + len(answer["ids"]) - 1
                rows.append((answer["ids"][-1], position, answer["sequence"], True))
            for answer, token in zip(running, self.decode(rows)):
                answer["ids"].append(token)
            for answer in [a for a in running if self.finish_reason(a)]:
                running.remove(answer)
                free.append(answer["sequence"])
                llama_cpp.llama_memory_seq_rm(self.memory, answer["sequence"], -1, -1)
                yield self.record(answer)

    def finish_reason(self, answer):
        if llama_cpp.llama_vocab_is_eog(self.llama.vocabulary, answer["ids"][-1]):
            return "stop"
        return "length" if len(answer["ids"]) >= self.most_tokens else None

    def record(self, answer):
        reason = self.finish_reason(answer)
        ids = answer["ids"][:-1] if reason == "stop" else answer["ids"]
        text = self.llama.text(ids)
        return {
            "id": answer["id"],
            "text": text,
            "answer": answer_of(text),
            "prompt_tokens": answer["prompt_tokens"],
            "tokens": len(ids),
            "finish_reason": reason,
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
    parser.add_argument("--parallel", type=int, default=16, help="questions at a time [16]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    items = [json.loads(line) for line in arguments.data.read_text().splitlines()]
    items = items[: arguments.limit]
    lines = arguments.output.read_text().splitlines() if arguments.output.exists() else []
    done = {record["id"]: record for record in map(json.loads, lines)}
    solver = Solver(arguments.model, arguments.threads, arguments.parallel, arguments.max_tokens)
    questions = [(i, item["question"]) for i, item in enumerate(items) if i not in done]
    with arguments.output.open("a") as output:
        for record in solver.solve(questions):
            record["expected"] = last_number(items[record["id"]]["answer"].split("####")[1])
            record["correct"] = record["answer"] == record["expected"]
            done[record["id"]] = record
            print(json.dumps(record), file=output, flush=True)
            line = f"{record['id']}: {record['answer']}, expected {record['expected']}"
            print(line, file=sys.stderr, flush=True)
    records = [done[number] for number in range(len(items))]
    correct = sum(record["correct"] for record in records)
    tokens = sum(record["tokens"] for record in records) / max(len(records), 1)
    print(f"{correct} of {len(records)} correct, {tokens:.0f} tokens a question")


if __name__ == "__main__":
    main()
