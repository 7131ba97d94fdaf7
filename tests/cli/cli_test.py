"""What a user can get wrong on the command line, and what each command prints."""

import json
import os
import shutil
import subprocess
import unittest

from python_case import PITH, PithTest, main
from tiny_case import FAMILIES, TinyTest

COMMANDS = ("ask", "bench", "chat", "eval", "list", "perplexity", "pull", "rm", "sample", "serve", "show", "tokenize")
# The commands that open a model given by -m.
MODEL_COMMANDS = {
    "ask": ["question"],
    "bench": [],
    "perplexity": ["--file", os.devnull],
    "serve": ["--port", "0"],
    "tokenize": [],
}


class Usage(PithTest):
    def test_help_of_every_command(self):
        for command in COMMANDS:
            process = self.pith(command, "--help")
            self.assert_ok(process)
            self.assertIn("--help", process.out)
        self.assert_ok(self.pith("--help"))

    def test_version(self):
        self.assertRegex(self.pith("--version").out, r"^pith \d+\.\d+\.\d+\n$")

    def test_no_command(self):
        self.assert_fails(self.pith(), 2, "pith --help")

    def test_unknown_command(self):
        self.assert_fails(self.pith("pul"), 2, "pul")

    def test_unknown_flag(self):
        for command in COMMANDS:
            self.assert_fails(self.pith(command, "--no-such-flag"), 2, f"pith {command} --help")

    def test_train_is_a_program_of_its_own(self):
        alone = self.folder / "pith"
        shutil.copy(PITH, alone)
        process = subprocess.run(
            [alone, "train", "sft", "--help"], capture_output=True, text=True, env=self.environment
        )
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stdout, "")
        self.assertRegex(process.stderr, r"^pith: there is no .*/pith-train; .*setup --train.*\n$")

    def test_missing_argument(self):
        for command in ("pull", "rm", "show"):
            self.assert_fails(self.pith(command), 2)

    def test_control_characters_stay_out_of_messages(self):
        self.assert_fails(self.pith("pull", "\x1b[31mred\nline"), 1, "\\x1b[31mred\\x0aline")
        self.assert_fails(self.pith("list", "\x1b[31m"), 2, "\\x1b")

    def test_invalid_utf8(self):
        self.assert_fails(self.pith("show", b"\xff\xfe".decode(errors="surrogateescape")), 1, "\\xff")


class Output(PithTest):
    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            process = subprocess.run(
                [PITH, "list"], stdout=full, stderr=subprocess.PIPE, text=True, env=self.environment
            )
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr.count("\n"), 1)
        self.assertIn("cannot write to standard output", process.stderr)

    def test_reader_that_goes_away(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = subprocess.run(
            [PITH, "list"], stdout=write_end, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        os.close(write_end)
        self.assertEqual((process.returncode, process.stderr), (1, ""))

    def test_no_colour_in_a_pipe(self):
        self.environment["TERM"] = "xterm-256color"
        for arguments in (["show", "nothing"], ["list"]):
            process = self.pith(*arguments)
            self.assertNotIn("\x1b", process.out + process.err)

    def test_colour_on_a_terminal(self):
        self.environment["TERM"] = "xterm-256color"
        self.assertIn("\x1b[1;31mpith: ", self.error_on_terminal())
        for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
            previous = self.environment.get(name)
            self.environment[name] = value
            self.assertNotIn("\x1b", self.error_on_terminal())
            self.environment[name] = previous or ""

    def error_on_terminal(self):
        import pty

        terminal, child = pty.openpty()
        process = subprocess.run([PITH, "show", "nothing"], stderr=child, env=self.environment)
        os.close(child)
        text = os.read(terminal, 4096).decode()
        os.close(terminal)
        self.assertEqual(process.returncode, 1)
        return text


class Models(TinyTest):
    def model_commands(self, model):
        yield self.pith("show", model)
        for command, arguments in MODEL_COMMANDS.items():
            yield self.pith(command, "-m", model, *arguments)

    def assert_all_fail(self, model, *fragments, status=1):
        for process in self.model_commands(model):
            self.assert_fails(process, status, *fragments)
            self.assertEqual(process.out, "")

    def test_unknown_model(self):
        self.assert_all_fail("no-such-model", "unknown model 'no-such-model'")

    def test_close_name(self):
        self.assert_all_fail("qwen2.5-coder-1.5", "did you mean qwen2.5-coder-1.5b")

    def test_known_model_that_is_not_here(self):
        self.assert_all_fail("smollm2-135m", "run: pith pull smollm2-135m")

    def test_missing_file(self):
        self.assert_all_fail("./nothing", "no such file: ./nothing")
        self.assert_all_fail("nothing.gguf", "no such file: nothing.gguf")

    def test_folder(self):
        self.assert_all_fail(str(self.folder), str(self.folder))

    def test_empty_file(self):
        path = self.folder / "empty.gguf"
        path.touch()
        self.assert_all_fail(path, str(path))

    def test_foreign_file(self):
        path = self.folder / "foreign.gguf"
        path.write_bytes(b"\x7fELF" + bytes(range(256)) * 16)
        self.assert_all_fail(path, str(path))

    def test_truncated_file(self):
        whole = self.tiny_model().read_bytes()
        for length in (3, 20, 500, len(whole) // 2, len(whole) - 1):
            path = self.folder / "cut.gguf"
            path.write_bytes(whole[:length])
            self.assert_all_fail(path, str(path))

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_unreadable_file(self):
        path = self.folder / "secret.gguf"
        path.write_bytes(self.tiny_model().read_bytes())
        path.chmod(0)
        self.assert_all_fail(path, "Permission denied")

    def test_bad_registry(self):
        path = self.folder / "registry.json"
        path.write_text('{"models": 3}')
        self.environment["PITH_REGISTRY"] = str(path)
        self.assert_fails(self.pith("list"), 1, str(path), "models")
        self.assert_fails(self.pith("pull", "default"), 1, str(path))

    def test_no_home(self):
        del self.environment["HOME"], self.environment["PITH_HOME"]
        self.assert_fails(self.pith("list"), 2, "set PITH_HOME")


class Show(TinyTest):
    def test_facts(self):
        process = self.pith("show", self.tiny_model())
        self.assert_ok(process)
        for label in ("architecture   qwen2", "parameters", "context", "formats", "memory", "licence"):
            self.assertIn(label, process.out)

    def test_json(self):
        for path in map(self.tiny_model, FAMILIES):
            facts = json.loads(self.pith("show", path, "--json", "--tensors").out)
            self.assertTrue(facts["supported"])
            self.assertEqual(facts["file_bytes"], path.stat().st_size)
            self.assertEqual(sum(t["bytes"] for t in facts["types"]), facts["memory"]["weight_bytes"])
            self.assertEqual(sum(t["tensors"] for t in facts["types"]), len(facts["tensors"]))
            kv = 2 * facts["layers"] * facts["kv_heads"] * facts["head_size"] * 2
            self.assertEqual(facts["memory"]["kv_bytes_per_token"], kv)

    def test_list_json(self):
        listing = json.loads(self.pith("list", "--json").out)
        self.assertEqual(listing["home"], str(self.home))
        names = [model["name"] for model in listing["models"]]
        self.assertIn(listing["default"], names)
        self.assertEqual(len(names), len(set(names)))
        self.assertFalse(any(model["installed"] for model in listing["models"]))


if __name__ == "__main__":
    main()
