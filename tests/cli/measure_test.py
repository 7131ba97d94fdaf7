"""`pith bench` and `pith perplexity`."""

import json
import os
import random
import signal

from python_case import main
from tiny_case import FAMILIES, TinyTest


class Bench(TinyTest):
    SMALL = ["--prompt", 40, "--generate", 4, "--branches", "1,2,8", "--repeat", 2]

    def bench(self, *arguments):
        return self.pith("bench", "-m", self.tiny_model(), *arguments)

    def test_json(self):
        result = self.json("bench", "-m", self.tiny_model(), *self.SMALL, "-t", 2)
        self.assertLessEqual({"machine", "model", "rows"}, result.keys())
        self.assertEqual(result["model"], str(self.tiny_model()))
        self.assertEqual(result["machine"]["threads"], 2)
        tests = [(row["test"], row["branches"]) for row in result["rows"]]
        self.assertEqual(tests, [("prefill", 1), ("decode", 1), ("decode", 2), ("decode", 8)])
        for row in result["rows"]:
            fields = {"test", "prompt_tokens", "branches", "adapter_rank", "tokens_per_second", "ms_per_step"}
            self.assertLessEqual(fields, row.keys())
            self.assertEqual((row["prompt_tokens"], row["adapter_rank"]), (40, 0))
            tokens = 40 if row["test"] == "prefill" else row["branches"]
            self.assertAlmostEqual(row["tokens_per_second"] * row["ms_per_step"] / 1e3, tokens)

    def test_table(self):
        process = self.bench("-p", 40, "-g", 2, "-n", "3", "--kv", "int8")
        self.assert_ok(process)
        lines = process.out.splitlines()
        self.assertRegex(lines[0], r"qwen2\.gguf, [a-z0-9]+, \d+ threads, ")
        self.assertEqual(lines[1].split(), ["test", "prompt", "branches", "tokens/s", "ms/step"])
        self.assertRegex(lines[2], r"^prefill +40 +1 +[\d.]+ +[\d.]+$")
        self.assertRegex(lines[3], r"^decode +40 +3 +[\d.]+ +[\d.]+$")
        self.assertEqual(len(lines), 4)

    def test_path_that_is_not_utf8(self):
        path = os.fsencode(self.folder) + b"/\xff.gguf"
        os.link(self.tiny_model(), path)
        for arguments in (["--json"], []):
            process = self.pith("bench", "-m", os.fsdecode(path), *self.SMALL, *arguments)
            self.assert_ok(process)
            self.assertIn("\\xff" if not arguments else "\ufffd", process.out)

    def test_absurd_numbers(self):
        for arguments, message in (
            (["-p", 0], "--prompt: '0' is not a number from 1"),
            (["-p", 1 << 40], "--prompt"),
            (["-g", 0], "--generate"),
            (["-n", 0], "--branches: '0' is not a number from 1 to 256"),
            (["-n", "1,1000"], "--branches: '1000'"),
            (["-n", "1,x"], "--branches: 'x'"),
            (["--repeat", 0], "--repeat"),
            (["-t", -1], "--threads"),
            (["-t", 100_000], "--threads"),
            (["-p", 512], "a prompt of 512 tokens and 32 more need a context of 545: the model takes 512"),
            (["-p", 1 << 20, "-g", 1 << 20], "the model takes 512"),
        ):
            process = self.bench(*arguments)
            self.assert_fails(process, 2, message)
            self.assertEqual(process.out, "")

    def test_context_to_the_last_token(self):
        self.assert_ok(self.bench("-p", 500, "-g", 11, "-n", "2", "--repeat", 1))
        self.assert_fails(self.bench("-p", 500, "-g", 12, "-n", "2"), 2, "the model takes 512")

    def test_ctrl_c(self):
        process = self.start("bench", "-m", self.endless_model(), "-p", 40, "-g", 500_000, "-n", "1")
        while not process.stdout.readline().startswith("prefill"):
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, "pith: stopped\n"))


class Perplexity(TinyTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        words = random.Random(1).choices(["some", "words", "of", "a", "text,", "Größe", "\n"], k=900)
        self.text.write_text(" ".join(words))

    def perplexity(self, *arguments, file=None):
        return self.pith("perplexity", "-m", self.tiny_model(), "-f", file or self.text, *arguments)

    def value(self, *arguments, model="qwen2", file=None):
        model = self.tiny_model(model)
        return self.json("perplexity", "-m", model, "-f", file or self.text, *arguments)

    def test_json(self):
        for model in FAMILIES:
            result = self.value("--context", 100, "--windows", 3, model=model)
            self.assertEqual(result.keys(), {"tokens", "perplexity"})
            self.assertEqual(result["tokens"], 3 * 49)  # of each window the second half but one
            self.assertTrue(1 < result["perplexity"] < 100_000)

    def test_text(self):
        process = self.perplexity("-c", 100, "--windows", 3)
        self.assert_ok(process)
        self.assertRegex(process.out, r"^perplexity [\d.]+ over 147 tokens in 3 windows of 100\n$")
        self.assertEqual(process.err, "")
        value = self.value("-c", 100, "--windows", 3)["perplexity"]
        self.assertEqual(process.out.split()[1], f"{value:.4f}")

    def test_threads(self):
        one, three = (self.value("-c", 64, "--windows", 4, "-t", threads) for threads in (1, 3))
        self.assertEqual(one, three)

    def test_all_windows(self):
        whole = self.value("-c", 64)
        self.assertEqual(whole, self.value("-c", 64, "--windows", 100_000))
        self.assertEqual(whole["tokens"] % 31, 0)

    def test_bytes_of_any_kind(self):
        file = self.folder / "bytes"
        file.write_bytes(random.Random(1).randbytes(3000))
        self.assertGreater(self.value("-c", 64, file=file)["perplexity"], 1)

    def test_too_short(self):
        for content in ("", "short"):
            self.text.write_text(content)
            self.assert_fails(self.perplexity(), 2, str(self.text), "fewer than one window of 512")

    def test_files_that_cannot_be_read(self):
        for file in (self.folder / "nothing", self.folder, "/dev/zero"):
            self.assert_fails(self.perplexity(file=file), 1, str(file))

    def test_absurd_numbers(self):
        for arguments, message in (
            (["-c", 3], "--context: '3' is not a number from 4"),
            (["-c", 1 << 30], "--context"),
            (["-c", 513], "the model takes 1 to 512"),
            (["--windows", -1], "--windows"),
        ):
            self.assert_fails(self.perplexity(*arguments), 2, message)
        self.assert_fails(self.pith("perplexity", "-m", self.tiny_model()), 2, "--file is required")

    def test_ctrl_c(self):
        self.text.write_text("many words " * 200_000)
        process = self.start("perplexity", "-m", self.tiny_model(), "-f", self.text, "-c", 64)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        # While it loads, the signal itself ends it.
        self.assertIn(process.returncode, (130, -signal.SIGINT))


if __name__ == "__main__":
    main()
