"""pith train pack, verifier and switcher with a tiny model: from samples to a pack that is used."""

import json
import math
import os
import shutil
import signal
import struct
import subprocess
import time

from python_case import PithTest, main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")
WRITE_TINY_PACK = os.environ.get("PITH_WRITE_TINY_PACK", "write_tiny_pack")
QUESTIONS = 40


def tensors(path):
    """The float32 tensors of a safetensors file, as lists."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    result = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            result[name] = struct.unpack(f"<{(end - begin) // 4}f", content[begin:end])
    return result


class HeadsTest(PithTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2", self.model], check=True)
        subprocess.run([WRITE_TINY_PACK, self.model, self.folder / "random"], check=True)
        self.pack = self.folder / "maths"
        self.questions = self.folder / "questions.jsonl"
        rows = ({"question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(QUESTIONS))
        self.questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.make_pack("--adapter", self.folder / "random/adapter", "--system", "Think {budget}.",
                       "--budget", 12, "--direct-budget", 6)  # fmt: skip

    def make_pack(self, *arguments):
        process = self.pith("train", "pack", "-m", self.model, "--out", self.pack, *arguments)
        self.assert_ok(process)
        return process.out

    def manifest(self):
        return json.loads((self.pack / "pack.json").read_text())

    def rollouts(self, command, think, out, *arguments):
        self.assert_ok(
            self.pith(
                command, "-q", "-m", self.model, "--pack", self.pack, "--think", think, "--task", "jsonl",
                "--data", self.questions, "--temperature", 1, "-t", 1,
                {"sample": "--out", "eval": "--json"}[command], out, *arguments,
            )  # fmt: skip
        )

    def sample(self, think="on", right=lambda question, sample: (question + sample) % 2 == 0):
        """Samples of a random model, which never answers: right or wrong as we say."""
        out = self.folder / f"{think}.jsonl"
        self.rollouts("sample", think, out, "--samples", 3)
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        for line in lines[1:]:
            correct = right(line["question"], line["sample"])
            line.update(correct=correct, finish_reason="stop", answer="1" if correct else "0")
        out.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return out

    def verifier(self, data, out, *arguments):
        return ("train", "verifier", "-m", self.model, "--pack", self.pack, "--data", data, "--out",
                self.folder / out, "--penalties", "1,0.1", "-n", "2,3", "-t", 1, *arguments)  # fmt: skip


class Pack(HeadsTest):
    def test_put_together_and_changed(self):
        manifest = self.manifest()
        self.assertEqual(manifest["name"], "maths")
        self.assertEqual(manifest["budgets"], {"think": 12, "direct": 6})
        self.assertEqual(manifest["adapter"], "adapter.gguf")
        out = self.make_pack("--store", "as-is", "--adapter", self.folder / "random/adapter", "--threshold", 0.25,
                             "--verifier", self.folder / "random/verifier.safetensors",
                             "--verification", "Is this right?", "--positions", 2, "--layer", 1,
                             "--vote", "verifier")  # fmt: skip
        self.assertRegex(out, r"adapter \(.* KiB\), verifier; .* KiB in all\n$")
        manifest = self.manifest()
        self.assertEqual((manifest["adapter"], manifest["thresholds"]), ("adapter", {"think": 0.25}))
        self.assertEqual(manifest["verification"], {"reader": "base", "positions": 2, "layer": 1})
        self.assertEqual(sorted(p.name for p in self.pack.iterdir()), ["adapter", "pack.json", "verifier.safetensors"])
        shown = self.pith("show", self.pack)
        self.assert_ok(shown)
        self.assertIn("reads 14 bytes of prompt with the base model, behind layer 1", shown.out)
        self.assertEqual(manifest["vote"], "verifier")
        self.make_pack("--verifier", "none", "--adapter", "none")
        self.assertIsNone(self.manifest()["vote"])
        self.assertEqual([p.name for p in self.pack.iterdir()], ["pack.json"])

    def test_results(self):
        report = self.folder / "report.json"
        self.rollouts("eval", "on", report, "--samples", 2, "--limit", 6)
        self.assertIn("3 results", self.make_pack("--results", report))
        results = self.manifest()["results"]
        votes = [(r["branches"], r["vote"]) for r in results]
        self.assertEqual(votes, [(1, None), (2, "majority"), (2, "confidence")])
        self.assertEqual({(r["task"], r["mode"], r["budget_tokens"]) for r in results}, {("jsonl questions", "on", 12)})
        self.assertRegex(self.make_pack("--results", report), r"adapter \(\d.* KiB\), 3 results;")  # the same ones

    def test_bad_usage(self):
        pack = ("train", "pack", "-m", self.model, "--out", self.pack)
        self.assert_fails(self.pith("train", "pack", "-m", self.model), 2, "--out")
        self.assert_fails(self.pith(*pack, "--threshold", 2), 2, "--threshold")
        self.assert_fails(self.pith(*pack, "--adapter", self.folder), 1, "no PEFT adapter")
        self.assert_fails(self.pith(*pack, "--results", self.questions), 1, "questions.jsonl")
        self.assert_fails(self.pith(*pack, "--positions", 3), 1, "positions")
        self.assert_fails(self.pith(*pack, "--name", "a/b"), 1, "name")
        self.assertEqual(self.manifest()["name"], "maths")


class Verifier(HeadsTest):
    def test_from_samples_to_votes(self):
        data = self.sample()
        process = self.pith(*self.verifier(data, "run", "--precision", "f32", "--layers", "0,2"))
        self.assert_ok(process)
        self.assertRegex(process.out, r"120 samples with an answer, 60 right, of 40 questions\n")
        self.assertIn("votes of 3: majority", process.out)
        self.assertIn("<svg", (self.folder / "run/report.html").read_text())
        figures = json.loads((self.folder / "run/verifier.json").read_text())
        self.assertEqual(figures, json.loads((self.pack / "verifier.json").read_text()))
        manifest = self.manifest()
        self.assertIn("verifier", manifest["calibration"])
        layer = figures["features"].partition("@")[2]
        self.assertEqual(manifest["verification"]["layer"], int(layer or 0))

        # What the pack says of the same samples is the head of their hidden states.
        report = self.folder / "report.json"
        self.rollouts("eval", "on", report, "--samples", 3, "--limit", 2, "--no-forced-answers")
        scores = [s["verifier_score"] for r in json.loads(report.read_text())["results"] for s in r["samples"]]
        head = tensors(self.pack / "verifier.safetensors")
        parts = sorted((self.folder / "run/features").glob("features-*"))
        self.assertEqual(len(parts), 3)
        known = []
        for part in parts:
            states = tensors(part)[figures["features"]]
            for row in range(0, len(states), 64):
                products = (w * x for w, x in zip(head["output.weight"], states[row : row + 64]))
                known.append(1 / (1 + math.exp(-head["output.bias"][0] - sum(products))))
        for score in scores:
            self.assertLess(min(abs(score - other) for other in known), 1e-9)

    def test_killed_it_goes_on_to_the_same_head(self):
        data = self.sample()
        self.assert_ok(self.pith(*self.verifier(data, "whole")))
        whole = (self.pack / "verifier.safetensors").read_bytes()
        (self.pack / "verifier.safetensors").unlink()
        self.make_pack_without_verifier()
        features = self.folder / "killed/features"
        process = self.start(*self.verifier(data, "killed"))
        while process.poll() is None and not (features / "features-00000.safetensors").exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        self.assertTrue((features / "features-00000.safetensors").exists())
        self.assert_ok(self.pith(*self.verifier(data, "killed")))
        self.assertEqual((self.pack / "verifier.safetensors").read_bytes(), whole)
        # The hidden states are of these samples alone.
        other = self.folder / "other.jsonl"
        other.write_text("".join(data.read_text().splitlines(keepends=True)[:-1]))
        self.assert_fails(self.pith(*self.verifier(other, "killed")), 2, "(data)")

    def make_pack_without_verifier(self):
        manifest = self.manifest() | {"verifier": None, "verification": {"reader": "base", "positions": 1}}
        manifest["prompts"]["verification"] = None
        (self.pack / "pack.json").write_text(json.dumps(manifest))

    def test_bad_usage(self):
        self.assert_fails(self.pith("train", "verifier", "--data", "x", "--out", "y"), 2, "--pack")
        self.assert_fails(self.pith("train", "verifier", "--pack", "x", "--out", "y"), 2, "--data")
        self.assert_fails(self.pith("train", "verifier", "--pack", "x", "--data", "y"), 2, "--out")
        self.assert_fails(self.pith(*self.verifier(self.questions, "run")), 1, "line 1", "prompt_ids")
        self.assert_fails(self.pith(*self.verifier(self.questions, "run", "--layers", 4)), 2, "--layers", "3")
        data = self.sample(right=lambda question, sample: True)
        self.assert_fails(self.pith(*self.verifier(data, "run")), 2, "right and wrong ones are needed")
        data = self.sample("off")
        self.assert_fails(self.pith(*self.verifier(data, "run")), 2, "--think off")
        self.assertEqual(self.manifest()["verifier"], None)


class Switcher(HeadsTest):
    def switcher(self, *arguments):
        return ("train", "switcher", "-m", self.model, "--pack", self.pack, "--out", self.folder / "run",
                "--epochs", 5, "-t", 1, *arguments)  # fmt: skip

    def test_by_need(self):
        on = self.sample("on", right=lambda question, sample: question % 3 > 0)
        off = self.sample("off", right=lambda question, sample: question % 3 == 2)
        process = self.pith(*self.switcher("--data", on, "--data-off", off, "--layer", 2))
        self.assert_ok(process)
        self.assertIn("40 questions, 13 need reasoning", process.out)
        figures = json.loads((self.pack / "switcher.json").read_text())
        self.assertEqual(figures["routed"]["questions"], 40)
        self.assertIn("by a coin", (self.folder / "run/report.html").read_text())
        manifest = self.manifest()
        self.assertEqual(manifest["thresholds"]["think"], figures["threshold"])
        self.assertEqual(manifest["switching"], {"layer": 2})
        self.assertIn(", behind layer 2", self.pith("show", self.pack).out)
        process = self.pith("ask", "-m", self.model, "--pack", self.pack, "--json", "-n", 1, "What is 3 + 3?")
        self.assert_ok(process)
        self.assertTrue(0 < json.loads(process.out)["think_probability"] < 1)

    def test_by_source(self):
        on = self.sample("on")
        process = self.pith(*self.switcher("--data", on, "--direct", self.questions, "--precision", "int8"))
        self.assert_ok(process)
        self.assertIn("80 questions, 40 need reasoning", process.out)
        self.assertNotIn("always reasoning", process.out)

    def test_bad_usage(self):
        on = self.sample("on")
        self.assert_fails(self.pith(*self.switcher("--data", on)), 2, "--data-off", "--direct")
        self.assert_fails(
            self.pith(*self.switcher("--data", on, "--direct", self.questions, "--layer", 4)), 2, "--layer", "3"
        )
        other = shutil.copy(on, self.folder / "copy.jsonl")
        self.assert_fails(self.pith(*self.switcher("--data", on, "--data-off", other)), 2, "--think off")
        self.assert_fails(self.pith(*self.switcher("--data", on, "--direct", self.model)), 1, "tiny.gguf")
        self.assertEqual(self.manifest()["switcher"], None)


if __name__ == "__main__":
    main()
