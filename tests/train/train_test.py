"""pith train with a tiny model: from samples and questions to adapters, killed in between."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from python_case import LONG, PITH, PithTest, main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")


RANK = ("--rank", 4)
COMMON = ("--lr", 0.01, "--precision", "f32", "--checkpoint-every", 2, "-t", 1)
TIMES = ("seconds", "seconds@drawing", "seconds@training")


class TrainTest(PithTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2", self.model], check=True)
        self.questions = self.folder / "questions.jsonl"
        rows = ({"question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(3))
        self.questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def steps(self, out):
        """The table of a run, without what differs from one to the next."""
        with open(self.folder / out / "steps.csv") as file:
            rows = list(csv.DictReader(file))
        return [{name: row[name] for name in row if name not in TIMES} for row in rows]

    def kill_and_go_on(self, out, arguments):
        """Kills a run several times, then lets it end."""
        kills = 0
        for _ in range(40):
            process = self.start(*arguments)
            log = self.folder / out / "steps.csv"
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
        self.assert_ok(self.pith(*arguments))

    def assert_same_run(self, one, other):
        self.assertEqual(self.steps(one), self.steps(other))
        adapter = "adapter/adapter_model.safetensors"
        self.assertEqual(
            (self.folder / one / adapter).read_bytes(), (self.folder / other / adapter).read_bytes()
        )


class SftCase(TrainTest):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "samples.jsonl"
        self.assert_ok(
            self.pith(
                "sample", "-m", self.model, "--task", "jsonl", "--data", self.questions,
                "--samples", 4, "--budget", 12, "--temperature", 1, "-t", 1, "--out", self.data,
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
            "--batch", 4, "--steps", 12, "--dropout", 0.1, *RANK, *COMMON,
        )  # fmt: skip


class Sft(SftCase):
    def test_from_samples_to_an_adapter(self):
        process = self.pith(*self.arguments("run"))
        self.assert_ok(process)
        self.assertIn("12 examples of 3 questions", process.out)
        self.assertEqual(len(self.steps("run")), 12)
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
        self.kill_and_go_on("killed", self.arguments("killed"))
        self.assert_same_run("killed", "whole")
        left = [path.name for path in (self.folder / "killed").glob("checkpoint-*")]
        self.assertEqual(left, ["checkpoint-12.safetensors"])

    def test_the_prompt_is_asked_anew_with_another_system_prompt(self):
        own = "Please reason step by step, and put your final answer within \\boxed{}."
        self.assert_ok(self.pith(*self.arguments("samples")))
        self.assert_ok(self.pith(*self.arguments("same"), "--system", own))
        self.assert_same_run("samples", "same")
        budgets = ("--system", "At most {budget} tokens.", "--budgets", "16,11")
        process = self.pith(*self.arguments("stated"), *budgets)
        self.assertIn("12 examples of 3 questions", process.out)
        self.assertNotEqual(self.steps("stated"), self.steps("same"))
        for part in (budgets[:2], budgets[2:]):
            self.assert_fails(self.pith(*self.arguments("bad"), *part), 2, "--budgets", "{budget}")

    def test_an_adapter_that_reads_the_prompt_too(self):
        self.assert_ok(self.pith(*self.arguments("masked")))
        self.assert_ok(self.pith(*self.arguments("unmasked"), "--adapter-from", "prompt"))
        self.assertNotEqual(self.steps("masked"), self.steps("unmasked"))
        config = json.loads((self.folder / "unmasked/adapter/adapter_config.json").read_text())
        samples = [json.loads(line) for line in self.data.read_text().splitlines()][1:]
        header = config["alora_invocation_tokens"]
        self.assertEqual(header, samples[0]["prompt_ids"][: len(header)])
        answer = self.pith(
            "ask", "-m", self.model, "--adapter", self.folder / "unmasked/adapter", "--budget", 4,
            "-t", 1, "--json", "What is 1 + 1?",
        )  # fmt: skip
        self.assert_ok(answer)
        # Reinforcement has it read answers alone.
        grpo = self.pith(
            "train", "grpo", "-m", self.model, "--task", "jsonl", "--data", self.questions,
            "--out", self.folder / "grpo", "--adapter", self.folder / "unmasked/adapter",
        )  # fmt: skip
        self.assert_fails(grpo, 1, "switched on by other tokens")

    def test_written_answers_are_samples_that_are_right(self):
        text = "a + b = \\boxed{c}"
        process = self.pith(
            "tokenize", "-m", self.model, "-q", "--special", input=text + "<|im_end|>"
        )
        lines = [json.loads(line) for line in self.data.read_text().splitlines()]
        questions = list({line["question"]: line for line in lines[1:]}.values())
        for line in questions:
            line.update(completion_ids=[int(token) for token in process.out.split()])
        self.data.write_text("".join(json.dumps(line) + "\n" for line in questions))
        self.assert_ok(self.pith(*self.arguments("samples")))
        written = self.folder / "written.jsonl"
        rows = [{"question": line["asked"], "response": text, "more": 1} for line in questions]
        written.write_text("\n".join(json.dumps(row) + "\n" for row in rows))
        arguments = list(self.arguments("written"))
        at = arguments.index("--data")
        arguments[at : at + 2] = ("--written", written)
        process = self.pith(*arguments)
        self.assertIn("3 examples of 3 questions", process.out)
        self.assert_same_run("written", "samples")
        for line, part in (("[]", "object"), ('{"question": "x", "response": " "}', "response")):
            written.write_text(json.dumps(rows[0]) + "\n" + line + "\n")
            self.assert_fails(self.pith(*arguments), 1, "written.jsonl, line 2", part)

    def test_bad_usage(self):
        self.assert_fails(self.pith("train", "sft", "--out", "x"), 2, "--data", "--written")
        self.assert_fails(self.pith("train", "sft", "--data", "x"), 2, "--out")
        self.assert_fails(self.pith("train", "fly"), 2, "fly", "pith train")
        self.assert_fails(
            self.pith(*self.arguments("run"), "--targets", "value,soul"), 2, "soul", "value"
        )
        self.assert_fails(self.pith(*self.arguments("run"), "--rank", 0), 2, "--rank")
        self.assert_fails(self.pith(*self.arguments("run"), "--device", "gpu"), 2, "gpu", "cuda:N")
        self.assert_fails(self.pith(*self.arguments("run"), "--device", "cuda:99"), 1, "GPU")
        self.data.write_text("{}\n")
        self.assert_fails(self.pith(*self.arguments("run")), 1, "line 1", "prompt_ids")
        self.assertFalse((self.folder / "run").exists())
        process = self.pith("train", "sft", "--help")
        self.assertIn("--per-question", process.out)


class Grpo(TrainTest):
    # A random model is never right: tests/train/grpo_test.cpp has something to learn.
    def arguments(self, out, *more, start=RANK):
        return (
            "train", "grpo", "-m", self.model, "--task", "jsonl", "--data", self.questions,
            "--out", self.folder / out, "--budgets", "4,6", "--groups", 2, "--samples", 2,
            "--draws", 1, "--steps", 6, "--window", 2, "--most-entropy", 100, *start, *COMMON, *more,
        )  # fmt: skip

    def test_from_questions_to_an_adapter(self):
        process = self.pith(*self.arguments("run"))
        self.assert_ok(process)
        self.assertIn("6 steps, reward", process.out)
        steps = self.steps("run")
        self.assertEqual(len(steps), 6)
        self.assertIn("length@4", steps[0])
        lines = (self.folder / "run/completions.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in lines], [1, 2, 3, 4, 5, 6])
        self.assertIn("Completions", (self.folder / "run/report.html").read_text())
        adapter = self.folder / "run/adapter"
        self.assert_ok(self.pith(*self.arguments("next", start=("--adapter", adapter))))
        process = self.pith(*self.arguments("other", "--adapter", adapter))
        self.assert_fails(process, 2, "--adapter")  # which has its own rank

    def test_killed_at_any_moment_it_goes_on_with_the_same_steps(self):
        self.assert_ok(self.pith(*self.arguments("whole")))
        self.kill_and_go_on("killed", self.arguments("killed"))
        self.assert_same_run("killed", "whole")
        self.assertEqual(
            (self.folder / "killed/completions.jsonl").read_text(),
            (self.folder / "whole/completions.jsonl").read_text(),
        )

    def test_what_goes_wrong_ends_it(self):
        process = self.pith(*self.arguments("run", "--most-entropy", 0.5))
        self.assert_fails(process, 1, "stopped after step 2", "entropy")
        self.assertEqual(len(self.steps("run")), 2)

    def test_bad_usage(self):
        self.assert_fails(self.pith("train", "grpo", "--out", "x"), 2, "--data")
        self.assert_fails(self.pith("train", "grpo", "--data", "x"), 2, "--out")
        self.assert_fails(self.pith(*self.arguments("run", "--budgets", "4,x")), 2, "--budgets")
        self.assert_fails(self.pith(*self.arguments("run", "--temp", "0.5")), 2, "temperature 1")
        self.assert_fails(self.pith(*self.arguments("run", "--device", "cuda:99")), 1, "GPU")
        self.assertFalse((self.folder / "run").exists())


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun")
class Ranks(SftCase):
    """Two processes, as mpirun starts them."""

    def setUp(self):
        super().setUp()
        self.environment |= {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            # What a busy machine needs to write a checkpoint when the job ends.
            "OMPI_MCA_odls_base_sigkill_timeout": "3",
        }

    def start_ranks(self, arguments):
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", 2, PITH, *arguments]
        return subprocess.Popen(
            list(map(str, command)), env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run_ranks(self, arguments):
        process = self.start_ranks(arguments)
        process.out, process.err = process.communicate(timeout=LONG)
        return process

    def more_steps(self, out):
        return (*self.arguments(out), "--steps", 100, "--checkpoint-every", 1000)

    def kill_one(self, out):
        """Kills the second rank in the middle of a run; what was said."""
        process = self.start_ranks(self.more_steps(out))
        log = self.folder / out / "steps.csv"
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 20):
            time.sleep(0.01)
        self.assertIsNone(process.poll())
        os.kill(self.second_rank(process.pid), signal.SIGKILL)
        process.out, process.err = process.communicate(timeout=LONG)
        self.assertNotEqual(process.returncode, 0)
        return process

    def second_rank(self, launcher):
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                environment = (path / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == launcher and b"OMPI_COMM_WORLD_RANK=1" in environment:
                return int(path.name)
        self.fail("no second rank")

    def test_two_processes_make_the_run_of_one(self):
        self.assert_ok(self.pith(*self.arguments("one")))
        process = self.run_ranks(self.arguments("two"))
        self.assert_ok(process)
        self.assertEqual(process.out.count("12 examples of 3 questions"), 1)
        for one, two in zip(self.steps("one"), self.steps("two"), strict=True):
            self.assertAlmostEqual(float(one["loss"]), float(two["loss"]), delta=1e-3)

    def test_a_rank_that_dies_ends_the_job_with_a_checkpoint(self):
        self.assert_ok(self.run_ranks(self.more_steps("whole")))
        process = self.kill_one("killed")
        self.assertRegex(process.err, "pith: stopped after [0-9]+ of 100 steps; the same command")
        done = json.loads((self.folder / "killed/checkpoint.json").read_text())["step"]
        self.assertGreaterEqual(done, 19)
        self.assert_ok(self.run_ranks(self.more_steps("killed")))
        self.assert_same_run("killed", "whole")


if __name__ == "__main__":
    main()
