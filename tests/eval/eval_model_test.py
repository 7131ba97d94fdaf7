"""pith eval with a real model, one that knows a little."""

import json
import unittest

from python_case import PithTest, main

MODEL = "smollm2-135m"
QUESTIONS = [("What is the capital of France? A. Rome B. Paris", "B", "choice"),
             ("Is fire cold?", "no", "yes-no"),
             ("What is 2 + 3?", 5, "number"),
             ("What is 10 - 4?", 6, "number")]  # fmt: skip


class RealModel(PithTest):
    def setUp(self):
        super().setUp()
        self.use_installed_models()
        listing = json.loads(self.pith("list", "--json").out)
        if not any(m["name"] == MODEL and m["installed"] for m in listing["models"]):
            self.skipTest(f"{MODEL} is not here")
        self.data = self.folder / "data.jsonl"
        rows = [{"question": q, "answer": a, "kind": k} for q, a, k in QUESTIONS]
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def eval(self, parallel):
        out = self.folder / f"{parallel}.json"
        self.assert_ok(
            self.pith("eval", "-m", MODEL, "--task", "jsonl", "--data", self.data, "--samples", 4,
                      "--greedy", "--budget", 48, "--parallel", parallel, "--json", out)
        )  # fmt: skip
        return json.loads(out.read_text())

    def test_real_samples_do_not_depend_on_the_batch(self):
        one, many = self.eval(1), self.eval(16)
        self.assertEqual(one["results"], many["results"])
        self.assertGreater(many["pass_at"]["4"]["value"], 0)


if __name__ == "__main__":
    main()
