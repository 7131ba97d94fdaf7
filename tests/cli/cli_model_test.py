"""The commands with a real model of the store."""

import json
from pathlib import Path

from python_case import PithTest, main

MODEL = "smollm2-135m"
QUESTION = "Tom has 3 apples and buys 4 more. How many apples does he have?"
ENGLISH = Path(__file__).parents[2] / "LICENSE"


class RealModel(PithTest):
    def setUp(self):
        super().setUp()
        self.use_installed_models()
        models = json.loads(self.pith("list", "--json").out)["models"]
        if not any(m["installed"] for m in models if m["name"] == MODEL):
            self.fail(f"run ./check, or: pith pull {MODEL}")

    def json(self, command, *arguments):
        process = self.pith(command, "-m", MODEL, "--json", *arguments)
        self.assert_ok(process)
        return json.loads(process.out)

    def test_ask(self):
        results = [
            self.json("ask", "-n", branches, "--budget", 48, "-t", threads, "--temp", 0.7, QUESTION)
            for branches, threads in ((4, 1), (4, 2), (1, 2))
        ]
        for result in results:
            self.assertEqual(result["model"], MODEL)
            self.assertTrue(all(branch["answer"] for branch in result["branches"]))
        first, threads, alone = (result["branches"] for result in results)
        self.assertEqual(first, threads)
        self.assertEqual(first[:1], alone)

    def test_answers_in_english(self):
        """Nonsense would be garbage in most bytes."""
        text = self.json("ask", "-n", 1, "--budget", 60, QUESTION)["text"]
        self.assertIn("apples", text)
        self.assertTrue(text.isascii())

    def test_chat_reads_each_turn_once(self):
        lines = "My name is Ada.\n/stats\nWhat is my name?\n/stats\n"
        process = self.pith("chat", "-m", MODEL, "--temp", 0, "--tokens", 24, input=lines)
        self.assert_ok(process)
        read = [int(line.split()[1]) for line in process.out.splitlines() if line.startswith("read ")]
        self.assertLess(read[1] - read[0], 20)
        self.assertIn("Ada", process.out)

    def test_perplexity_of_english(self):
        result = self.json("perplexity", "-f", ENGLISH, "-c", 256, "--windows", 2)
        self.assertEqual(result["tokens"], 2 * 127)
        self.assertTrue(10 < result["perplexity"] < 25, result)

    def test_bench(self):
        result = self.json("bench", "-p", 64, "-g", 4, "-n", "1,4", "--repeat", 1)
        self.assertEqual([row["branches"] for row in result["rows"]], [1, 1, 4])
        self.assertGreater(result["load_s"], 0)


if __name__ == "__main__":
    main()
