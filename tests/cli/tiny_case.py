"""Tiny random models for tests of the commands, whole and spoilt."""

import json
import os
import subprocess

from python_case import PithTest

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")
WRITE_TINY_PACK = os.environ.get("PITH_WRITE_TINY_PACK", "write_tiny_pack")
FAMILIES = ("qwen2-tied", "qwen2", "qwen3", "llama3")
# What the tiny "qwen2" answers with line breaks for ever at temperature 0: long work to
# interrupt, and text whose tokens are the same when they are read again.
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
MESSAGE = "2+2?"
ENDLESS = ["--temperature", 0, "--context", 200_000]


class TinyTest(PithTest):
    def tiny_model(self, name="qwen2"):
        path = self.folder / f"{name}.gguf"
        if not path.exists():
            subprocess.run([WRITE_TINY_MODEL, name, path], check=True)
        return path

    def tiny_pack(self, name="qwen2"):
        path = self.folder / f"{name}.pack"
        if not path.exists():
            subprocess.run([WRITE_TINY_PACK, self.tiny_model(name), path], check=True)
        return path

    def changed_model(self, old, new):
        """The tiny model with other bytes, as many, at one place."""
        self.assertEqual(len(old), len(new))
        content = self.tiny_model().read_bytes()
        self.assertEqual(content.count(old), 1, old)
        path = self.folder / "changed.gguf"
        path.write_bytes(content.replace(old, new))
        return path

    def model_without(self, key):
        """The tiny model with the key under another name."""
        length = len(key).to_bytes(8, "little")
        return self.changed_model(length + key.encode(), length + b"x" * len(key))

    def model_with_context(self, tokens):
        key = b"qwen2.context_length" + (4).to_bytes(4, "little")  # of type uint32
        return self.changed_model(key + (512).to_bytes(4, "little"), key + tokens.to_bytes(4, "little"))

    def endless_model(self):
        return self.model_with_context(1_000_000)

    def json(self, *arguments, **options):
        command, *arguments = arguments
        process = self.pith(command, "--json", *arguments, **options)
        self.assert_ok(process)
        self.assertEqual(process.err, "")
        return json.loads(process.out)
