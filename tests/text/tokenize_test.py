"""`pith tokenize`: text to tokens and back."""

import json
import os
import subprocess
import unittest

from python_case import PITH, PithTest, main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")
TEXT = "Hello, wörld! 12\n\n<|im_end|> 🙂"


class Tokenize(PithTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2", self.model], check=True)

    def tokenize(self, *arguments, input=""):
        return self.pith("tokenize", "-m", self.model, *arguments, input=input)

    def ids(self, text, *arguments):
        process = self.tokenize("--json", *arguments, input=text)
        self.assert_ok(process)
        return json.loads(process.out)["ids"]

    def test_pieces_make_the_text(self):
        process = self.tokenize("--json", input="Hello, world")
        self.assert_ok(process)
        result = json.loads(process.out)
        self.assertEqual("".join(result["pieces"]), "Hello, world")
        self.assertEqual(len(result["ids"]), len(result["pieces"]))

    def test_there_and_back(self):
        for arguments in ([], ["--special"]):
            ids = self.ids(TEXT, *arguments)
            process = self.tokenize("--decode", *arguments, input=json.dumps(ids))
            self.assert_ok(process)
            self.assertEqual(process.out, TEXT)

    def test_special_tokens_only_where_asked_for(self):
        self.assertEqual(len(self.ids("<|im_end|>", "--special")), 1)
        self.assertGreater(len(self.ids("<|im_end|>")), 1)

    def test_invalid_utf8_comes_back(self):
        broken = b"\xff\xe2\x82 a\xf0\x9f\x00\xc0"
        command = [PITH, "tokenize", "-m", self.model]
        ids = subprocess.run([*command, "-q"], input=broken, stdout=subprocess.PIPE, check=True)
        back = subprocess.run(
            [*command, "--decode"], input=ids.stdout, stdout=subprocess.PIPE, check=True
        )
        self.assertEqual(back.stdout, broken)

    def test_table_for_people(self):
        process = self.tokenize(input="\n")
        self.assert_ok(process)
        self.assertRegex(process.out, r"^ *\d+  '\\x0a'\n$")

    def test_empty_text(self):
        self.assertEqual(self.tokenize().out, "")
        self.assertEqual(self.tokenize("-q").out, "\n")
        self.assertEqual(self.ids(""), [])
        self.assertEqual(self.tokenize("--lines").out, "")

    def test_lines(self):
        lines = [json.dumps(TEXT), json.dumps(list(TEXT.encode())), '""', "[255, 0]"]
        process = self.tokenize("--lines", input="\n".join(lines))
        self.assert_ok(process)
        results = [json.loads(line)["ids"] for line in process.out.splitlines()]
        self.assertEqual(results[:3], [self.ids(TEXT), self.ids(TEXT), []])
        self.assertEqual(len(results[3]), 2)

    def test_lines_that_are_no_texts(self):
        for line in ("Hello", "", "3", "[256]", "[-1]", "[1.5]", '["a"]', "{}", "[[", '"\\ud800"'):
            process = self.tokenize("--lines", input=f'"a"\n{line}\n')
            self.assert_fails(process, 1, "line 2 of standard input")

    def test_decode_of_no_ids(self):
        for word in ("x", "-1", "1.5", "99999", "99999999999999999999", "0x1"):
            self.assert_fails(
                self.tokenize("--decode", input=f"0 {word}"), 1, f"'{word}'", "token id"
            )

    def test_decode_as_json(self):
        process = self.tokenize("--decode", "--json", input=str(self.ids("Hi")))
        self.assertEqual(json.loads(process.out), {"text": "Hi"})

    def test_decode_and_lines_exclude_each_other(self):
        self.assert_fails(self.tokenize("--decode", "--lines"), 2, "--lines")

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            command = [PITH, "tokenize", "-m", self.model]
            process = subprocess.run(
                command, input=b"Hello", stdout=full, stderr=subprocess.PIPE, env=self.environment
            )
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"cannot write to standard output", process.stderr)


if __name__ == "__main__":
    main()
