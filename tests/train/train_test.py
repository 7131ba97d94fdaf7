"""pith train sft with a tiny model: from samples to an adapter, killed in between."""

import json
import os
import signal
import subprocess
import time
import unittest

from python_case import PithTest, main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")


class TrainTest(PithTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2", self.model], check=True)
        questions = self.folder / "questions.jsonl"
        rows = ({"question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(3))
        questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.data = self.folder / "samples.jsonl"
        self.assert_ok(
            self.pith(
                "sample", "-m", self.model, "--task", "jsonl", "--data", questions, "--samples", 4,
                "--budget", 12, "--temperature", 1, "-t", 1, "--out", self.data,
            )  # fmt: skip
        )
        # A random model never comes to an answer: these are as good as any.
        lines = [json.loads(line) for line in self.data.read_text().splitlines()]
        for line in lines[1:]:
            line.update(correct=True, finish_reason="stop")
        self.data.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def arguments(self, out):
        return (
            "train", "sft", "-m", self.model, "--data", self.data, "--out", self.folder / out,
            "--rank", 4, "--batch", 4, "--steps", 12, "--dropout", 0.1, "--lr", 0.01,
            "--precision", "f32", "--checkpoint-every", 2, "-t", 1,
        )  # fmt: skip

    def losses(self, out):
        lines = (self.folder / out / "loss.csv").read_text().splitlines()
        return [line.rsplit(",", 1)[0] for line in lines]  # without the seconds


class Sft(TrainTest):
    def test_from_samples_to_an_adapter(self):
        process = self.pith(*self.arguments("run"))
        self.assert_ok(process)
        self.assertIn("12 examples of 3 questions", process.out)
        self.assertEqual(len(self.losses("run")), 13)
        self.assertIn("<svg", (self.folder / "run/report.html").read_text())
        config = json.loads((self.folder / "run/adapter/adapter_config.json").read_text())
        self.assertEqual((config["r"], config["lora_alpha"]), (4, 8))
        self.assertGreater(len(config["alora_invocation_tokens"]), 1)
        process = self.pith(
            "ask", "-m", self.model, "--adapter", self.folder / "run/adapter", "--budget", 4,
            "-t", 1, "--json", "What is 1 + 1?",
        )  # fmt: skip
        self.assert_ok(process)

    def test_killed_at_any_moment_it_goes_on_with_the_same_losses(self):
        self.assert_ok(self.pith(*self.arguments("whole")))
        kills = 0
        for _ in range(40):
            process = self.start(*self.arguments("killed"))
            log = self.folder / "killed/loss.csv"
            before = log.read_text() if log.exists() else ""
            # Long enough for steps to be done, not long enough for all.
            while process.poll() is None and (not log.exists() or log.read_text() == before):
                time.sleep(0.002)
            time.sleep(0.01 * (kills % 4))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            if process.returncode == 0:
                break
            kills += 1
            if kills == 6:
                break
        self.assertGreater(kills, 0)
        self.assert_ok(self.pith(*self.arguments("killed")))
        self.assertEqual(self.losses("killed"), self.losses("whole"))
        adapter = "adapter/adapter_model.safetensors"
        self.assertEqual(
            (self.folder / "killed" / adapter).read_bytes(),
            (self.folder / "whole" / adapter).read_bytes(),
        )
        left = [path.name for path in (self.folder / "killed").glob("checkpoint-*")]
        self.assertEqual(left, ["checkpoint-12.safetensors"])

    def test_bad_usage(self):
        self.assert_fails(self.pith("train", "sft", "--out", "x"), 2, "--data")
        self.assert_fails(self.pith("train", "sft", "--data", "x"), 2, "--out")
        self.assert_fails(self.pith("train", "fly"), 2, "fly", "pith train")
        self.assert_fails(
            self.pith(*self.arguments("run"), "--targets", "value,soul"), 2, "soul", "value"
        )
        self.assert_fails(self.pith(*self.arguments("run"), "--rank", 0), 2, "--rank")
        self.data.write_text("{}\n")
        self.assert_fails(self.pith(*self.arguments("run")), 1, "line 1", "prompt_ids")
        self.assertFalse((self.folder / "run").exists())
        process = self.pith("train", "sft", "--help")
        self.assertIn("--per-question", process.out)


if __name__ == "__main__":
    main()
