"""pith eval and pith sample with a tiny model: options, logs, kills, shards, reports."""

import html.parser
import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from python_case import LONG, PithTest, main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")
ADAPTERS = Path(__file__).parents[1] / "data/adapters"
QUESTIONS = 6


class EvalTest(PithTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2", self.model], check=True)
        self.data = self.folder / "data.jsonl"
        self.write_data({"question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(QUESTIONS))

    def write_data(self, rows):
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run_command(self, command, *arguments):
        return self.pith(
            command, "-m", self.model, "--task", "jsonl", "--data", self.data, "--budget", 20,
            "--temperature", 1, "-t", 1, *arguments,
        )  # fmt: skip

    def eval(self, *arguments, out="out.json"):
        return self.run_command("eval", "--json", self.folder / out, *arguments)

    def sample(self, *arguments, out="out.jsonl"):
        return self.run_command("sample", "--out", self.folder / out, *arguments)

    def report(self, out="out.json"):
        return json.loads((self.folder / out).read_text())

    def lines(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def results(self, out="out.json"):
        """All of a report but the times."""
        report = self.report(out)
        for name in ("seconds", "tokens_per_second"):
            del report[name]
        return report


    def assert_page_is_whole(self, text):
        """It needs nothing else, and closes what it opens."""
        for word in ("http:", "https:", "<script", "src=", "@import", "url("):
            self.assertNotIn(word, text)

        class Parser(html.parser.HTMLParser):
            tags = []

            def handle_starttag(self, tag, attributes):
                if tag in ("svg", "g", "figure", "table", "details", "div"):
                    self.tags.append(tag)

            def handle_endtag(self, tag):
                if tag in ("svg", "g", "figure", "table", "details", "div"):
                    assert self.tags.pop() == tag

        parser = Parser()
        parser.feed(text)
        self.assertEqual(parser.tags, [])


class Report(EvalTest):
    def test_figures(self):
        process = self.eval("--samples", 4, "--greedy")
        self.assert_ok(process)
        report = self.report()
        self.assertEqual(report["questions"], QUESTIONS)
        self.assertEqual(set(report["maj_at"]), {"1", "2", "4"})
        self.assertEqual(set(report["weighted_at"]), {"confidence"})
        self.assertEqual(set(report["weighted_at"]["confidence"]), {"1", "2", "4"})
        self.assertEqual(set(report["pass_at"]), {"1", "2", "4"})
        for name in ("pass_at_1", "greedy", "mean_tokens"):
            self.assertLessEqual(report[name]["low"], report[name]["value"])
            self.assertLessEqual(report[name]["value"], report[name]["high"])
        samples = [s for question in report["results"] for s in question["samples"]]
        self.assertEqual(len(samples), 4 * QUESTIONS)
        right = sum(s["correct"] for s in samples) / len(samples)
        self.assertAlmostEqual(report["pass_at_1"]["value"], right)
        self.assertAlmostEqual(report["maj_at"]["1"]["value"], right)
        self.assertAlmostEqual(report["weighted_at"]["confidence"]["1"]["value"], right)
        self.assertEqual(report["left_out"], [])
        for sample in samples:
            self.assertGreater(sample["confidence"], 0)
            self.assertLessEqual(sample["confidence"], 1)
        self.assertAlmostEqual(
            report["mean_tokens"]["value"], sum(s["tokens"] for s in samples) / len(samples)
        )
        self.assertEqual(report["truncated"], sum(s["finish_reason"] != "stop" for s in samples))
        self.assertEqual(report["unanswered"], sum(s["answer"] is None for s in samples))
        for text in (
            "pass@1", "greedy", "maj@4", "confidence@4", "pass@4", "tokens p50", "truncated",
            "early stop of votes by confidence", "Brier score",
        ):  # fmt: skip
            self.assertIn(text, process.out)

    def test_early_stop(self):
        self.assert_ok(self.eval("--samples", 8))
        report = self.report()
        self.assertEqual(set(report["early_stop"]), {"majority", "confidence"})
        for rule, stops in report["early_stop"].items():
            self.assertEqual([stop["stop_at"] for stop in stops], [None, 0.9, 0.95, 0.99])
            votes = report["maj_at"] if rule == "majority" else report["weighted_at"][rule]
            for stop in stops:
                self.assertAlmostEqual(
                    stop["accuracy"]["value"] - votes["8"]["value"], stop["difference"]["value"]
                )
                self.assertAlmostEqual(stop["saved_samples"], 1 - stop["samples"]["value"] / 8)
                self.assertGreaterEqual(stop["saved_tokens"], 0)
                self.assertLessEqual(stop["saved_tokens"], 1)
                self.assertLessEqual(stop["samples"]["value"], stops[0]["samples"]["value"])
            self.assertAlmostEqual(stops[0]["difference"]["value"], 0)

    def test_calibration(self):
        self.assert_ok(self.eval("--samples", 4))
        report = self.report()
        answered = sum(
            any(s["answer"] is not None for s in question["samples"]) for question in report["results"]
        )
        self.assertGreaterEqual(answered, 5, "the data are too small for a calibration")
        for rule in ("majority", "confidence"):
            table = report["calibration"][rule]
            self.assertEqual(table, sorted(table))
            accuracies = [accuracy for _, accuracy in table]
            self.assertEqual(accuracies, sorted(accuracies))
            for kind in ("agreement", "calibrated"):
                reliability = report["reliability"][rule][kind]
                self.assertEqual(sum(b["count"] for b in reliability["bins"]), QUESTIONS)
                self.assertGreaterEqual(reliability["brier"], 0)
                self.assertLessEqual(reliability["brier"], 1)

    def test_vote_that_comes_first(self):
        self.assert_ok(self.eval("--samples", 4))
        plain = self.report()
        process = self.eval("--samples", 4, "--vote", "confidence")
        self.assert_ok(process)
        first = process.out.index("votes by confidence")
        self.assertLess(first, process.out.index("votes by majority"))
        self.assertIn("\nvote of 4 by confidence: ", process.out)
        report = self.report()
        expected = {"rule": "confidence", "samples": 4} | report["weighted_at"]["confidence"]["4"]
        self.assertEqual(report["vote"], expected)
        self.assertEqual(plain["vote"], {"rule": "majority", "samples": 4} | plain["maj_at"]["4"])
        self.assertEqual(report["results"], plain["results"])
        self.assert_fails(self.eval("--samples", 4, "--vote", "verifier"), 2, "needs a reasoning pack")
        old = self.folder / "out.json"
        merged = self.pith("eval", "--merge", old, "--vote", "verifier")
        self.assert_fails(merged, 2, "no votes by verifier")

    def test_ask_is_calibrated_by_a_report(self):
        self.assert_ok(self.eval("--samples", 4))
        report = self.folder / "out.json"
        ask = ["ask", "-m", self.model, "-n", 4, "--budget", 20, "--all-branches", "--json", "2+2?"]
        for rule in ("majority", "confidence"):
            process = self.pith(*ask, "--vote", rule, "--calibration", report)
            self.assert_ok(process)
            answer = json.loads(process.out)
            self.assertEqual(answer["confidence_kind"], "calibrated")
            accuracies = [accuracy for _, accuracy in self.report()["calibration"][rule]]
            self.assertLessEqual(accuracies[0], answer["confidence"])
            self.assertLessEqual(answer["confidence"], accuracies[-1])
            plain = json.loads(self.pith(*ask, "--vote", rule).out)
            self.assertEqual(plain["branches"], answer["branches"])
        other = self.folder / "other.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen3", other], check=True)
        ask[2] = other
        self.assert_fails(self.pith(*ask, "--calibration", report), 1, str(report), "of another model")
        self.assert_fails(self.pith(*ask, "--calibration", self.data), 1, str(self.data))

    def test_greedy_alone(self):
        self.assert_ok(self.eval("--temperature", 0, "--samples", 1))
        self.assert_ok(self.eval("--samples", 1, "--greedy", out="both.json"))
        one = [q["samples"][0] for q in self.report()["results"]]
        self.assertEqual(one, [q["greedy"] for q in self.report("both.json")["results"]])

    def test_sizes_of_votes(self):
        self.assert_ok(self.eval("--samples", 5, "-n", "1,3"))
        self.assertEqual(set(self.report()["maj_at"]), {"1", "3"})
        self.assert_fails(self.eval("--samples", 5, "-n", "6"), 2, "a vote of 6")

    def test_page_needs_nothing_else(self):
        page = self.folder / "out.html"
        self.assert_ok(self.eval("--samples", 4, "--greedy", "--report", page))
        text = page.read_text()
        # Tokens, samples, two kinds of votes, the score, lengths.
        self.assertEqual(text.count("<svg"), 6)
        for part in ("Stopping early", "Brier score", "calibrated"):
            self.assertIn(part, text)
        self.assert_page_is_whole(text)

    def test_page_escapes_what_is_in_the_data(self):
        self.write_data([{"id": "<script>alert(1)</script>", "question": "?", "answer": "<b>"}])
        self.assert_ok(self.eval("--report", self.folder / "out.html"))
        self.assertNotIn("<script", (self.folder / "out.html").read_text())

    def test_page_of_single_samples(self):
        self.assert_ok(self.eval("--report", self.folder / "out.html"))
        self.assertEqual((self.folder / "out.html").read_text().count("<svg"), 2)

    def test_quiet(self):
        process = self.eval("-q")
        self.assert_ok(process)
        self.assertEqual((process.out, process.err), ("", ""))

    def test_without_files(self):
        before = sorted(self.folder.iterdir())
        process = self.run_command("eval")
        self.assert_ok(process)
        self.assertIn("pass@1", process.out)
        self.assertEqual(sorted(self.folder.iterdir()), before)


class Adapter(EvalTest):
    def test_answers_are_those_of_ask(self):
        model = self.folder / "qwen3.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen3", model], check=True)
        self.write_data([{"question": "What is 2+2?", "answer": 4}])
        texts = set()
        for name, adapter in (("base", []), ("adapted", ["--adapter", ADAPTERS / "qwen3"])):
            arguments = ["-m", model, "--temperature", 0, "--budget", 8, *adapter]
            ask = self.pith("ask", "What is 2+2?", "-n", 1, "--json", *arguments)
            self.assert_ok(ask)
            out = self.folder / f"{name}.json"
            self.assert_ok(
                self.pith("eval", "--task", "jsonl", "--data", self.data, "--json", out, *arguments)
            )
            (text,) = [line["text"] for line in self.lines(f"{name}.samples.jsonl")[1:]]
            self.assertEqual(text, json.loads(ask.out)["branches"][0]["text"])
            texts.add(text)
        self.assertEqual(len(texts), 2)

    def test_adapter_that_is_not_there(self):
        self.assert_fails(self.eval("--adapter", self.folder / "nothing"), 1, "nothing")


class Invariance(EvalTest):
    def test_parallel_does_not_matter(self):
        for parallel in (1, 16):
            self.assert_ok(self.eval("--samples", 4, "--parallel", parallel, out=f"{parallel}.json"))
        self.assertEqual(self.results("1.json"), self.results("16.json"))

    def test_samples_do_not_depend_on_their_number(self):
        self.assert_ok(self.sample("--samples", 2, out="2.jsonl"))
        self.assert_ok(self.sample("--samples", 4, "--limit", 3, out="4.jsonl"))
        key = lambda line: (line.get("question"), line.get("sample"))
        four = {key(line): line for line in self.lines("4.jsonl")[1:]}
        for line in self.lines("2.jsonl")[1:]:
            if line["question"] < 3:
                self.assertEqual(line, four[key(line)])

    def test_seed_matters(self):
        self.assert_ok(self.eval(out="0.json"))
        self.assert_ok(self.eval("--seed", 1, out="1.json"))
        self.assertNotEqual(self.report("0.json")["results"], self.report("1.json")["results"])


class Resume(EvalTest):
    def test_killed_runs_go_on(self):
        """Killed again and again; what is there in the end is what one run gives."""
        arguments = ["--samples", 40, "--budget", 40]
        self.assert_ok(self.eval(*arguments, out="whole.json"))
        log = self.folder / "out.samples.jsonl"
        kills = 0
        for _ in range(3):
            before = len(log.read_text().splitlines()) if log.exists() else 0
            process = self.start(
                "eval", "-m", self.model, "--task", "jsonl", "--data", self.data, "--temperature", 1,
                "-t", 1, "--json", self.folder / "out.json", *arguments,
            )  # fmt: skip
            while process.poll() is None:
                if log.exists() and len(log.read_text().splitlines()) > before + 5:
                    process.kill()
                    kills += 1
                    break
                time.sleep(0.002)
            process.communicate()
        self.assertGreater(kills, 0)
        partial = len(log.read_text().splitlines())
        self.assert_ok(self.eval(*arguments))
        self.assertEqual(self.results(), self.results("whole.json"))
        keys = [(line["question"], line["sample"]) for line in self.lines("out.samples.jsonl")[1:]]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertLess(partial, len(keys))

    def test_interrupt(self):
        process = self.start(
            "eval", "-m", self.model, "--task", "jsonl", "--data", self.data, "--samples", 1000,
            "-t", 1, "--json", self.folder / "out.json",
        )  # fmt: skip
        log = self.folder / "out.samples.jsonl"
        while not log.exists() or log.read_text().count("\n") < 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.out, process.err = process.communicate(timeout=LONG)
        self.assert_fails(process, 130, "the same command goes on")
        self.assertFalse((self.folder / "out.json").exists())

    def test_finished_run_draws_nothing(self):
        self.assert_ok(self.eval("--samples", 3))
        log = (self.folder / "out.samples.jsonl").read_bytes()
        first = self.report()
        self.assert_ok(self.eval("--samples", 3))
        self.assertEqual((self.folder / "out.samples.jsonl").read_bytes(), log)
        self.assertEqual(self.report()["results"], first["results"])

    def test_more_samples_keep_the_first(self):
        self.assert_ok(self.eval("--samples", 2))
        first = self.report()
        self.assert_ok(self.eval("--samples", 3, "--greedy"))
        for old, new in zip(first["results"], self.report()["results"]):
            self.assertEqual(old["samples"], new["samples"][:2])

    def test_log_of_an_older_pith(self):
        """Its samples have no confidence: all but the votes by confidence is reported."""
        self.assert_ok(self.eval("--samples", 3, out="new.json"))
        log = [json.loads(line) for line in (self.folder / "new.samples.jsonl").read_text().splitlines()]
        for entry in log:
            entry.pop("confidence", None)
        path = self.folder / "old.samples.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in log))
        page = self.folder / "old.html"
        process = self.eval("--samples", 4, "--report", page, out="old.json")
        self.assert_ok(process)
        reason = f"{3 * QUESTIONS} of {4 * QUESTIONS} samples have no confidence"
        for text in (process.out, page.read_text(), self.report("old.json")["left_out"][0]):
            self.assertIn(reason, text)
        self.assertNotIn("weighted_at", self.report("old.json"))
        self.assertEqual(set(self.report("old.json")["early_stop"]), {"majority"})
        self.assert_ok(self.eval("--samples", 4, out="new.json"))
        self.assertEqual(self.report("old.json")["maj_at"], self.report("new.json")["maj_at"])
        old, new = self.folder / "old.json", self.folder / "new.json"
        process = self.pith("eval", "--compare", old, new)
        self.assert_ok(process)
        self.assertIn(f"A: votes by confidence are left out: {reason}", process.out)
        self.assertNotIn("confidence@", process.out)
        self.assertIn("confidence@", self.pith("eval", "--compare", new, new).out)

    def test_scores_of_a_verifier(self):
        self.assert_ok(self.eval("--samples", 2))
        path = self.folder / "out.samples.jsonl"
        header, *entries = self.lines("out.samples.jsonl")
        for entry in entries:
            entry["verifier_score"] = 0.25 + 0.5 * entry["sample"]
        path.write_text("".join(json.dumps(entry) + "\n" for entry in [header, *entries]))
        process = self.eval("--samples", 2)
        self.assert_ok(process)
        self.assertIn("verifier@2", process.out)
        report = self.report()
        self.assertEqual(set(report["weighted_at"]), {"confidence", "verifier"})
        # The second sample of each question, if it has an answer, outvotes the first.
        right = 0
        for question in report["results"]:
            first, second = question["samples"]
            self.assertEqual((first["verifier_score"], second["verifier_score"]), (0.25, 0.75))
            right += (second if second["answer"] is not None else first)["correct"]
        self.assertAlmostEqual(report["weighted_at"]["verifier"]["2"]["value"], right / QUESTIONS)
        entries[0]["verifier_score"] = 2
        path.write_text("".join(json.dumps(entry) + "\n" for entry in [header, *entries]))
        self.assert_fails(self.eval("--samples", 2), 1, "not from 0 to 1")

    def test_another_run_is_refused(self):
        self.assert_ok(self.eval())
        before = (self.folder / "out.json").read_bytes()
        self.assert_fails(self.eval("--seed", 5), 2, "out.samples.jsonl", "different: seed")
        self.write_data([{"question": "Another?", "answer": 1}])
        self.assert_fails(self.eval(), 2, "different: data_sha256")
        self.assertEqual((self.folder / "out.json").read_bytes(), before)

    def test_sample_goes_on(self):
        self.assert_ok(self.sample("--samples", 4))
        whole = self.lines("out.jsonl")
        path = self.folder / "out.jsonl"
        text = path.read_bytes()
        path.write_bytes(text[: len(text) * 2 // 3])
        self.assert_ok(self.sample("--samples", 4))
        key = lambda line: (line.get("question", -1), line.get("sample", -1))
        self.assertEqual(sorted(self.lines("out.jsonl"), key=key), sorted(whole, key=key))


class Shards(EvalTest):
    def test_merged_shards_are_the_whole(self):
        self.assert_ok(self.eval("--samples", 4, out="whole.json"))
        shards = [self.folder / f"{i}.json" for i in (1, 2, 3)]
        for i, shard in enumerate(shards):
            self.assert_ok(self.eval("--samples", 4, "--shard", f"{i + 1}/3", out=shard))
        merge = lambda *paths: self.pith("eval", "--json", self.folder / "merged.json", "--merge", *paths)
        self.assert_ok(merge(*shards))
        self.assertEqual(self.results("merged.json"), self.results("whole.json"))
        self.assert_fails(merge(*shards[1:]), 2, "shard 1/3 is missing")
        self.assert_fails(merge(*shards, shards[0]), 2, "shard 1/3 is there twice")
        self.assert_fails(merge(shards[0], self.data), 1, "was not written by pith eval")

    def test_sample_shards_are_the_whole(self):
        self.assert_ok(self.sample("--samples", 2, out="whole.jsonl"))
        parts = []
        for i in (1, 2):
            self.assert_ok(self.sample("--samples", 2, "--shard", f"{i}/2", out=f"{i}.jsonl"))
            parts += self.lines(f"{i}.jsonl")[1:]
        key = lambda line: (line["question"], line["sample"])
        self.assertEqual(sorted(parts, key=key), sorted(self.lines("whole.jsonl")[1:], key=key))

    def test_shard_without_questions(self):
        self.assert_fails(self.eval("--limit", 2, "--shard", "3/3"), 2, "3/3 has no questions")

    def test_bad_shards(self):
        for shard in ("0/2", "3/2", "1", "1/", "/2", "a/b", "1/2/3", ""):
            self.assert_fails(self.eval("--shard", shard), 2, "--shard")


class Compare(EvalTest):
    def test_two_runs(self):
        self.assert_ok(self.eval("--samples", 2, out="a.json"))
        self.assert_ok(self.eval("--samples", 2, "--budget", 30, "--limit", 4, out="b.json"))
        a, b = self.folder / "a.json", self.folder / "b.json"
        process = self.pith("eval", "--compare", a, b, "--json", self.folder / "c.json")
        self.assert_ok(process)
        self.assertIn("4 questions", process.out)
        comparison = self.report("c.json")
        self.assertEqual(comparison["questions"], 4)
        tokens = [comparison[part]["mean_tokens"]["value"] for part in ("a", "b", "difference")]
        self.assertAlmostEqual(tokens[1] - tokens[0], tokens[2])
        self.assertEqual(comparison["b"]["mean_tokens"], self.report("b.json")["mean_tokens"])
        same = self.pith("eval", "--compare", a, a)
        self.assertNotIn(" *\n", same.out)
        self.assert_fails(self.pith("eval", "--compare", a, b, "--vote", "majority"), 2, "--vote")

    def test_page(self):
        self.assert_ok(self.eval("--samples", 2, out="a.json"))
        self.assert_ok(self.eval("--samples", 2, "--no-landing", out="b.json"))
        page = self.folder / "c.html"
        a, b = self.folder / "a.json", self.folder / "b.json"
        self.assert_ok(self.pith("eval", "-q", "--compare", a, b, "--report", page))
        text = page.read_text()
        self.assert_page_is_whole(text)
        self.assertEqual(text.count("<svg"), 2)  # differences, votes; nothing was routed
        # Two runs are told apart by what differs in their settings.
        self.assertIn("<tr><td>landing<td class=\"v\">3<td class=\"v\">0</tr>", text)
        self.assertNotIn("<tr><td>seed<", text)
        self.assertIn("<tr><td>pass@1<", text)
        # Where nothing differs, an axis is still one that people read.
        self.assert_ok(self.pith("eval", "-q", "--compare", a, a, "--report", page))
        self.assertNotRegex(page.read_text(), r"e-\d+</text>")

    def test_other_questions(self):
        self.assert_ok(self.eval(out="a.json"))
        self.write_data([{"question": "Another?", "answer": 1}])
        self.assert_ok(self.eval(out="b.json"))
        process = self.pith("eval", "--compare", self.folder / "a.json", self.folder / "b.json")
        self.assert_fails(process, 2, "different questions")


class Sample(EvalTest):
    def test_lines(self):
        self.write_data([{"question": "One?", "answer": 1}, {"question": "Unknown?"}])
        self.assert_ok(self.sample("--samples", 3))
        header, *lines = self.lines("out.jsonl")
        self.assertEqual(header["run"]["temperature"], 1)
        self.assertEqual(len(lines), 6)
        for line in lines:
            self.assertEqual(len(line["completion_ids"]), len(line["log_probabilities"]))
            self.assertLessEqual(len(line["completion_ids"]), 20)
            self.assertTrue(all(p <= 0 for p in line["log_probabilities"]))
            self.assertIn(line["asked"], ("One?", "Unknown?"))
            self.assertIn(line["asked"], line["prompt"])
            self.assertTrue(line["prompt_ids"])
            self.assertIn(line["finish_reason"], ("stop", "budget"))
            if line["finish_reason"] == "budget":
                self.assertEqual(len(line["completion_ids"]), 20)
            self.assertEqual(line["correct"] is None, line["question"] == 1)


class Errors(EvalTest):
    def test_files(self):
        self.assert_fails(self.pith("eval", "-m", self.model), 2, "--data")
        self.assert_fails(self.pith("sample", "-m", self.model, "--data", self.data), 2, "--out")
        self.data.unlink()
        self.assert_fails(self.eval(), 1, str(self.data))

    def test_bad_line(self):
        self.data.write_text('{"question": "a", "answer": 1}\n{"question": \n')
        self.assert_fails(self.eval(), 1, "data.jsonl, line 2")

    def test_question_without_an_answer(self):
        self.write_data([{"question": "Unknown?"}])
        self.assert_fails(self.eval(), 2, "question 0 has no answer")

    def test_many_equal_samples(self):
        self.assert_fails(self.eval("--temperature", 0, "--samples", 2), 2, "temperature 0")

    def test_folder_that_is_not_there(self):
        self.assert_fails(self.eval(out="nowhere/out.json"), 1, "nowhere")


if __name__ == "__main__":
    main()
