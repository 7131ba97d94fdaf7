"""`pith chat` on a pipe: its replies, its commands, its saved conversations."""

import json
import os
import re
import resource
import signal
import subprocess

from python_case import PITH, main
from tiny_case import ENDLESS, FAMILIES, MESSAGE, SYSTEM, TinyTest


class ChatTest(TinyTest):
    def chat(self, *messages, arguments=("--tokens", 12), model="qwen2", **options):
        """One message or command a line."""
        lines = "".join(f"{message}\n" for message in messages)
        return self.pith("chat", "-m", self.tiny_model(model), *arguments, input=lines, **options)

    def stats(self, process):
        """Of each /stats: tokens in the cache, replies, tokens read, tokens written."""
        pattern = r"^context (\d+) of \d+ tokens\nreplies (\d+)\nread (\d+) .*\nwritten (\d+) "
        return [tuple(map(int, match)) for match in re.findall(pattern, process.out, re.M)]

    def settings(self, process):
        return dict(re.findall(r"^([a-z-]+) (\S+)", process.out, re.M))


class ChatTalk(ChatTest):
    def test_replies_alone_go_to_standard_output(self):
        for model in FAMILIES:
            process = self.chat("Hello", "/clear", "Hello", model=model)
            self.assert_ok(process)
            self.assertEqual(process.err, "[the conversation is forgotten]\n")
            self.assertTrue(process.out.strip())

    def test_quiet(self):
        process = self.chat("Hello", "/clear", arguments=("-q", "--tokens", 5))
        self.assert_ok(process)
        self.assertEqual(process.err, "")

    def test_seed(self):
        first, second, other = (
            self.chat("Hello", "And?", arguments=("--tokens", 20, "-s", seed)).out for seed in (1, 1, 2)
        )
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_threads(self):
        one, three = (
            self.chat("Hello", "And?", arguments=("--tokens", 20, "-t", threads)).out for threads in (1, 3)
        )
        self.assertEqual(one, three)

    def test_a_turn_reads_itself_alone(self):
        arguments = ("--temp", 0, "--tokens", 30, "--system", SYSTEM)
        process = self.chat(MESSAGE, "/stats", MESSAGE, "/stats", arguments=arguments)
        self.assert_ok(process)
        (cached, *first), (all_cached, replies, read, written) = self.stats(process)
        self.assertEqual(first, [1, cached + 1 - 30, 30])
        # The last token of a reply is read with the next message.
        self.assertEqual((replies, written), (2, 60))
        self.assertEqual(all_cached, read + written - replies)
        self.assertLess(read - first[1], first[1])

    def test_history_is_seen(self):
        arguments = ("--tokens", 40, "-s", 3)
        after = self.chat("Hello", "Well?", arguments=arguments).out
        alone = self.chat("Hello", "/clear", "Well?", arguments=arguments).out
        self.assertNotEqual(after, alone)
        self.assertEqual(after[:20], alone[:20])

    def test_system_prompt(self):
        outputs = [
            self.chat("Hello", arguments=("--tokens", 30, *arguments)).out
            for arguments in ([], ["--system", "Be kind."], ["-sys", "Be kind."])
        ]
        self.assertNotEqual(outputs[0], outputs[1])
        self.assertEqual(outputs[1], outputs[2])
        process = self.chat("/system Be kind.", "Hello", arguments=("--tokens", 30))
        self.assertEqual(process.out, outputs[1])

    def test_several_lines(self):
        file = self.folder / "chat.json"
        process = self.chat('"""one', "two", "", 'three"""', f"/save {file}")
        self.assert_ok(process)
        self.assertEqual(json.loads(file.read_text())["messages"][0]["content"], "one\ntwo\n\nthree")
        self.chat('"""', "/clear", '"""', f"/save {file}")
        self.assertEqual(json.loads(file.read_text())["messages"][0]["content"], "\n/clear\n")

    def test_lines_of_windows_and_no_last_line_break(self):
        file = self.folder / "chat.json"
        process = self.pith(
            "chat", "-m", self.tiny_model(), "--tokens", 3, input=f"Hello\r\n\r\n/save {file}"
        )
        self.assert_ok(process)
        self.assertEqual(json.loads(file.read_text())["messages"][0]["content"], "Hello")

    def test_ends(self):
        for leave in ("/exit", "/quit", "/bye"):
            process = self.chat(leave, "Hello")
            self.assertEqual((process.returncode, process.out, process.err), (0, "", ""))
        self.assertEqual(self.chat().returncode, 0)

    def test_full_context_forgets_the_oldest(self):
        process = self.chat(*["Tell me more of it."] * 8, arguments=("-c", 150, "--tokens", 20))
        self.assert_ok(process)
        self.assertRegex(process.err, r"the context of 150 tokens was full: the oldest turn is forgotten")

    def test_reply_to_the_end_of_the_context(self):
        process = self.chat("Hello", arguments=("--temp", 0, "-c", 100))
        self.assert_ok(process)
        self.assertIn("[the context is full", process.err)


class ChatCommands(ChatTest):
    def test_help(self):
        process = self.chat("/help")
        self.assert_ok(process)
        for command in ("/clear", "/regen", "/save", "/load", "/system", "/set", "/stats", "/exit", '"""'):
            self.assertIn(command, process.out)

    def test_mistakes_are_one_line_each_and_the_chat_goes_on(self):
        for command, message in (
            ("/claer", "no command /claer; /help lists them"),
            ("/\x1b[31m", r"no command /\x1b[31m"),
            ("/save", "/save needs the name of a file"),
            ("/load", "/load needs the name of a file"),
            ("/regen", "there is no reply to make again"),
            ("/set colour red", "no setting 'colour'"),
            ("/set temperature", "temperature cannot be ''"),
            ("/set temperature nan", "temperature cannot be 'nan'"),
            ("/set temperature -1", "temperature cannot be '-1'"),
            ("/set top-p 2", "top-p cannot be '2'"),
            ("/set top-k 1.5", "top-k cannot be '1.5'"),
            ("/set seed -1", "seed cannot be '-1'"),
            ("/set tokens many", "tokens cannot be 'many'"),
            ("/set think maybe", "think is on, off or auto, not 'maybe'"),
        ):
            process = self.chat(command, "Hello")
            self.assert_fails(process, 1, message)
            self.assertTrue(process.out, command)

    def test_set(self):
        values = {
            "think": "on",
            "temperature": "0.25",
            "top-k": "7",
            "top-p": "0.5",
            "min-p": "0.125",
            "repetition-penalty": "1.5",
            "seed": str(2**64 - 1),
            "tokens": "9",
        }
        process = self.chat(*(f"/set {name} {value}" for name, value in values.items()), "/set")
        self.assert_ok(process)
        self.assertEqual(self.settings(process), values)

    def test_defaults(self):
        shown = self.settings(self.chat("/set", arguments=()))
        self.assertEqual((shown["think"], shown["temperature"], shown["tokens"]), ("auto", "0.7", "0"))

    def test_seed_is_set(self):
        told = self.chat("/set seed 5", "Hello", arguments=("--tokens", 20))
        self.assertEqual(told.out, self.chat("Hello", arguments=("--tokens", 20, "-s", 5)).out)

    def test_think_asks_a_model_without_thoughts_to_reason(self):
        arguments = ("--tokens", 2)
        read = {}
        for think in ("auto", "off", "on"):
            process = self.chat(f"/set think {think}", "Hello", "/stats", arguments=arguments)
            self.assert_ok(process)
            read[think] = self.stats(process)[0][2]
        self.assertEqual(read["auto"], read["off"])
        self.assertGreater(read["on"], read["off"])

    def test_think_of_a_model_that_thinks(self):
        read = {}
        for think in ("auto", "off", "on"):
            process = self.chat(
                f"/set think {think}",
                "Hello",
                "/stats",
                arguments=("--tokens", 2, "--chat-template", "qwen3"),
            )
            self.assert_ok(process)
            read[think] = self.stats(process)[0][2]
        self.assertEqual(read["auto"], read["on"])
        self.assertGreater(read["off"], read["on"])  # an empty thought

    def test_regen(self):
        file = self.folder / "chat.json"
        process = self.chat("Hello", "/regen", f"/save {file}", arguments=("--tokens", 30))
        self.assert_ok(process)
        messages = json.loads(file.read_text())["messages"]
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"])
        once = self.chat("Hello", arguments=("--tokens", 30)).out
        self.assertTrue(process.out.startswith(once))
        self.assertNotEqual(process.out, once + once)
        shown = re.sub(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]", "", messages[1]["content"])
        self.assertTrue(process.out.endswith(shown + "\n"))

    def test_message_that_is_not_utf8(self):
        command = [PITH, "chat", "-m", self.tiny_model(), "--tokens", "5"]
        process = subprocess.run(
            command, input=b"a\xff\n/system \xff\nHello\n", capture_output=True, env=self.environment
        )
        self.assertEqual(process.returncode, 1)
        lines = process.stderr.decode().splitlines()
        self.assertEqual(lines[0], "pith: the message is not valid UTF-8: byte 2 is 0xff")
        self.assertEqual(lines[1], "pith: the system prompt is not valid UTF-8: byte 1 is 0xff")
        self.assertEqual(len(lines), 2)
        self.assertTrue(process.stdout)

    def test_message_that_is_too_long(self):
        process = self.chat("many words " * 200, "Hello")
        self.assert_fails(process, 1, "the message is too long")
        self.assertTrue(process.out)


class ChatSaved(ChatTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "chat.json"

    def test_goes_on_where_it_was(self):
        arguments = ("--temp", 0, "--tokens", 15)
        whole = self.chat("Hello", "And?", arguments=arguments).out
        first = self.chat("Hello", f"/save {self.file}", arguments=arguments)
        second = self.chat(f"/load {self.file}", "And?", arguments=arguments)
        self.assert_ok(second)
        self.assertEqual(first.err + second.err, "[2 messages saved]\n[2 messages loaded]\n")
        self.assertEqual(whole, first.out + second.out)

    def test_system_prompt_is_saved(self):
        self.assert_ok(self.chat("/system Be kind. Ä", f"/save {self.file}"))
        saved = json.loads(self.file.read_text())
        self.assertEqual(saved, {"format": "pith-chat", "system": "Be kind. Ä", "messages": []})

    def test_no_other_file_is_left(self):
        self.assert_ok(self.chat("Hello", f"/save {self.file}", f"/save {self.file}"))
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["chat.json", "qwen2.gguf"])

    def test_save_does_not_follow_a_link(self):
        target = self.folder / "target"
        target.write_text("mine")
        for destination in (target, self.folder / "nothing"):
            self.file.symlink_to(destination)
            self.assert_fails(self.chat("Hello", f"/save {self.file}"), 1, "is a symbolic link")
            self.assertTrue(self.file.is_symlink())
            self.file.unlink()
        self.assertEqual(target.read_text(), "mine")

    def test_places_that_cannot_be_written(self):
        for path in (self.folder / "no" / "folder", self.folder, "/proc/nothing"):
            process = self.chat("Hello", f"/save {path}")
            self.assert_fails(process, 1, str(path))

    def test_full_disk_leaves_nothing(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        process = self.chat("Hello", f"/save {self.file}", preexec_fn=limit)
        self.assert_fails(process, 1, "cannot write", "File too large")
        self.assertEqual([p.name for p in self.folder.iterdir()], ["qwen2.gguf"])

    def test_hostile_files(self):
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        good = {"format": "pith-chat", "system": "", "messages": messages}
        files = {
            "": "not a JSON object",
            "{": "not a JSON object",
            "[]": "not a JSON object",
            "[" * 1_000_000: "not a JSON object",
            '{"a":' * 100_000 + "1" + "}" * 100_000: '"format"',
            "\0\1\2": "not a JSON object",
            '{"format": "pith-chat", "messages": [], "system": "\udcff"}': "not a JSON object",
            "{}": '"format"',
            '{"format": 3}': '"format"',
            '{"format": "pith-chat"}': '"messages"',
            '{"format": "pith-chat", "messages": {}}': '"messages"',
        }
        for broken in (3, {}, {"role": "user"}, {"role": "system", "content": "x"}, messages[0]):
            text = json.dumps(good | {"messages": [messages[0], broken]})
            files[text] = "message 2 should be the assistant's"
        for text in (*messages[1:], {"role": "user", "content": 3}, {"role": 1, "content": ""}):
            files[json.dumps(good | {"messages": [text]})] = "message 1 should be the user's"
        files[json.dumps(good | {"system": 3})] = '"system"'
        for text, message in files.items():
            self.file.write_bytes(text.encode(errors="surrogateescape"))
            process = self.chat(f"/load {self.file}", "Hello", arguments=("--tokens", 2))
            self.assert_fails(process, 1, f"{self.file} is no saved chat", message)
            self.assertTrue(process.out)

    def test_files_that_cannot_be_read(self):
        for path in (self.folder / "nothing", self.folder):
            self.assert_fails(self.chat(f"/load {path}"), 1, str(path))
        os.mkfifo(self.file)
        self.assert_fails(self.chat(f"/load {self.file}"), 1, "not a regular file")
        self.assert_fails(self.chat("/load /dev/zero"), 1, "not a regular file")

    def test_huge_file(self):
        with open(self.file, "wb") as file:
            file.truncate(65 << 20)
        self.assert_fails(self.chat(f"/load {self.file}"), 1, "is longer than")

    def test_a_failed_load_changes_nothing(self):
        other = self.folder / "other.json"
        self.file.write_text("{}")
        self.chat("Hello", f"/load {self.file}", f"/save {other}")
        self.assertEqual(len(json.loads(other.read_text())["messages"]), 2)


class ChatInterrupted(ChatTest):
    def test_stops_the_reply_then_ends(self):
        process = self.start(
            "chat", "-m", self.endless_model(), *ENDLESS, "--system", SYSTEM, stdin=subprocess.PIPE
        )
        process.stdin.write(f"{MESSAGE}\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(1), "\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stderr.readline(), "[stopped]\n")
        process.stdin.write("/stats\n")
        process.stdin.flush()
        while not process.stdout.readline().startswith("loaded in"):
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    def test_reader_that_goes_away_ends_it(self):
        process = self.start(
            "chat", "-m", self.endless_model(), *ENDLESS, "--system", SYSTEM, stdin=subprocess.PIPE
        )
        process.stdin.write(f"{MESSAGE}\n")
        process.stdin.flush()
        process.stdout.read(1)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 1)
        self.assertEqual(process.stderr.read(), "")
        process.stdin.close()


if __name__ == "__main__":
    main()
