#!/usr/bin/env python3
"""Writes the goldens of the tests of text: tests/data/text/{corpus,splits,tokens}.json.

Texts are taken from the public data sets and made at random; cuts and tokens come from
`tokenizers`, set up by compare_tokens.py from the vocabularies inside the GGUF files, the
ids that end a generation from llama.cpp, prompts from chats.json (render_chats.py first).

    pip install tokenizers==0.23.3 gguf llama-cpp-python==0.3.36
    python3 tools/reference/make_token_goldens.py --data DATA_FOLDER MODEL.gguf ...
"""

import argparse
import json
import random
import struct
from pathlib import Path

import llama_cpp
from compare_tokens import (
    PRE_TOKENIZERS,
    Llama,
    Reference,
    json_texts,
    random_unicode,
    special_texts,
)

OUT = Path(__file__).resolve().parents[2] / "tests/data/text"

# Texts at the seams of the regular expressions.
SEAMS = [
    "Hello, world!",
    " leading",
    "trailing ",
    "two  spaces",
    "three   spaces",
    "tab\tand\t\ttabs",
    "line\nbreak",
    "lines\n\n\nbreak",
    "\r\n windows \r\n",
    "a\n \n b",
    " \n ",
    "\n \n",
    "  \n  x",
    "x  \n",
    "\u00a0nbsp",
    "\u3000ideographic \u3000",
    "\u2028line\u2029",
    "\u0085next",
    " ",
    "  ",
    "\n",
    "\t",
    "I'm you're he'll we've she'd it's don't",
    "I'M YOU'RE HE'LL WE'VE SHE'D IT'S DON'T",
    "'s",
    "''s",
    "'S 'lL 'Re 'x 'l",
    "'\u017fa",
    "'r",
    "'v e",
    "o'clock'''s",
    "12345678",
    "1 22 333",
    "1.5e-10",
    "\u00bd\u0663\u2167",
    "x1y22z333",
    " 1 2",
    "  12",
    "3\u0301",
    "!!!",
    " !!!",
    "!!!\n\n",
    "...\r\nx",
    "!\n x",
    "a_b-c",
    "(parens) [x]",
    "http://x.y/?a=b&c=d#e",
    "e\u0301 \u0301x",
    "\u200b\u200d",
    "漢字かな交じり文",
    "한국어 텍스트",
    "привет мир",
    "مرحبا ١٢٣",
    "🙂🙃 👩‍👩‍👧",
    "naïve café",
    "<|im_start|>user",
    "<|endoftext",
    "\\boxed{42}",
    "$x^2 + 1$",
    "    int main() {\n        return 0;\n    }\n",
    "a\u0000b",
    "\x1c\x1f",
    "\ufffd",
    "\U000e0001",
    "A\u0300B",
    "\u1680\u2000x",
    "q\n\n\n\n",
    " \t\n\t ",
]


def fnv1a(ids):
    """64-bit FNV-1a of the ids as little-endian 32-bit numbers."""
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def corpus(data, special):
    rng = random.Random(7)
    wikitext = (data / "wikitext2/test.txt").read_text().splitlines(keepends=True)
    sources = [
        rng.sample(list(json_texts(data / "gsm8k/test.jsonl")), 80),
        rng.sample(list(json_texts(data / "math500/test.jsonl")), 80),
        rng.sample(list(json_texts(data / "chat/seed_tasks.jsonl")), 80),
        rng.sample(wikitext, 60) + ["".join(wikitext[:40])],
        random_unicode(rng, 200),
        special_texts(rng, special, 100),
    ]
    return SEAMS + [text for source in sources for text in source]


def splits(texts):
    """For each family, the length in bytes of each pre-token of each text."""
    result = {}
    for pre, make in PRE_TOKENIZERS.items():
        cut = make()
        result[pre] = [
            [len(text[a:b].encode()) for _, (a, b) in cut.pre_tokenize_str(text)] for text in texts
        ]
    return {"texts": texts, "cuts": result}


def ends(llama):
    vocabulary = llama_cpp.llama_model_get_vocab(llama.model.model)
    count = llama_cpp.llama_vocab_n_tokens(vocabulary)
    return [i for i in range(count) if llama_cpp.llama_vocab_is_eog(vocabulary, i)]


def prompts(reference, chats):
    """Tokens of the rendered conversations of the model's own family."""
    family = {"qwen2": "qwen2.5", "smollm": "smollm2"}[reference.pre]
    (texts,) = [r["texts"] for r in chats["renderings"] if r["template"] == family]
    # Where users write special tokens, pith differs on purpose: it does not parse them.
    forged = ["<|" in json.dumps(c) for c in chats["conversations"]]
    ids = reference.encode(texts, parse_special=True)
    return [None if f else i for f, i in zip(forged, ids)]


def write(name, value):
    (OUT / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("models", type=Path, nargs="+", help="GGUF files, named as in the registry")
    arguments = parser.parse_args()
    references = {m: Reference(m) for m in arguments.models}
    special = sorted({t for r in references.values() for t in r.special})
    texts = corpus(arguments.data, special)
    chats = json.loads((OUT / "chats.json").read_text())
    write("corpus.json", texts)
    write("splits.json", splits(SEAMS + random_unicode(random.Random(8), 150)))
    tokens = {}
    for path, reference in references.items():
        tokens[path.stem] = {
            "ends": ends(Llama(path)),
            "examples": reference.encode(SEAMS, parse_special=False),
            "plain": [fnv1a(i) for i in reference.encode(texts, parse_special=False)],
            "special": [fnv1a(i) for i in reference.encode(texts, parse_special=True)],
            "prompts": prompts(reference, chats),
        }
    write("tokens.json", tokens)


if __name__ == "__main__":
    main()
