"""Reasoning packs in the commands: `--pack`, `--think`, `--vote verifier`, `pith show`."""

import json
import shutil

from python_case import main
from tiny_case import TinyTest

QUESTION = ["-n", 4, "--all-branches", "How many?"]


class PackTest(TinyTest):
    def ask(self, *arguments, model="qwen2", pack=None):
        result = self.json(
            "ask", "-m", self.tiny_model(model), "--pack", pack or self.tiny_pack(model), *QUESTION, *arguments
        )
        for name in ("timing", "speed"):
            del result[name]
        return result

    def change(self, **values):
        """A copy of the tiny pack with other values in its pack.json."""
        folder = self.folder / "changed.pack"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.tiny_pack(), folder)
        file = folder / "pack.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))
        return folder


class AskWithPack(PackTest):
    def test_scores_weigh_the_vote(self):
        result = self.ask()
        self.assertEqual(result["vote"], "verifier")
        scores = [branch["verifier_score"] for branch in result["branches"]]
        self.assertEqual(len(set(scores)), 4)
        self.assertTrue(all(0 < score < 1 for score in scores))
        for vote in result["votes"]:
            weight = sum(scores[i] for i in vote["branches"])
            self.assertAlmostEqual(vote["weight_share"], weight / sum(scores))
        majority = self.ask("--vote", "majority")
        self.assertEqual({b["verifier_score"] for b in majority["branches"]}, {None})
        for a, b in zip(result["branches"], majority["branches"]):
            self.assertEqual(a["text"], b["text"])

    def test_confidence_is_calibrated_by_its_table(self):
        result = self.ask()
        share, voters = result["votes"][0]["weight_share"], sum(len(v["branches"]) for v in result["votes"])
        agreement = min(max((share * voters + 1) / (voters + 2), 0.25), 0.75)
        self.assertEqual(result["confidence_kind"], "calibrated")
        self.assertAlmostEqual(result["confidence"], 0.125 + (agreement - 0.25) * 0.75)
        # It has none for other votes.
        self.assertEqual(self.ask("--vote", "majority")["confidence_kind"], "agreement")

    def test_who_decides_whether_it_thinks(self):
        auto = self.ask()
        self.assertTrue(0 < auto["think_probability"] < 1)
        self.assertIs(auto["thinking"], auto["think_probability"] >= 0.5)
        on, off = self.ask("--think", "on"), self.ask("--think", "off")
        self.assertEqual((on["thinking"], off["thinking"]), (True, False))
        self.assertIsNone(on["think_probability"])
        self.assertNotEqual(on["text"], off["text"])
        for threshold, expected in ((0, on), (1, off)):
            routed = self.ask(pack=self.change(thresholds={"think": threshold}))
            self.assertEqual(routed["branches"], expected["branches"])
            self.assertEqual(routed["usage"]["prompt_tokens"], expected["usage"]["prompt_tokens"])

    def test_families_that_think_in_markup(self):
        for think in ("on", "off", "auto"):
            result = self.ask("--think", think, "--chat-template", "qwen3", model="qwen3")
            self.assertTrue(result["answer"])

    def test_budgets(self):
        most_closing = 34 + 48
        for think, budget in (("on", 24), ("off", 12)):
            for branch in self.ask("--think", think)["branches"]:
                self.assertLessEqual(branch["tokens"], budget + most_closing)
        self.assertNotEqual(self.ask("--think", "on"), self.ask("--think", "on", "--budget", 9))
        # The budget stands in the prompt.
        longer = self.ask("--think", "on", "--budget", 1000)["usage"]["prompt_tokens"]
        self.assertEqual(longer, self.ask("--think", "on")["usage"]["prompt_tokens"] + 2)

    def test_deadlines_go_by_what_was_measured(self):
        results = [
            {"task": "x", "mode": mode, "vote": "verifier", "branches": branches,
             "budget_tokens": 24, "questions": 9, "accuracy": accuracy}
            for mode, branches, accuracy in (("on", 1, 0.5), ("on", 2, 0.8), ("on", 4, 0.7), ("off", 4, 0.9))
        ]  # fmt: skip
        pack = self.change(results=results)
        result = self.ask("--think", "on", "--deadline", 100_000, pack=pack)
        self.assertEqual((len(result["branches"]), result["deadline"]["accuracy"]), (2, 0.8))
        self.assertEqual(result["branches"], self.ask("--think", "on", "-n", 2)["branches"])
        self.assertTrue(self.ask("--deadline", 0.01, pack=pack)["answer"])

    def test_text(self):
        out = self.pith("ask", "-m", self.tiny_model(), "--pack", self.tiny_pack(), *QUESTION).out
        self.assertRegex(out, r"\n(with|without) reasoning: the switcher gives [01]\.\d\d that ")
        self.assertRegex(out, r" tokens .*score [01]\.\d\d\n")

    def test_by_name(self):
        self.home.mkdir()
        shutil.copytree(self.tiny_pack(), self.home / "packs" / "maths")
        self.assertEqual(self.ask(pack="maths"), self.ask())
        process = self.pith("ask", "-m", self.tiny_model(), "--pack", "physics", "x")
        self.assert_fails(process, 1, "no pack physics in", str(self.home / "packs"))

    def test_without_parts(self):
        bare = self.change(verifier=None, switcher=None)
        result = self.ask(pack=bare)
        self.assertEqual((result["vote"], result["thinking"]), ("majority", True))
        self.assertEqual(self.ask(pack=self.change(vote="confidence"))["vote"], "confidence")
        self.assertIsNone(result["think_probability"])
        without_adapter = self.ask(pack=self.change(adapter=None), *["--think", "on"])
        self.assertNotEqual(without_adapter["text"], result["text"])


class ThinkWithoutPack(TinyTest):
    def test_off_asks_for_the_answer_alone(self):
        plain = ["ask", "-m", self.tiny_model(), *QUESTION]
        on, off = self.json(*plain, "--think", "on"), self.json(*plain, "--think", "off")
        self.assertEqual(self.json(*plain)["branches"], on["branches"])
        self.assertEqual((on["thinking"], off["thinking"]), (True, False))
        self.assertLess(off["usage"]["prompt_tokens"], on["usage"]["prompt_tokens"])

    def test_a_family_without_thoughts_begins_behind_an_empty_one(self):
        family = ["--chat-template", "qwen3", "--system", ""]
        plain = ["ask", "-m", self.tiny_model("qwen3"), *family, *QUESTION]
        on, off = self.json(*plain, "--think", "on"), self.json(*plain, "--think", "off")
        self.assertGreater(off["usage"]["prompt_tokens"], on["usage"]["prompt_tokens"])


class BadPack(PackTest):
    def refused(self, pack, *fragments, status=1, arguments=()):
        process = self.pith("ask", "-m", self.tiny_model(), "--pack", pack, *QUESTION, *arguments)
        self.assert_fails(process, status, *fragments)
        self.assertEqual(process.out, "")

    def test_of_another_model(self):
        other = {"name": "another", "sha256": "0" * 64}
        self.refused(self.change(base=other), "the pack is for another with the sha256 000000000000...")
        self.refused(self.tiny_pack("qwen3"), "sha256")

    def test_what_is_no_pack(self):
        self.refused(self.folder, "no reasoning pack")
        self.refused(self.folder / "none", "no reasoning pack")
        self.refused(self.change(verifier="missing.safetensors"), "missing.safetensors")
        self.refused(self.change(switcher="verifier.safetensors"), "verifier.safetensors")
        self.refused(self.change(unknown=1), "unknown")

    def test_votes_that_it_cannot_weigh(self):
        bare = self.change(verifier=None)
        self.refused(bare, "a vote by verifier needs", status=2, arguments=["--vote", "verifier"])
        process = self.pith("ask", "-m", self.tiny_model(), "--vote", "verifier", "x")
        self.assert_fails(process, 2, "a vote by verifier needs")

    def test_with_an_adapter_of_ones_own(self):
        adapter = ["--adapter", self.tiny_pack() / "adapter"]
        self.refused(self.tiny_pack(), "--adapter", status=2, arguments=adapter)

    def test_hostile_numbers(self):
        self.refused(self.change(thresholds={"think": 2}), "thresholds.think")
        self.refused(self.change(budgets={"think": 0}), "budgets.think")
        self.refused(self.change(verification={"positions": 1000}), "verification.positions")


class Rollouts(PackTest):
    def setUp(self):
        super().setUp()
        self.questions = self.folder / "questions.jsonl"
        self.questions.write_text(
            "".join(json.dumps({"question": f"{i}+2?", "answer": f"#### {i + 2}"}) + "\n" for i in range(6))
        )

    def run_with(self, command, pack, *arguments, output="out.json", **options):
        out = self.folder / output
        flag = {"eval": "--json", "sample": "--out"}[command]
        run = [command, "-q", "-m", self.tiny_model(), "--data", self.questions, "--samples", 2, flag, out]
        return self.pith(*run, *(["--pack", pack] if pack else []), *arguments, **options), out

    def results(self, *arguments):
        process, out = self.run_with("eval", self.tiny_pack(), *arguments, output=f"{arguments}.json")
        self.assert_ok(process)
        return json.loads(out.read_text())

    def test_eval_asks_as_ask_does(self):
        tokens = {}
        for think in ("auto", "on", "off"):
            report = self.results("--think", think)
            tokens[think] = [[s["tokens"] for s in r["samples"]] for r in report["results"]]
        self.assertNotEqual(tokens["on"], tokens["off"])
        for auto, on, off in zip(tokens["auto"], tokens["on"], tokens["off"]):
            self.assertIn(auto, (on, off))

    def test_eval_keeps_the_scores_that_ask_gives(self):
        report = self.results("--think", "on")
        first = report["results"][0]["samples"]
        asked = self.json("ask", "-m", self.tiny_model(), "--pack", self.tiny_pack(), "--think", "on", "-n", 2,
                          "--all-branches", "0+2?")  # fmt: skip
        for name in ("answer", "tokens", "score", "confidence", "verifier_score"):
            self.assertEqual([s[name] for s in first], [b[name] for b in asked["branches"]], name)
        self.assertEqual(set(report["weighted_at"]), {"confidence", "verifier"})
        self.assertEqual(report["vote"]["rule"], "verifier")
        self.assertEqual(report["left_out"], [])
        process, out = self.run_with("eval", self.change(vote="confidence"), "--think", "on", output="own")
        self.assert_ok(process)
        self.assertEqual(json.loads(out.read_text())["vote"]["rule"], "confidence")

    def test_what_the_switcher_is_worth(self):
        runs = {think: self.results("--think", think) for think in ("off", "on", "auto")}
        for think, count in (("off", 0), ("on", 12)):
            self.assertEqual(runs[think]["thinking"], count)
        shown = [[s["think_probability"] for r in run["results"] for s in r["samples"]] for run in runs.values()]
        self.assertEqual(shown[0], shown[1])
        self.assertEqual(shown[0], shown[2])
        files = [self.folder / f"{('--think', think)}.json" for think in ("off", "on")]
        out, page = self.folder / "compared.json", self.folder / "compared.html"
        process = self.pith("eval", "--compare", *files, "--json", out, "--report", page)
        self.assert_ok(process)
        self.assertIn("by the switcher", page.read_text())
        self.assertIn("share that reasons", page.read_text())
        self.assertIn("share that reasons, by the switcher", process.out)
        curve = json.loads(out.read_text())["routing"]
        self.assertEqual([point["share"] for point in curve][::10], [0, 1])
        self.assertEqual(curve[0]["accuracy"], runs["off"]["pass_at_1"]["value"])
        self.assertEqual(curve[-1]["accuracy"], runs["on"]["pass_at_1"]["value"])
        thresholds = [point["threshold"] for point in curve]
        self.assertEqual(thresholds, sorted(thresholds, reverse=True))

    def test_samples_say_who_reasoned(self):
        shown = self.results("--think", "auto")
        process, out = self.run_with("sample", self.tiny_pack(), "--think", "auto", output="samples.jsonl")
        self.assert_ok(process)
        for line in map(json.loads, out.read_text().splitlines()[1:]):
            sample = shown["results"][line["question"]]["samples"][line["sample"]]
            self.assertEqual(line["think_probability"], sample["think_probability"])
            self.assertIs(line["thinking"], line["think_probability"] >= 0.5)

    def test_budgets(self):
        self.assertNotEqual(self.results("--think", "on"), self.results("--think", "on", "--budget", 3))

    def test_a_run_goes_on_with_the_same_pack_alone(self):
        for command in ("eval", "sample"):
            self.assert_ok(self.run_with(command, self.tiny_pack(), output=command)[0])
            self.assert_ok(self.run_with(command, self.tiny_pack(), "--samples", 3, output=command)[0])
            changed = self.change(thresholds={"think": 0.25})
            self.assert_fails(self.run_with(command, changed, output=command)[0], 2, "pack_sha256")
            self.assert_fails(self.run_with(command, None, output=command)[0], 2, "pack_sha256")

    def test_think_without_a_pack(self):
        for think in ("auto", "on", "off"):
            self.assert_ok(self.run_with("eval", None, "--think", think, output=think)[0])
        self.assert_fails(self.run_with("eval", None, "--think", "off", output="on")[0], 2, "think")


class ShowPack(PackTest):
    def test_text(self):
        process = self.pith("show", self.tiny_pack())
        self.assert_ok(process)
        for line in (
            r"^pack +random$",
            r"^for +tiny, sha256 [0-9a-f]{12}\.\.\.$",
            r"^adapter +adapter, switched on at the assistant's header$",
            r"^switcher +8 hidden units, reasons from a probability of 0\.5$",
            r"^verifier +reads 14 bytes of prompt with the base model",
            r"^budgets +24 tokens with reasoning, 12 without$",
            r"^calibration +votes by verifier \(2 points\)$",
            r"^results +gsm8k test: 75\.0 % \(72\.0 to 78\.0\) of 1319, mode on, 8 branches, vote",
        ):
            self.assertRegex(process.out, "(?m)" + line)

    def test_json(self):
        shown = self.json("show", self.tiny_pack())
        file = json.loads((self.tiny_pack() / "pack.json").read_text())
        self.assertEqual({key: shown[key] for key in file}, file)

    def test_by_name(self):
        self.home.mkdir()
        shutil.copytree(self.tiny_pack(), self.home / "packs" / "maths")
        self.assertEqual(self.json("show", "maths")["name"], "random")

    def test_flaws(self):
        self.assert_fails(self.pith("show", self.change(unknown=1)), 1, "unknown")
        self.assert_fails(self.pith("show", self.folder), 1, "no reasoning pack")


if __name__ == "__main__":
    main()
