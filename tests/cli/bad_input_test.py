"""What goes wrong is one clear line and the exit status that goes with it."""

import os
import resource
import subprocess
import zipfile
import zlib

from python_case import LONG, PITH, main
from tiny_case import TinyTest

# A command that needs the whole model, and one that needs its tokenizer alone.
LOADING = (["ask", "question"], ["chat"], ["bench"], ["perplexity", "--file", os.devnull])
ALL = (*LOADING, ["tokenize"])


def png():
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


class BadInput(TinyTest):
    def assert_all_fail(self, commands, model, *fragments, status=1, **options):
        for command, *arguments in commands:
            process = self.pith(command, "-m", model, *arguments, **options)
            self.assert_fails(process, status, *fragments)
            self.assertEqual(process.out, "", command)

    def ask(self, *arguments, **options):
        options.setdefault("input", "")
        arguments = ("-m", self.tiny_model(), "-n", 2, "--budget", 4, *arguments)
        return self.pith("ask", *arguments, **options)


class BadFiles(BadInput):
    def test_foreign_files(self):
        path = self.folder / "foreign.gguf"
        archive = self.folder / "archive.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("model.gguf", "GGUF")
        for content in (b"some text\n", png(), archive.read_bytes(), b"\0" * 5000, b"FUGG" + bytes(60)):
            path.write_bytes(content)
            self.assert_all_fail(ALL, path, f"{path}: not a GGUF file")

    def test_things_that_are_no_files(self):
        os.mkfifo(self.folder / "pipe")
        for path in (self.folder / "pipe", "/dev/null", "/dev/zero"):
            self.assert_all_fail(ALL, path, str(path), "not a regular file")
        self.assert_all_fail(ALL, f"{self.folder}/", "is a folder; give the GGUF file in it")

    def test_model_without_tokenizer(self):
        for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.model", "tokenizer.ggml.merges"):
            self.assert_all_fail(ALL, self.model_without(key), key)

    def test_architecture_that_is_not_known(self):
        name = b"general.architecture" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little")
        model = self.changed_model(name + b"qwen2", name + b"qwen9")
        self.assert_all_fail(LOADING, model, "qwen9")

    def test_tensor_that_is_missing(self):
        self.assert_all_fail(LOADING, self.changed_model(b"output_norm", b"output_morn"), "output_norm")

    def test_model_without_chat_template(self):
        model = self.model_without("tokenizer.chat_template")
        self.assert_all_fail(LOADING[:2], model, "name one with --chat-template NAME")
        for command in (["ask", "-n", 1, "--budget", 2, "x"], ["chat"]):
            self.assert_ok(self.pith(command[0], "-m", model, "--chat-template", "chatml", *command[1:]))
        self.assert_ok(self.pith("tokenize", "-m", model))

    def test_chat_template_that_is_not_known(self):
        model = self.changed_model(b"{{'<|im_start|>' + message", b"{{'<|im_begin|>' + message")
        self.assert_all_fail(LOADING[:2], model, "--chat-template")
        self.assert_all_fail(
            ([command[0], *command[1:], "--chat-template", "jinja"] for command in LOADING[:2]),
            self.tiny_model(),
            "no chat template is called 'jinja'; there are",
            "llama3",
            status=2,
        )


class BadNumbers(BadInput):
    def test_options(self):
        for option, value in (
            ("-n", 0),
            ("-n", 1000),
            ("-n", -1),
            ("-n", "010x"),
            ("-n", "1.5"),
            ("-n", ""),
            ("--budget", 0),
            ("--budget", -5),
            ("--budget", 1 << 40),
            ("--temperature", "nan"),
            ("--temperature", -0.5),
            ("--temperature", "inf"),
            ("--temperature", "1e39"),
            ("--temperature", "warm"),
            ("--temperature", "0x1p-1"),
            ("--top-p", 2),
            ("--top-p", -0.1),
            ("--top-p", "nan"),
            ("--min-p", 1.5),
            ("--top-k", -1),
            ("--top-k", 1 << 31),
            ("--repetition-penalty", 0),
            ("--seed", -1),
            ("--seed", 1 << 64),
            ("--seed", 1.5),
            ("-t", 2000),
            ("-t", "all"),
            ("-c", -1),
            ("-c", 1 << 31),
        ):
            process = self.ask(option, value, "question")
            self.assert_fails(process, 2, f"'{value}' is not a number from ", "pith ask --help")
            self.assertEqual(process.out, "")

    def test_limits_themselves(self):
        for option, value in (
            ("-n", 1),
            ("--budget", 1 << 24),
            ("--temperature", 0),
            ("--temperature", 100),
            ("--top-p", 0),
            ("--top-p", 1),
            ("--top-k", (1 << 31) - 1),
            ("--min-p", 0),
            ("-n", "010"),  # ten: no octal numbers
            ("-c", 512),
        ):
            self.assert_ok(self.pith("ask", "-m", self.tiny_model(), option, value, "question"))

    def test_context_beyond_the_models(self):
        for command in (["ask", "x"], ["chat"]):
            process = self.pith(command[0], "-m", self.tiny_model(), "-c", 513, *command[1:])
            self.assert_fails(process, 2, "a context of 513 tokens: the model takes 1 to 512")

    def test_choices(self):
        for option, names in (("--kv", "int16, f16, int8, f32"), ("--answer", "number, choice, yes-no")):
            self.assert_fails(self.ask(option, "other", "x"), 2, f"'other' is none of {names}")

    def test_question_that_is_too_long(self):
        self.assert_fails(self.ask("many words " * 300), 1, "the prompt is too long", "512")
        self.assert_fails(self.ask("-", input="many words " * 300), 1, "the prompt is too long")
        self.assert_fails(self.ask(input="x" * (17 << 20)), 2, "more than 16 MiB on standard input")


class BadMemory(BadInput):
    def test_cache_that_no_machine_holds(self):
        model = self.model_with_context(1 << 26)
        process = self.pith("ask", "-m", model, "-n", 256, "--budget", 1 << 24, "x")
        self.assert_fails(process, 1, "a KV cache of", "GB are free: ask for")

    def test_thousand_threads(self):
        """Where the system gives no more of them, those that there are do the work."""

        def room_for_few():
            resource.setrlimit(resource.RLIMIT_STACK, (256 << 20, 256 << 20))
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

        if self.pith("--version", preexec_fn=room_for_few).returncode != 0:
            self.skipTest("a sanitizer needs more room")
        process = self.ask("-t", 1024, "x", preexec_fn=room_for_few)
        self.assert_ok(process)
        self.assertEqual(process.out.split("\nprompt ")[0], self.ask("x").out.split("\nprompt ")[0])


class BadText(BadInput):
    BROKEN = b"caf\xe9".decode(errors="surrogateescape")

    def run_bytes(self, *arguments, input):
        command = [PITH, *map(str, arguments)]
        process = subprocess.run(command, input=input, capture_output=True, env=self.environment)
        process.out, process.err = process.stdout.decode(), process.stderr.decode()
        return process

    def test_question(self):
        message = "the question is not valid UTF-8: byte 4 is 0xe9"
        self.assert_fails(self.ask(self.BROKEN), 2, message)
        file = self.folder / "question"
        file.write_bytes(b"caf\xe9")
        self.assert_fails(self.ask("-f", file), 2, message)
        process = self.run_bytes("ask", "-m", self.tiny_model(), input=b"caf\xe9")
        self.assert_fails(process, 2, message)

    def test_system_prompt(self):
        message = "the system prompt is not valid UTF-8: byte 4 is 0xe9"
        self.assert_fails(self.ask("--system", self.BROKEN, "x"), 2, message)
        self.assert_fails(self.pith("chat", "-m", self.tiny_model(), "--system", self.BROKEN), 2, message)

    def test_question_of_bytes(self):
        process = self.run_bytes("ask", "-m", self.tiny_model(), input=bytes(range(256)))
        self.assert_fails(process, 2, "the question is not valid UTF-8: byte 129 is 0x80")

    def test_file_of_the_question(self):
        for file in (self.folder / "nothing", self.folder):
            self.assert_fails(self.ask("-f", file), 1, str(file))

    def test_zero_bytes(self):
        process = self.run_bytes("ask", "-m", self.tiny_model(), "-n", 1, "--budget", 1, input=b"a\0b")
        self.assertEqual(process.returncode, 0, process.err)


class BadEnvironment(BadInput):
    def test_isa(self):
        for value in ("avx1024", "AVX2", " "):
            self.environment["PITH_ISA"] = value
            self.assert_all_fail(LOADING, self.tiny_model(), f"PITH_ISA={value}", "scalar", status=2)
        self.environment["PITH_ISA"] = "scalar"
        self.assert_ok(self.ask("x"))

    def test_registry(self):
        registry = self.folder / "registry.json"
        self.environment["PITH_REGISTRY"] = str(registry)
        for content in (None, "", "{", '{"models": 3}', '{"models": [{}]}', "\0", "[" * 10_000):
            if content is not None:
                registry.write_text(content)
            for command in (["ask", "x"], ["chat"], ["show", "default"], ["list"], ["rm", "default"]):
                process = self.pith(*command)
                self.assert_fails(process, 1, str(registry))
                self.assertEqual(process.out, "")
            # A model given by its path needs no registry, and the help works.
            self.assert_ok(self.ask("x"))
            self.assert_ok(self.pith("ask", "--help"))


class BadStreams(BadInput):
    def run_with(self, *arguments, **streams):
        process = subprocess.Popen(
            [PITH, *map(str, arguments)],
            env=self.environment,
            text=True,
            **({"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE} | streams),
        )
        process.out, process.err = process.communicate(timeout=LONG)
        return process

    def commands(self):
        model = self.tiny_model()
        text = self.folder / "text"
        text.write_text("word " * 200)
        yield "ask", "-m", model, "-n", 1, "--budget", 5, "x"
        yield "ask", "-m", model, "-n", 2, "--budget", 5, "--json", "x"
        yield "bench", "-m", model, "-p", 5, "-g", 2, "-n", 1
        yield "perplexity", "-m", model, "-f", text, "-c", 64
        yield "show", model, "--tensors"
        yield "list",
        yield "ask", "--help"

    def test_full_disk(self):
        for command in self.commands():
            with open("/dev/full", "w") as full:
                process = self.run_with(*command, stdout=full)
            self.assert_fails(process, 1, "cannot write to standard output: No space left on device")

    def test_full_disk_in_a_chat(self):
        with open("/dev/full", "w") as full:
            process = subprocess.run(
                [PITH, "chat", "-m", self.tiny_model()],
                input=b"Hello\nAnd?\n",
                stdout=full,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr, b"pith: cannot write to standard output: No space left on device\n")

    def test_reader_that_goes_away(self):
        for command in self.commands():
            read_end, write_end = os.pipe()
            os.close(read_end)
            process = self.run_with(*command, stdout=write_end)
            os.close(write_end)
            self.assertEqual((process.returncode, process.err), (1, ""))

    def closed(self, *arguments, **redirections):
        """Through a shell, which can close streams: out=">&-"."""
        line = f'exec "$0" "$@" {" ".join(redirections.values())}'
        command = ["bash", "-c", line, PITH, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment)

    def test_closed_output(self):
        for command in self.commands():
            process = self.closed(*command, out=">&-")
            self.assertEqual(process.returncode, 1, command)
            self.assertEqual(process.stderr, "pith: cannot write to standard output: Bad file descriptor\n")

    def test_closed_input(self):
        process = self.closed("ask", "-m", self.tiny_model(), input="<&-")
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr, "pith: cannot read standard input: Bad file descriptor\n")

    def test_closed_errors(self):
        process = self.closed("ask", "-m", "no-such-model", "x", err="2>&-")
        self.assertEqual((process.returncode, process.stdout, process.stderr), (1, "", ""))
        process = self.closed("ask", "-m", self.tiny_model(), "-q", "x", err="2>&-")
        self.assertEqual(process.returncode, 0)

    def test_saved_chat_is_not_written_to_by_closed_streams(self):
        """The file would get the number of standard error."""
        file = self.folder / "chat.json"
        line = f'printf "Hello\\n/save {file}\\n" | "$0" "$@" 2>&-'
        command = ["bash", "-c", line, PITH, "chat", "-m", str(self.tiny_model()), "--tokens", "2"]
        subprocess.run(command, capture_output=True, env=self.environment, check=True)
        self.assertTrue(file.read_text().startswith("{"))
        self.assertNotIn("pith", file.read_text().replace("pith-chat", ""))

    def test_input_that_is_a_folder(self):
        descriptor = os.open(self.folder, os.O_RDONLY)
        process = self.run_with("ask", "-m", self.tiny_model(), stdin=descriptor)
        os.close(descriptor)
        self.assert_fails(process, 1, "cannot read standard input: Is a directory")


if __name__ == "__main__":
    main()
