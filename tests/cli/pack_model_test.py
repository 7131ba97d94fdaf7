"""The packs of this project (packs/), with the models of the store that they are made for."""

import json
from pathlib import Path

from python_case import PithTest, main

ROOT = Path(__file__).parents[2]
PACKS = sorted(path for path in (ROOT / "packs").iterdir() if path.is_dir())
MOST_BYTES = 20_000_000
QUESTION = "Tom has 3 boxes of 12 apples. He eats 4 apples and sells half of the rest. How many are left?"


class ShippedPacks(PithTest):
    def setUp(self):
        super().setUp()
        self.use_installed_models()

    def test_each_is_small_and_says_what_it_is_worth(self):
        self.assertTrue(PACKS)
        models = json.loads((ROOT / "models/registry.json").read_text())["models"]
        for path in PACKS:
            files = [file for file in path.rglob("*") if file.is_file()]
            self.assertLess(sum(file.stat().st_size for file in files), MOST_BYTES)
            process = self.pith("show", path, "--json")
            self.assert_ok(process)
            pack = json.loads(process.out)
            self.assertEqual(pack["name"], path.name)
            (base,) = (model for model in models if model["name"] == pack["base"]["name"])
            self.assertIn(pack["base"]["sha256"], [file.get("sha256") for file in base["files"]])
            self.assertTrue(pack["results"])

    def ask(self, pack, *arguments):
        model = json.loads((pack / "pack.json").read_text())["base"]["name"]
        process = self.pith("ask", "-m", model, "--json", *arguments)
        self.assert_ok(process)
        return json.loads(process.out)

    def test_each_answers_and_thinks_shorter_than_its_base(self):
        for path in PACKS:
            tokens = []
            for arguments in (("--pack", path, "--think", "on"), ()):
                branches = self.ask(path, *arguments, "-n", 4, "--budget", 300, QUESTION)["branches"]
                self.assertTrue(any(branch["answer"] for branch in branches))
                tokens.append(sum(branch["tokens"] for branch in branches))
            self.assertLess(tokens[0], tokens[1])

    def test_switchers_reason_over_sums_and_not_over_chat(self):
        with_switcher = [path for path in PACKS if (path / "switcher.safetensors").exists()]
        self.assertTrue(with_switcher)
        for path in with_switcher:
            for question, reasons in ((QUESTION, True), ("What is the capital of France?", False)):
                answer = self.ask(path, "--pack", path, "-n", 1, "--budget", 40, question)
                self.assertEqual(answer["thinking"], reasons, question)


if __name__ == "__main__":
    main()
