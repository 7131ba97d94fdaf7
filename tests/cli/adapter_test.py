"""`--adapter` of the commands that talk to a model."""

from pathlib import Path

from python_case import main
from tiny_case import TinyTest

ADAPTERS = Path(__file__).parents[1] / "data/adapters"
QUESTION = ["What is 2+2?", "--temperature", 0, "--budget", 8, "-t", 2]


class Adapter(TinyTest):
    def ask(self, *arguments):
        return self.json("ask", "-m", self.tiny_model("qwen3"), *QUESTION, *arguments)

    def test_it_writes_the_answer_over_the_same_prompt(self):
        base = self.ask()
        adapted = self.ask("--adapter", ADAPTERS / "qwen3")
        self.assertNotEqual(adapted["text"], base["text"])
        self.assertEqual(adapted["usage"]["prompt_tokens"], base["usage"]["prompt_tokens"])
        for precision in ("f32", "f16", "int8", "int4"):
            self.ask("--adapter", ADAPTERS / "qwen3", "--adapter-precision", precision)

    def test_chat_takes_one(self):
        model = ["chat", "-q", "-m", self.tiny_model("qwen3"), "--temperature", 0, "--tokens", 8]
        base = self.pith(*model, input="hello\n")
        adapted = self.pith(*model, "--adapter", ADAPTERS / "qwen3", input="hello\n")
        self.assert_ok(base)
        self.assert_ok(adapted)
        self.assertNotEqual(adapted.out, base.out)

    def test_invocation_tokens_that_the_prompt_lacks(self):
        process = self.pith(
            "ask", "-m", self.tiny_model("qwen2"), *QUESTION, "--adapter", ADAPTERS / "qwen2"
        )
        self.assert_fails(process, 2, "switched on by the tokens [25, 98]")

    def test_adapters_of_another_model(self):
        process = self.pith(
            "ask", "-m", self.tiny_model("qwen2"), *QUESTION, "--adapter", ADAPTERS / "qwen3"
        )
        self.assert_fails(process, 1, "an adapter for another model")

    def test_what_is_no_adapter(self):
        model = ["ask", "-m", self.tiny_model("qwen2"), *QUESTION, "--adapter"]
        self.assert_fails(self.pith(*model, self.tiny_model("qwen2")), 1, "not an adapter")
        self.assert_fails(self.pith(*model, self.folder / "none"), 1, "none")
        self.assert_fails(self.pith(*model, self.folder), 1, "is no PEFT adapter")
        self.assert_fails(self.pith(*model, ADAPTERS / "qwen2", "--adapter-precision", "int2"), 2)

    def test_bench_with_a_random_one(self):
        small = ["-p", 20, "-g", 2, "-n", "1,3", "--repeat", 1]
        model = ["bench", "-m", self.tiny_model()]
        rows = self.json(*model, *small, "--adapter-rank", 5)["rows"]
        self.assertEqual([row["adapter_rank"] for row in rows], [5, 5, 5, 5])
        self.assertEqual([row["test"] for row in rows], ["prefill", "switch", "decode", "decode"])
        rows = self.json(*model, *small, "--adapter", ADAPTERS / "qwen2")["rows"]
        self.assertEqual([row["adapter_rank"] for row in rows], [3, 3, 3, 3])
        both = [*model, "--adapter-rank", 5, "--adapter", ADAPTERS / "qwen2"]
        self.assert_fails(self.pith(*both), 2)
        self.assert_fails(self.pith(*model, "--adapter-rank", 5000), 2)


if __name__ == "__main__":
    main()
