"""The arithmetic of bench/train: medians, ratios, memory."""

import sys
import unittest
from pathlib import Path

from python_case import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/train"))
import steps  # noqa: E402  (after its folder is known)


class Steps(unittest.TestCase):
    def comparison(self):
        ours = [steps.Run([9, 1, 2, 3], 2e9), steps.Run([9, 4, 4], 3e9)]
        theirs = [steps.Run([90, 6], 5e9), steps.Run([90, 10], 4e9)]
        return steps.Comparison("prompt", 1200, {"pith": ours, "PyTorch": theirs})

    def test_the_first_step_does_not_count(self):
        self.assertEqual(steps.Run([9, 1, 2, 3], 0).step(), 2)

    def test_medians_and_ratios_by_round(self):
        comparison = self.comparison()
        self.assertEqual(comparison.speed("pith"), 400)
        self.assertEqual(comparison.speed("PyTorch"), 150)
        self.assertEqual(comparison.ratios(), [3, 2.5])
        self.assertEqual(comparison.json()["ratio"], 2.75)
        self.assertEqual(comparison.memory("pith"), 3e9)

    def test_the_table_has_all(self):
        text = steps.table([self.comparison()])
        for part in ("pith", "PyTorch", "400.0", "150.0", "3.0 GB", "2.75", "(2.50 to 3.00)"):
            self.assertIn(part, text)

    def test_seconds_of_a_log(self):
        log = "step,loss,seconds\n1,0.5,0.25\n2,0.4,0.125\n"
        self.assertEqual(steps.seconds_of_log(log), [0.25, 0.125])


if __name__ == "__main__":
    main()
