"""The arithmetic of bench/peers: medians, ratios, and shares of the machine's limits."""

import sys
import unittest
from pathlib import Path

from python_case import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/peers"))
import table  # noqa: E402  (after its folder is known)

EMBEDDING = {"name": "token_embd.weight", "shape": [10, 100], "bytes": 500}
NORM = {"name": "blk.0.attn_norm.weight", "shape": [10], "bytes": 40}
BLOCK = {"name": "blk.0.ffn_up.weight", "shape": [10, 30], "bytes": 200}
HEAD = {"name": "output.weight", "shape": [10, 100], "bytes": 800}


def facts(*tensors):
    return {"tensors": tensors, "memory": {"kv_bytes_per_token": 4}}


def limits(memory, int8):
    return {"memory": {"all_threads": memory}, "int8": {"all_threads": int8}}


def run(prefill, decode, **more):
    rows = [
        {"test": "prefill", "branches": 1, "tokens_per_second": prefill},
        {"test": "decode", "branches": 8, "tokens_per_second": decode},
    ]
    return {"rows": rows, **more}


def report(ours, theirs):
    options = {"prompt": 512, "generate": 32, "threads": 2, "rounds": 3, "branches": [8]}
    machine = {"machine": {"cpu": "a machine", "isa": "avx2"}}
    figures = {
        "limits": [limits(1e-6, 0.5e-3), limits(2e-6, 0.25e-3)],
        "runs": {
            "pith": [run(*speeds, **machine) for speeds in ours],
            "peer": [run(*speeds, version="peer 1") for speeds in theirs],
        },
    }
    return table.Report("a model", facts(EMBEDDING, NORM, BLOCK, HEAD), options, figures)


class Work(unittest.TestCase):
    def test_embedding_is_not_read_whole_unless_it_is_the_head(self):
        untied = table.Work(facts(EMBEDDING, NORM, BLOCK, HEAD))
        self.assertEqual((untied.weight_bytes, untied.head_weights), (1000, 1000))
        tied = table.Work(facts(EMBEDDING, NORM, BLOCK))
        self.assertEqual((tied.weight_bytes, tied.head_weights), (700, 1000))

    def test_prefill_and_step(self):
        work = table.Work(facts(EMBEDDING, NORM, BLOCK, HEAD))
        self.assertEqual(work.prefill(512), (1000, 512 * 300 + 1000))
        # The prompt's cache once, and half of what eight branches will have written.
        self.assertEqual(work.step(8, 512, 32), (1000 + 4 * (512 + 8 * 16), 8 * 1300))


class Bound(unittest.TestCase):
    def test_the_slower_of_memory_and_arithmetic(self):
        limit = {"memory": 10, "int8": 100}
        self.assertEqual(table.bound((20e9, 50e9), limit), (2, "memory"))
        self.assertEqual(table.bound((5e9, 100e9), limit), (2, "int8"))
        self.assertEqual(table.bound((5e9, 100e9), {"memory": 10}), (0.5, "memory"))

    def test_limits_are_the_best_of_all_rounds(self):
        rounds = [limits(10, 200), limits(20, 100)]
        self.assertEqual(table.best_limits(rounds), {"memory": 20, "int8": 200})


class Report(unittest.TestCase):
    def test_medians_and_ratios(self):
        rows = report([(8, 6), (100, 9), (10, 3)], [(5, 2), (5, 2), (1, 2)]).rows
        ours = [row["engines"]["pith"]["tokens_per_second"] for row in rows]
        theirs = [row["engines"]["peer"]["tokens_per_second"] for row in rows]
        self.assertEqual((ours, theirs), ([10, 6], [5, 2]))

    def test_shares(self):
        # At most 5e5 operations a second: 0.6184 s for the prompt of 512.
        prefill, decode = report([(1, 1)], [(1, 1)]).rows
        self.assertEqual(prefill["bound_by"], "int8")
        self.assertAlmostEqual(prefill["limit_tokens_per_second"], 512 / 0.6184)
        self.assertAlmostEqual(prefill["engines"]["pith"]["share_of_limit"], 0.6184 / 512)
        # At most 2000 bytes a second: 1.78 s for 3560 bytes of a step.
        self.assertEqual(decode["bound_by"], "memory")
        self.assertAlmostEqual(decode["limit_tokens_per_second"], 8 / 1.78)

    def test_text(self):
        lines = report([(10, 6)], [(5, 0.5)]).text().splitlines()
        cells = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if "|" in line]
        self.assertEqual(cells[0][3:], ["pith", "share", "peer", "share", "ratio"])
        self.assertEqual(cells[2][3:], ["10.0", "1%", "5.0", "1%", "2.00"])
        self.assertEqual(cells[3][3:], ["6.0", "134%", "0.5", "11%", "12.00"])
        self.assertIn("peer 1", lines[1])

    def test_a_peer_without_a_test(self):
        figures = report([(10, 6)], [(5, 0.5)])
        figures.figures["runs"]["peer"][0]["rows"].pop()
        again = table.Report("a model", facts(BLOCK, HEAD), figures.options, figures.figures)
        self.assertEqual(again.cells(again.rows[-1], ["peer"])[-3:], ["-", "-", "-"])


if __name__ == "__main__":
    main()
