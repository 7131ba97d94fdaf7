"""The Python package: against the C header, the commands, and what users get wrong."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests" / "cli")]

import pith  # noqa: E402
from pith import _library  # noqa: E402
from python_case import main  # noqa: E402
from tiny_case import TinyTest  # noqa: E402

SHORT = {"branches": 3, "budget_tokens": 12, "temperature": 0.9, "seed": 7, "all_branches": True}


class Package(TinyTest):
    def model(self, **options):
        options = {"threads": 2, "load_threads": 2, **options}
        model = pith.Model(str(self.tiny_model()), **options)
        self.addCleanup(model.close)
        return model

    def test_layouts_are_those_of_the_header(self):
        lines = ['#include "pith/pith.h"']
        for name, struct in _library.STRUCTS.items():
            lines.append(f"_Static_assert(sizeof({name}) == {_library.ctypes.sizeof(struct)}, \"\");")
            for field, *_ in struct._fields_:
                offset = getattr(struct, field).offset
                lines.append(f'_Static_assert(offsetof({name}, {field}) == {offset}, "{field}");')
        source = "\n".join(lines)
        command = ["cc", "-x", "c", "-fsyntax-only", f"-I{ROOT / 'include'}", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        header = (ROOT / "include/pith/pith.h").read_text()
        for name in _library.FUNCTIONS:
            self.assertIn(f"{name}(", header)

    def test_model(self):
        with self.model() as model:
            self.assertEqual(model.info.architecture, "qwen2")
            self.assertEqual(model.info.vocabulary, 320)
            ids = model.tokenize("hello \N{GRINNING FACE}")
            self.assertEqual(model.detokenize(ids), "hello \N{GRINNING FACE}".encode())
            special = model.tokenize("<|im_end|>", parse_special=True)
            self.assertEqual(len(special), 1)
            self.assertEqual(model.detokenize(special), b"")
            self.assertEqual(model.detokenize(special, show_special=True), b"<|im_end|>")
        with self.assertRaisesRegex(ValueError, "closed"):
            model.tokenize("a")
        with self.assertRaisesRegex(ValueError, "closed"):
            model.ask("2+2?")
        self.assertEqual(pith.version(), self.pith("--version").out.split()[1])

    def test_ask_is_pith_ask(self):
        flags = ["-n", 3, "--budget", 12, "--temperature", 0.9, "--seed", 7, "--all-branches"]
        told = self.json("ask", "-m", self.tiny_model(), *flags, "2+2?")
        answer = self.model().ask("2+2?", **SHORT)
        self.assertEqual(answer.answer, told["answer"])
        self.assertEqual(str(answer), told["answer"] or "")
        self.assertEqual(answer.text, told["text"])
        self.assertEqual(answer.confidence, told["confidence"])
        self.assertEqual(answer.thinking, told["thinking"])
        self.assertEqual(answer.prompt_tokens, told["usage"]["prompt_tokens"])
        self.assertEqual(answer.completion_tokens, told["usage"]["completion_tokens"])
        self.assertEqual(len(answer.branches), 3)
        for branch, other in zip(answer.branches, told["branches"]):
            self.assertEqual(branch.text, other["text"])
            self.assertEqual(branch.tokens, other["tokens"])
            self.assertEqual(branch.finish_reason, other["finish_reason"])
            self.assertEqual(branch.answer, other["answer"] or None)
            self.assertAlmostEqual(branch.score, other["score"])
        votes = [(vote.answer, list(vote.branches)) for vote in answer.votes]
        self.assertEqual(votes, [(vote["answer"], vote["branches"]) for vote in told["votes"]])

    def test_pack(self):
        model = self.model(pack=str(self.tiny_pack()))
        answer = model.ask("2+2?", **SHORT)
        self.assertEqual(answer.vote, "verifier")
        self.assertGreaterEqual(answer.think_probability, 0)
        self.assertGreaterEqual(answer.branches[0].verifier_score, 0)

    def test_events(self):
        events = []
        answer = self.model().ask("2+2?", on_event=events.append, **SHORT)
        kinds = [event.kind for event in events]
        self.assertEqual(kinds[0], "prompt")
        self.assertEqual(kinds.count("start"), 1)
        self.assertEqual(kinds.count("finish"), 3)
        for number, branch in enumerate(answer.branches):
            texts = [e.text for e in events if e.kind == "text" and e.branch == number]
            self.assertEqual("".join(texts), branch.text)

        def fail(event):
            raise KeyError(event.kind)

        model = self.model()
        with self.assertRaisesRegex(KeyError, "prompt"):
            model.ask("2+2?", on_event=fail, **SHORT)

    def test_chat_and_generate(self):
        model = self.model()
        options = {"most_tokens": 10, "temperature": 0}
        messages = [("system", "Be brief."), ("user", "hello there")]
        stream = model.chat_stream(messages, **options)
        pieces = list(stream)
        self.assertEqual("".join(pieces), stream.reply.text)
        messages += [("assistant", stream.reply.text), ("user", "and more")]
        second = model.chat(messages, **options)
        self.assertGreaterEqual(second.reused_tokens, stream.reply.prompt_tokens)
        with model.generate_stream("once", **options) as text:
            written = "".join(text)
        self.assertEqual(written, model.generate("once", **options).text)
        self.assertEqual(text.reply.finish_reason, "budget")

    def test_leaving_a_stream_ends_it(self):
        model = pith.Model(str(self.endless_model()), context_tokens=200_000)
        self.addCleanup(model.close)
        stream = model.generate_stream("once", temperature=0)
        next(stream)
        stream.close()
        self.assertIsNone(stream.reply)
        self.assertEqual(model.generate("once", most_tokens=2, temperature=0).reply_tokens, 2)

    def test_sessions_side_by_side(self):
        model = self.model()
        alone = model.ask("2+2?", **SHORT)
        sessions = [model.session(threads=1) for _ in range(2)]
        answers = []
        threads = [
            threading.Thread(target=lambda s=session: answers.append(s.ask("2+2?", **SHORT)))
            for session in sessions
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([a.branches for a in answers], [alone.branches] * 2)
        for session in sessions:
            session.close()

    def test_misuse(self):
        with self.assertRaises(pith.Error) as caught:
            pith.Model(str(self.folder / "none.gguf"))
        self.assertEqual(caught.exception.status, "not_found")
        self.assertIn("no such file", str(caught.exception))
        model = self.model()
        for options, words in (
            ({"branches": 0}, "branches is 0"),
            ({"temperature": float("nan")}, "temperature"),
            ({"vote": "verifier"}, "needs a reasoning pack"),
        ):
            with self.assertRaisesRegex(pith.Error, words) as caught:
                model.ask("2+2?", **options)
            self.assertEqual(caught.exception.status, "usage")
        for options, words in (
            ({"branches": 1 << 40}, "branches cannot be"),
            ({"seed": -1}, "seed cannot be"),
            ({"vote": "anything"}, "none of default, majority"),
            ({"system": "a\0b"}, "zero character"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                model.ask("2+2?", **options)
        with self.assertRaises(TypeError):
            model.ask("2+2?", no_such_option=1)
        with self.assertRaisesRegex(ValueError, "role is 'nobody'"):
            model.chat([("nobody", "hm")])
        with self.assertRaisesRegex(pith.Error, "no messages"):
            model.chat([])
        with self.assertRaisesRegex(ValueError, "beyond"):
            model.detokenize([1 << 40])

    def test_interrupt(self):
        program = f"""
            import pith, threading
            model = pith.Model({str(self.endless_model())!r}, context_tokens=200_000)
            try:
                threading.Timer(0.3, print, ["ready"], {{"flush": True}}).start()
                model.generate("once", temperature=0)
            except KeyboardInterrupt:
                reply = model.generate("once", temperature=0, most_tokens=3)
                print("stopped", reply.reply_tokens)
        """
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=60)[0], "stopped 3\n")
        self.assertEqual(process.returncode, 0)

    def test_no_library(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PITH_LIBRARY": "/no/lib.so"}
        done = subprocess.run(
            [sys.executable, "-c", "import pith; pith.version()"],
            capture_output=True,
            text=True,
            env=environment,
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("name its library with PITH_LIBRARY", done.stderr)


if __name__ == "__main__":
    main()
