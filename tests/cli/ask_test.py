"""`pith ask`: its answers, its JSON, its seeds and its ends."""

import json
import os
import signal

from python_case import main
from tiny_case import ENDLESS, FAMILIES, MESSAGE, TinyTest

FIELDS = {"answer", "text", "thinking", "confidence", "confidence_kind", "vote", "branches", "usage"}
BRANCH_FIELDS = {
    "answer", "score", "confidence", "verifier_score", "tokens", "finish_reason", "text"
}
TIMING_FIELDS = {"load_s", "prefill_s", "first_token_s", "total_s"}
FINISH_REASONS = {"stop", "budget", "context", "cancelled"}
MOST_CLOSING = 34 + 48  # tokens: what opens a forced answer, in the tiny vocabulary, and the answer


class AskTest(TinyTest):
    def ask(self, *arguments, model="qwen2", **options):
        return self.pith("ask", "-m", self.tiny_model(model), *arguments, **options)

    def answers(self, *arguments, model="qwen2", **options):
        """The JSON without what differs from run to run."""
        result = self.json("ask", "-m", self.tiny_model(model), *arguments, **options)
        for name in ("timing", "speed"):
            del result[name]
        return result


class AskJson(AskTest):
    def test_fields(self):
        for model in FAMILIES:
            result = self.json(
                "ask", "-m", self.tiny_model(model), "-n", 3, "--budget", 40, "--all-branches", "2+2?"
            )
            self.assertLessEqual(FIELDS, result.keys())
            self.assertLessEqual(TIMING_FIELDS, result["timing"].keys())
            self.assertEqual(len(result["branches"]), 3)
            for branch in result["branches"]:
                self.assertEqual(branch.keys(), BRANCH_FIELDS)
                self.assertIn(branch["finish_reason"], FINISH_REASONS)
                self.assertTrue(0 < branch["score"] <= 1)
                self.assertGreater(branch["tokens"], 0)
            self.assertIs(result["thinking"], True)
            self.assertTrue(0 < result["confidence"] <= 1)
            self.assertIn(result["text"], [b["text"] for b in result["branches"]])
            usage = result["usage"]
            self.assertEqual(usage.keys(), {"prompt_tokens", "completion_tokens", "saved_tokens"})
            self.assertEqual(usage["completion_tokens"], sum(b["tokens"] for b in result["branches"]))

    def test_times_fit_together(self):
        timing = self.json("ask", "-m", self.tiny_model(), "-n", 2, "2+2?")["timing"]
        self.assertTrue(all(seconds > 0 for seconds in timing.values()))
        self.assertLess(timing["prefill_s"], timing["first_token_s"])
        self.assertLess(timing["first_token_s"], timing["total_s"])

    def test_votes_are_the_branches(self):
        result = self.json("ask", "-m", self.tiny_model(), "-n", 8, "--all-branches", "2+2?")
        voters = sorted(i for vote in result["votes"] for i in vote["branches"])
        self.assertEqual(voters, list(range(8)))
        self.assertEqual(result["votes"][0]["answer"], result["answer"])
        self.assertEqual(result["votes"][0]["share"], result["confidence"])

    def test_one_line(self):
        process = self.ask("-n", 2, "--budget", 5, "--json", "2+2?")
        self.assertEqual(process.out.count("\n"), 1)

    def test_model_path_that_is_not_utf8(self):
        path = os.fsencode(self.folder) + b"/\xff.gguf"
        os.link(self.tiny_model(), path)
        process = self.pith("ask", "-m", os.fsdecode(path), "-n", 1, "--budget", 1, "--json", "x")
        self.assert_ok(process)
        self.assertTrue(json.loads(process.out)["model"].endswith("/\ufffd.gguf"))


class AskRepeats(AskTest):
    def test_seed(self):
        first = self.answers("-n", 4, "--seed", 7, "2+2?")
        self.assertEqual(first["seed"], 7)
        self.assertEqual(first, self.answers("-n", 4, "--seed", 7, "2+2?"))
        self.assertEqual(first, self.answers("-n", 4, "-s", 7, "2+2?"))
        self.assertNotEqual(first["branches"], self.answers("-n", 4, "-s", 8, "2+2?")["branches"])

    def test_largest_seed(self):
        self.assertEqual(self.answers("-s", 2**64 - 1, "--budget", 2, "2+2?")["seed"], 2**64 - 1)

    def test_threads(self):
        for model in ("qwen2", "qwen3"):
            one = self.answers("-n", 5, "-t", 1, "2+2?", model=model)
            for threads in (2, 3, 7):
                self.assertEqual(one, self.answers("-n", 5, "-t", threads, "2+2?", model=model))

    def test_branches_do_not_depend_on_their_number(self):
        eight = self.answers("-n", 8, "--all-branches", "2+2?")["branches"]
        self.assertEqual(eight[:3], self.answers("-n", 3, "--all-branches", "2+2?")["branches"])
        alone = self.answers("-n", 1, "--temperature", 0.7, "2+2?")["branches"]
        self.assertEqual(eight[:1], alone)
        self.assertEqual(len({branch["text"] for branch in eight}), 8)

    def test_temperature_0_is_the_default_of_one_branch(self):
        alone = self.answers("-n", 1, "2+2?")["branches"][0]
        for branch in self.answers("-n", 3, "--temp", 0, "--all-branches", "2+2?")["branches"]:
            self.assertEqual(branch, alone)
        for cut in (["--top-k", 1], ["--top-p", 0], ["--min-p", 1]):
            self.assertEqual(self.answers("-n", 1, "--temp", 1, *cut, "2+2?")["branches"], [alone])

    def test_cache_formats(self):
        for kind in ("int16", "f16", "int8", "f32"):
            self.assertTrue(self.answers("-n", 2, "--kv", kind, "--budget", 9, "2+2?")["answer"])


class AskQuestion(AskTest):
    ARGUMENTS = ["-n", 2, "--budget", 20]

    def test_ways_to_give_it(self):
        expected = self.answers(*self.ARGUMENTS, "How many?")
        file = self.folder / "question.txt"
        file.write_text("How many?\n\n")
        for arguments, options in (
            (["-p", "How many?"], {}),
            (["--prompt", "How many?"], {}),
            (["--file", file], {}),
            (["-f", file], {}),
            (["-p", "Another?", "-p", "How many?"], {}),
            ([], {"input": "How many?\n"}),
            (["-"], {"input": "How many? \r\n"}),
            (["--", "How many?"], {}),
        ):
            self.assertEqual(expected, self.answers(*self.ARGUMENTS, *arguments, **options))

    def test_that_begins_with_a_dash(self):
        self.assert_ok(self.ask(*self.ARGUMENTS, "--", "-3 + 5 = ?"))

    def test_system_prompt(self):
        plain = self.answers(*self.ARGUMENTS, "How many?")
        short = self.answers(*self.ARGUMENTS, "How many?", "--system", "")
        self.assertLess(short["usage"]["prompt_tokens"], plain["usage"]["prompt_tokens"])
        self.assertIs(short["thinking"], False)
        own = self.answers(*self.ARGUMENTS, "How many?", "--system", "Be kind.")
        self.assertEqual(own, self.answers(*self.ARGUMENTS, "How many?", "-sys", "Be kind."))
        self.assertNotEqual(own["usage"], plain["usage"])

    def test_kinds_of_answers(self):
        texts = set()
        for kind in ("number", "choice", "yes-no"):
            result = self.answers("-n", 4, "--answer", kind, "Is it so?")
            self.assertTrue(result["answer"])
            texts.add(result["text"])
        self.assertEqual(len(texts), 3)

    def test_none(self):
        for arguments in ([], ["-"], [""], [" \n"]):
            process = self.ask(*arguments, input="")
            self.assert_fails(process, 2, "the question is empty")

    def test_two(self):
        self.assert_fails(self.ask("one", "two"), 2, "two")
        self.assert_fails(self.ask("one", "-f", "two"), 2, "--file")


class AskText(AskTest):
    def test_branches_votes_answer(self):
        process = self.ask("-n", 3, "--all-branches", "2+2?")
        self.assert_ok(process)
        self.assertEqual(process.err, "")
        expected = self.answers("-n", 3, "--all-branches", "2+2?")
        lines = process.out.splitlines()
        self.assertEqual((lines[0], lines[4]), ("branches", "votes"))
        for number, (line, branch) in enumerate(zip(lines[1:4], expected["branches"]), 1):
            self.assertRegex(line, rf"^ *{number}  .* {branch['tokens']} tokens")
        self.assertRegex(lines[-2], r"^answer: .*\([1-3] of 3 branches, confidence [01]\.\d\d\)$")
        self.assertRegex(lines[-1], r"^prompt \d+ tokens, .* tok/s; answer \d+ tokens in .* load ")

    def test_one_branch_streams_its_text(self):
        process = self.ask("-n", 1, "--budget", 30, "2+2?")
        self.assert_ok(process)
        expected = self.answers("-n", 1, "--budget", 30, "2+2?")
        self.assertEqual(process.out.split("\n\nanswer: ")[0].strip(), expected["text"].strip())
        self.assertNotIn("votes", process.out)

    def test_quiet(self):
        process = self.ask("-q", "-n", 8, "2+2?")
        self.assert_ok(process)
        self.assertEqual((process.out, process.err), (self.answers("-n", 8, "2+2?")["answer"] + "\n", ""))

    def test_quiet_is_one_line_whatever_the_model_writes(self):
        for seed in range(5):
            process = self.ask("-q", "-n", 2, "--budget", 1, "--temp", 3, "-s", seed, "2+2?")
            self.assert_ok(process)
            self.assertRegex(process.out, r"^[^\x00-\x1f\x7f-\x9f]*\n$")


class AskBudget(AskTest):
    def test_one_token_still_yields_an_answer(self):
        for model in FAMILIES:
            for seed in range(3):
                question = ["-s", seed, "--all-branches", "2+2?"]
                result = self.answers("-n", 4, "--budget", 1, *question, model=model)
                self.assertTrue(result["answer"])
                for branch in result["branches"]:
                    self.assertTrue(branch["answer"])
                    self.assertIn("\\boxed{", branch["text"])

    def test_is_kept(self):
        for budget in (1, 7, 50):
            for branch in self.answers("-n", 4, "--budget", budget, "2+2?")["branches"]:
                self.assertLessEqual(branch["tokens"], budget + MOST_CLOSING)

    def test_larger_than_the_context(self):
        result = self.answers("-n", 3, "--budget", 1_000_000, "--temp", 0, "--all-branches", "2+2?")
        self.assertEqual({b["finish_reason"] for b in result["branches"]}, {"context"})
        self.assertTrue(result["answer"])

    def test_one_branch_where_all_would_be_the_same(self):
        branches = self.answers("--temp", 0, "--budget", 4, "2+2?")["branches"]
        self.assertEqual(len(branches), 1)
        branches = self.answers("--temp", 0, "-n", 2, "--budget", 4, "2+2?")["branches"]
        self.assertEqual(len(branches), 2)

    def test_least_context(self):
        """One token less than the least that a prompt and an answer need is refused."""
        prompt = self.answers("-n", 1, "--budget", 1, "2+2?")["usage"]["prompt_tokens"]
        least = prompt + 1 + MOST_CLOSING
        refused = self.ask("-n", 1, "-c", least - 1, "2+2?")
        self.assert_fails(refused, 1, "the prompt is too long")
        self.assertEqual(refused.out, "")
        self.assertTrue(self.answers("-n", 4, "-c", least, "2+2?")["answer"])


class AskStopsEarly(AskTest):
    """At temperature 0 all branches agree; one at a time, each may be the last."""

    ONE_BY_ONE = ["--temp", 0, "--budget", 20, "--parallel", 1]

    def reasons(self, *arguments):
        result = self.answers(*self.ONE_BY_ONE, *arguments, "2+2?")
        return result, [branch["finish_reason"] for branch in result["branches"]]

    def test_once_the_vote_is_decided(self):
        full, _ = self.reasons("-n", 5, "--all-branches")
        self.assertEqual(full["usage"]["saved_tokens"], 0)
        early, reasons = self.reasons("-n", 5)
        self.assertEqual(reasons[3:], ["decided"] * 2)
        self.assertEqual(early["answer"], full["answer"])
        self.assertEqual(early["branches"][:3], full["branches"][:3])
        self.assertEqual(early["votes"][0]["branches"], [0, 1, 2])
        for branch in early["branches"][3:]:
            self.assertEqual((branch["answer"], branch["tokens"], branch["text"]), ("", 0, ""))
        usage = early["usage"]
        self.assertEqual(
            usage["completion_tokens"] + usage["saved_tokens"], full["usage"]["completion_tokens"]
        )

    def test_once_the_leader_is_probable(self):
        for threshold, votes in ((0.75, 1), (0.9, 3), (0.95, 4)):
            _, reasons = self.reasons("-n", 32, "--stop-at", threshold)
            self.assertEqual(reasons.count("decided"), 32 - votes)

    def test_text(self):
        out = self.ask(*self.ONE_BY_ONE, "-n", 5, "2+2?").out
        self.assertIn("\n     2 more were not started\n", out)
        self.assertRegex(out, r"\(3 of 5 branches, confidence 1\.00\)\n")
        self.assertRegex(out, r"answer \d+ tokens \(about \d+ saved\) in ")

    def test_places_change_no_branch(self):
        options = ["-n", 6, "--budget", 30, "--all-branches", "2+2?"]
        expected = self.answers(*options)
        for places in (1, 2, 4, 6, 9):
            self.assertEqual(expected, self.answers("--parallel", places, *options))

    def test_votes(self):
        options = ["-n", 6, "--budget", 30, "--all-branches", "2+2?"]
        for rule in ("majority", "confidence"):
            result = self.answers("--vote", rule, *options)
            self.assertEqual((result["vote"], result["confidence_kind"]), (rule, "agreement"))
            weights = [1 if rule == "majority" else b["confidence"] for b in result["branches"]]
            for vote in result["votes"]:
                share = sum(weights[i] for i in vote["branches"]) / sum(weights)
                self.assertAlmostEqual(vote["weight_share"], share)
            self.assertEqual(result["confidence"], result["votes"][0]["weight_share"])
        self.assert_fails(self.ask("--vote", "verifier", "x"), 2, "needs a reasoning pack")

    def test_options_that_do_not_fit(self):
        for value in ("0.5", "1", "x", "nan"):
            self.assert_fails(self.ask("--stop-at", value, "x"), 2, "is not a number from")
        self.assert_fails(self.ask("--stop-at", 0.9, "--all-branches", "x"), 2, "--all-branches")


class AskDeadline(AskTest):
    """What it says and does; no test here depends on how fast the machine is."""

    def test_much_time_is_no_limit(self):
        options = ["-n", 3, "--budget", 30, "--all-branches", "2+2?"]
        free = self.answers(*options)
        timed = self.answers("--deadline", 100_000, *options)
        self.assertIsNone(free.pop("deadline"))
        deadline = timed.pop("deadline")
        self.assertEqual(free, timed)
        self.assertEqual((deadline["branches"], deadline["budget_tokens"]), (3, 30))
        self.assertEqual((deadline["deadline_s"], deadline["kept"]), (100_000, True))
        self.assertGreater(deadline["elapsed_s"], 0)
        self.assertGreater(deadline["planned_s"], 0)
        self.assertTrue(0 < deadline["accuracy"] < 1)

    def test_no_time_still_gives_an_answer(self):
        result = self.answers("--deadline", 0.01, "-n", 3, "2+2?")
        self.assertTrue(result["answer"])
        self.assertEqual(len(result["branches"]), 1)
        self.assertEqual(result["branches"][0]["finish_reason"], "deadline")
        deadline = result["deadline"]
        self.assertEqual((deadline["branches"], deadline["budget_tokens"]), (1, 1))
        self.assertEqual(deadline["kept"], deadline["elapsed_s"] <= 1.05 * 0.01)
        # One branch is asked at temperature 0, whoever decided that it is one.
        self.assertEqual(result["text"], self.answers("-n", 1, "--budget", 1, "2+2?")["text"])

    def test_endless_work_ends_with_an_answer(self):
        # The model would go on for longer than any test may take.
        model = self.endless_model()
        arguments = [*ENDLESS, "--budget", 150_000, "-n", 2, "--deadline", 2, MESSAGE]
        result = self.json("ask", "-m", model, *arguments)
        self.assertTrue(result["answer"])
        for branch in result["branches"]:
            self.assertEqual(branch["finish_reason"], "deadline")

    def test_text(self):
        self.assertRegex(
            self.ask("--deadline", 100_000, "-n", 2, "--budget", 9, "2+2?").out,
            r"\ndeadline 100000 s: answered in \d+\.\d s; planned: 2 branches, 9 tokens\n",
        )
        self.assertRegex(
            self.ask("--deadline", 0.01, "2+2?").out,
            r"\ndeadline 0\.01 s: (missed, )?answered in \d+\.\d s; planned: 1 branch, 1 tokens\n",
        )

    def test_deadlines_that_are_none(self):
        for value in ("0", "-1", "x", "nan", "1e9"):
            self.assert_fails(self.ask("--deadline", value, "x"), 2, "is not a number from")


class AskInterrupted(AskTest):
    def endless(self, *arguments):
        model = self.endless_model()
        return self.start("ask", "-m", model, *ENDLESS, "--budget", 150_000, *arguments, MESSAGE)

    def test_streaming_keeps_what_is_there(self):
        process = self.endless("-n", 1)
        self.assertEqual(process.stdout.read(1), "\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, ""))
        self.assertIn("no branch has answered\nprompt ", out)

    def test_sigterm(self):
        process = self.endless("-n", 1)
        process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    def test_reader_that_goes_away_ends_the_answer(self):
        process = self.endless("-n", 1)
        process.stdout.read(1)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 1)
        self.assertEqual(process.stderr.read(), "")


if __name__ == "__main__":
    main()
