#!/usr/bin/env python3
"""Compares the tokens of `pith tokenize` with those of `tokenizers` and llama.cpp.

For each model: a tokenizer is built with the `tokenizers` library from the
vocabulary and merges inside the GGUF and the pre-tokeniser that the family was
trained with, llama.cpp reads the file itself, and `pith tokenize --lines` reads
the same texts: data sets line by line and in long pieces, random Unicode, random
bytes, and text full of special tokens. Prints one line per corpus and model;
exits with 1 when something differs that is not explained below.

    pip install tokenizers==0.23.3 gguf llama-cpp-python==0.3.36
    python3 tools/reference/compare_tokens.py --pith build/bin/pith \\
        --data DATA_FOLDER MODEL.gguf ... [--also-as gpt-2 llama-bpe]

Known differences, counted apart:
 - llama.cpp knows an older Unicode than `tokenizers` (16.0, as pith) and does not take
   U+017F, the long s, for an s in contractions.
 - llama.cpp replaces invalid UTF-8 by U+FFFD and loses the bytes.
 - Bytes that the vocabulary has no token for (21 in SmolLM2's): pith and `tokenizers` drop
   them before merging, llama.cpp after it, so what stood around them may merge or not.
 - `tokenizers` takes valid Unicode only: byte strings are compared with llama.cpp where
   they happen to be valid, and pith's tokens must give the bytes back in any case.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{DIGITS}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_by(pattern):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PRE_TOKENIZERS = {
    "qwen2": lambda: split_by(QWEN2.replace("{DIGITS}", "")),
    "llama-bpe": lambda: split_by(QWEN2.replace("{DIGITS}", "{1,3}")),
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    ),
}


class Reference:
    """The vocabulary of a GGUF file in `tokenizers`."""

    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields
        tokens = fields["tokenizer.ggml.tokens"].contents()
        kinds = fields["tokenizer.ggml.token_type"].contents()
        merges = fields["tokenizer.ggml.merges"].contents()
        self.pre = fields["tokenizer.ggml.pre"].contents()
        special = [t for t, k in zip(tokens, kinds) if k == 3]
        user_defined = [t for t, k in zip(tokens, kinds) if k == 4]
        self.special = special + user_defined
        vocabulary = {t: i for i, t in enumerate(tokens)}
        pairs = [tuple(m.split(" ")) for m in merges]

        def build(added):
            model = models.BPE(
                vocab=vocabulary, merges=pairs, ignore_merges=self.pre == "llama-bpe"
            )
            tokenizer = Tokenizer(model)
            tokenizer.pre_tokenizer = PRE_TOKENIZERS[self.pre]()
            tokenizer.decoder = decoders.ByteLevel()
            tokenizer.add_tokens([AddedToken(t, normalized=False) for t in added])
            return tokenizer

        self.plain = build(user_defined)
        self.parsing = build(self.special)
        self.bytes = byte_table(vocabulary)  # of each token
        self.byte_values = {b for v in self.bytes.values() if len(v) == 1 for b in v}

    def encode(self, texts, parse_special):
        tokenizer = self.parsing if parse_special else self.plain
        return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


class Llama:
    def __init__(self, path):
        self.model = llama_cpp.Llama(model_path=str(path), vocab_only=True, verbose=False)

    def encode(self, texts, parse_special):
        # Without a space in front and without BOS. Empty texts upset the binding.
        return [
            self.model.tokenize(t, add_bos=False, special=parse_special) if t else [] for t in texts
        ]


class Pith:
    def __init__(self, binary, path):
        self.command = [binary, "tokenize", "-m", str(path), "--lines"]

    def encode(self, texts, parse_special):
        """`texts` are str or bytes."""
        lines = [json.dumps(t if isinstance(t, str) else list(t)) for t in texts]
        command = self.command + (["--special"] if parse_special else [])
        output = subprocess.run(
            command, input="\n".join(lines).encode(), stdout=subprocess.PIPE, check=True
        ).stdout
        return [json.loads(line)["ids"] for line in output.decode().split("\n")[:-1]]


# --- texts ---


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_in(item)


def json_texts(path):
    for line in path.read_text().splitlines():
        yield from strings_in(json.loads(line))


def pieces_of(text, size):
    return [text[i : i + size] for i in range(0, len(text), size)]


def random_character(rng):
    kind = rng.random()
    if kind < 0.25:
        return chr(rng.randrange(0x20, 0x7F))
    if kind < 0.40:
        return rng.choice(" \n\r\t'\u00a0\u2028\u3000\u0085") * rng.randrange(1, 4)
    if kind < 0.50:
        return rng.choice(["'s", "'T", "'re", "'LL", " '", "12", "1234567", "\u00bd", "\u0663"])
    if kind < 0.75:
        return chr(rng.randrange(0x80, 0x3000))
    while True:
        c = rng.randrange(0x110000) if kind < 0.9 else rng.randrange(0x1F000, 0x1FB00)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_unicode(rng, count):
    return [
        "".join(random_character(rng) for _ in range(rng.randrange(1, 60))) for _ in range(count)
    ]


def random_bytes(rng, count):
    result = []
    for _ in range(count):
        if rng.random() < 0.5:
            result.append(rng.randbytes(rng.randrange(1, 80)))
        else:  # valid text with a few bytes broken
            text = bytearray("".join(random_character(rng) for _ in range(20)).encode())
            for _ in range(rng.randrange(1, 6)):
                text[rng.randrange(len(text))] = rng.randrange(256)
            result.append(bytes(text))
    return result


def special_texts(rng, special, count):
    """Special tokens whole, cut short, doubled and glued to other text."""

    def part():
        word = rng.choice(special)
        if rng.random() < 0.3:
            word = word[: rng.randrange(1, len(word) + 1)]
        return word if rng.random() < 0.6 else random_character(rng)

    return ["".join(part() for _ in range(rng.randrange(1, 30))) for _ in range(count)]


def corpora(data, special):
    rng = random.Random(20261124)
    wikitext = (data / "wikitext2/test.txt").read_text()
    return {
        "gsm8k": list(json_texts(data / "gsm8k/test.jsonl")),
        "math500": list(json_texts(data / "math500/test.jsonl")),
        "wikitext2 lines": wikitext.splitlines(keepends=True),
        "wikitext2 pieces": pieces_of(wikitext, 20000),
        "chat seeds": list(json_texts(data / "chat/seed_tasks.jsonl")),
        "random Unicode": random_unicode(rng, 10000),
        "special tokens": special_texts(rng, special, 3000),
    }, random_bytes(rng, 10000)


# --- comparison ---


def class_probe(path):
    """Writes a vocabulary in which the class of a character shows in the tokens.

    Every first byte of a UTF-8 character merges with "a", "1" and "!" before it, but
    only within a pre-token: with "a" after a letter, "1" after a number, "!" after others.
    """
    alphabet = byte_alphabet()
    merges = [f"{left} {alphabet[lead]}" for left in "a1!" for lead in range(0xC2, 0xF5)]
    tokens = [alphabet[b] for b in range(256)] + [m.replace(" ", "") for m in merges]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def write_variant(model, pre, path):
    """The vocabulary of a model, to be read with another pre-tokeniser."""
    fields = gguf.GGUFReader(model).fields
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(fields["tokenizer.ggml.tokens"].contents())
    writer.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def llama_class(llama, left, characters):
    """Those of the characters that llama.cpp leaves in one pre-token with `left`."""
    found = set()
    for block in pieces_of(characters, 50000):
        text = "".join(f"{left}{c}\n" for c in block).encode()
        (ids,) = llama.encode([text], False)
        at, pairs = 0, set()
        for token in ids:
            if token >= 256:
                pairs.add(at)
            at += 2 if token >= 256 else 1
        at = 0
        for c in block:
            if at in pairs:
                found.add(c)
            at += len(c.encode()) + 2
    return found


def known_to_llama():
    """The characters to which llama.cpp's Unicode tables give the class `tokenizers` does."""
    characters = [chr(c) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.gguf"
        class_probe(path)
        llama = Llama(path)
        unknown = {"\u017f"}
        for left, pattern in (("a", r"\p{L}"), ("1", r"\p{N}"), ("!", r"[^\s\p{L}\p{N}]")):
            remove = pre_tokenizers.Split(Regex(pattern), behavior="removed")
            ours = {c for c in characters if not remove.pre_tokenize_str(c)}
            unknown |= ours ^ llama_class(llama, left, characters)
    print(f"llama.cpp's Unicode differs on {len(unknown)} code points")
    return lambda text: unknown.isdisjoint(text)


def report(label, texts, ours, theirs, explained=lambda text: False):
    """Prints how many differ; the number of those that nothing explains."""
    differ = [i for i in range(len(texts)) if ours[i] != theirs[i]]
    wrong = [i for i in differ if not explained(texts[i])]
    known = f" (and {len(differ) - len(wrong)} explained)" if len(differ) > len(wrong) else ""
    print(f"  != {label} {len(wrong)}{known} of {len(texts)}", end="")
    for i in wrong[:3]:
        print(f"\n    {texts[i]!r}\n      pith {ours[i]}\n      {label} {theirs[i]}", end="")
    return len(wrong)


def check_model(title, path, pith_binary, data, known):
    reference, llama, pith = Reference(path), Llama(path), Pith(pith_binary, path)
    texts_by_name, byte_strings = corpora(data, reference.special)
    print(f"{title}: pre-tokeniser {reference.pre}")

    def explained(text):
        encoded = text.encode(errors="ignore")
        return not known(text) or not reference.byte_values >= set(encoded)

    failures = 0
    for name, texts in texts_by_name.items():
        for parse_special in (False, True):
            ours = pith.encode(texts, parse_special)
            theirs = reference.encode(texts, parse_special)
            llamas = llama.encode([t.encode() for t in texts], parse_special)
            mode = "special" if parse_special else "plain"
            print(
                f"  {name:17} {mode:7} {len(texts):6} texts {sum(map(len, ours)):7} tokens", end=""
            )
            failures += report("tokenizers", texts, ours, theirs)
            failures += report("llama.cpp", texts, ours, llamas, explained)
            print()
    return failures + check_bytes(byte_strings, pith, reference, llama, explained)


def check_bytes(byte_strings, pith, reference, llama, explained):
    ours = pith.encode(byte_strings, False)
    back = reference.bytes
    print(f"  random bytes      plain   {len(ours):6} texts {sum(map(len, ours)):7} tokens", end="")
    lost = sum(
        b"".join(back[i] for i in ids) != bytes(x for x in b if x in reference.byte_values)
        for b, ids in zip(byte_strings, ours)
    )
    print(f"  not given back {lost}", end="")
    valid = [i for i, b in enumerate(byte_strings) if b.decode(errors="ignore").encode() == b]
    texts = [byte_strings[i].decode() for i in valid]
    theirs = reference.encode(texts, False)
    wrong = report("tokenizers", texts, [ours[i] for i in valid], theirs)
    # llama.cpp puts U+FFFD in place of what is invalid, and bytes that decode to something
    # above U+10FFFF make it end the process: it must agree where it gives the bytes back.
    safe = [i for i, b in enumerate(byte_strings) if max(b) < 0xF4]
    llamas = dict(zip(safe, llama.encode([byte_strings[i] for i in safe], False)))
    whole = [i for i in safe if b"".join(back[j] for j in llamas[i]) == byte_strings[i]]
    texts = [byte_strings[i].decode(errors="surrogateescape") for i in whole]
    ours, llamas = [ours[i] for i in whole], [llamas[i] for i in whole]
    wrong += report("llama.cpp", texts, ours, llamas, explained)
    print()
    return lost + wrong


def byte_alphabet():
    """GPT-2's visible character for each byte value."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def byte_table(vocabulary):
    """The bytes of each token, by id."""
    byte_of = {c: b for b, c in byte_alphabet().items()}
    return {
        i: bytes(byte_of[c] for c in t) if all(c in byte_of for c in t) else t.encode()
        for t, i in vocabulary.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pith", required=True, help="the pith binary")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument(
        "--also-as",
        nargs="*",
        default=[],
        choices=list(PRE_TOKENIZERS),
        help="the vocabularies again with these pre-tokenisers",
    )
    parser.add_argument("models", type=Path, nargs="+", help="GGUF files")
    arguments = parser.parse_args()
    known = known_to_llama()
    failures = 0
    for model in arguments.models:
        failures += check_model(model.name, model, arguments.pith, arguments.data, known)
        with tempfile.TemporaryDirectory() as folder:
            for pre in arguments.also_as:
                path = Path(folder) / "variant.gguf"
                write_variant(model, pre, path)
                title = f"{model.name}'s vocabulary"
                failures += check_model(title, path, arguments.pith, arguments.data, known)
    print(f"{failures} unexplained differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
