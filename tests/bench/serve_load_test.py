"""The arithmetic of bench/serve: what is counted, and what is too little to go by."""

import sys
import unittest
from pathlib import Path

from python_case import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/serve"))
import client  # noqa: E402  (after its folder is known)
import load  # noqa: E402
import questions  # noqa: E402


def answer(sent, arrivals, tokens):
    return client.Answer(sent=sent, arrivals=arrivals, usage={"completion_tokens": tokens})


class Answers(unittest.TestCase):
    def test_times(self):
        one = answer(1, [3, 4, 6], 3)
        self.assertEqual((one.first_s(), one.gaps_s()), (2, [1, 2]))

    def test_tokens_behind_the_end_do_not_count(self):
        self.assertEqual(load.tokens_until(answer(0, [1, 2, 3, 4], 8), end=3), 6)
        self.assertEqual(load.tokens_until(answer(0, [1, 2, 3, 4], 8), end=0.5), 0)
        self.assertEqual(load.tokens_until(answer(0, [], 0), end=3), 0)

    def test_what_is_said_has_no_times(self):
        self.assertEqual(answer(0, [1], 5).said(), answer(7, [9, 10], 5).said())
        self.assertNotEqual(answer(0, [1], 5).said(), answer(0, [1], 6).said())


class Figures(unittest.TestCase):
    def test_summary(self):
        figures = load.summary([5, 1, 4, 2, 3])
        self.assertEqual(figures, {"median": 3, "p95": 5, "longest": 5})
        self.assertEqual(load.summary(range(1, 101))["p95"], 96)
        self.assertIsNone(load.summary([]))

    def test_growth_is_that_of_a_warm_server(self):
        grows_at_first = [(at, min(at, 60) * 1000, 0) for at in range(0, 181)]
        self.assertAlmostEqual(load.memory_report(grows_at_first, 180)["bytes_per_minute"], 0)
        leaks = [(at, at * 1000, 0) for at in range(0, 181)]
        self.assertAlmostEqual(load.memory_report(leaks, 180)["bytes_per_minute"], 60000)
        self.assertEqual(load.memory_report(leaks, 20)["warm_after_s"], 10)


class Requests(unittest.TestCase):
    def test_are_the_same_each_time_and_differ_from_each_other(self):
        requests = questions.make(40, 128)
        self.assertEqual(requests, questions.make(40, 128))
        texts = [request["messages"][-1]["content"] for request in requests]
        self.assertEqual(len(set(texts)), 40)
        lengths = sorted(map(len, texts))
        self.assertLess(lengths[10], 300)
        self.assertGreater(lengths[-3], 2000)
        self.assertEqual(sum("logprobs" in request for request in requests), 10)
        self.assertTrue(all(1 <= request["max_tokens"] <= 128 for request in requests))


if __name__ == "__main__":
    main()
