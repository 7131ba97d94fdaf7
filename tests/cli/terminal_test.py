"""What a person sees on a terminal."""

import subprocess
import unittest

from python_case import main
from terminal import Terminal, render
from tiny_case import ENDLESS, MESSAGE, SYSTEM, TinyTest

ANSWERED = ["-n", 6, "--budget", 60, "-s", 2]


class TerminalTest(TinyTest):
    def terminal(self, *arguments, **options):
        terminal = Terminal(*arguments, environment=self.environment, **options)
        self.addCleanup(terminal.close)
        return terminal

    def ask(self, *arguments, **options):
        return self.terminal("ask", "-m", self.tiny_model(), *arguments, **options)

    def endless(self, *arguments, **options):
        arguments = (*ENDLESS, "--budget", 150_000, *arguments, MESSAGE)
        return self.terminal("ask", "-m", self.endless_model(), *arguments, **options)

    def chat(self, *arguments, **options):
        return self.terminal("chat", "-m", self.tiny_model(), *arguments, **options)


class TestScreen(unittest.TestCase):
    """The test's own terminal."""

    def test_render(self):
        self.assertEqual(render("ab\r\ncd", 10), ["ab", "cd"])
        self.assertEqual(render("ab\ncd", 10), ["ab", "  cd"])
        self.assertEqual(render("abcdef", 4), ["abcd", "ef"])
        self.assertEqual(render("abc\rx\x1b[K", 4), ["x"])
        self.assertEqual(render("a\r\nb\r\nc\x1b[2A\r\x1b[J", 4), [""])
        self.assertEqual(render("\x1b[1;31mred\x1b[0m", 4), ["red"])


class LiveBranches(TerminalTest):
    def test_one_line_per_branch_and_all_are_cleared(self):
        terminal = self.ask(*ANSWERED, "2+2?")
        terminal.expect(r"6 of 6 branches done, \d+ tokens, [\d.]+ tok/s\x1b\[K")
        last_frame = terminal.expect(r"(?s).*?\x1b\[J").group()
        self.assertEqual(last_frame.count("answer: "), 6)
        self.assertEqual(last_frame.count("\n"), 6)
        self.assertEqual(terminal.wait(), 0)
        plain = self.pith("ask", "-m", self.tiny_model(), *ANSWERED, "2+2?").out.splitlines()
        self.assertEqual(terminal.screen()[: len(plain) - 1], plain[:-1])

    def test_branches_that_wait_for_a_place_have_no_line(self):
        terminal = self.endless("-n", 9, "--parallel", 2, "--system", "")
        terminal.expect(r"0 of 9 branches done, [1-9]\d* tokens.*\r?\n +1 +\d+ tokens  .*\S")
        terminal.interrupt()
        self.assertEqual(terminal.wait(), 130)
        self.assertNotRegex(terminal.text, r"\n +3 +\d+ tokens")
        self.assertIn("7 more were not started", terminal.text)

    def test_unfinished_branches_show_their_words(self):
        # Without the system prompt it babbles.
        terminal = self.endless("-n", 3, "--system", "")
        terminal.expect(r"0 of 3 branches done, [1-9]\d* tokens.*\r?\n +1 +\d+ tokens  .*\S")
        terminal.interrupt()
        self.assertEqual(terminal.wait(), 130)
        self.assertIn("(cancelled)", terminal.text)
        self.assertFalse([line for line in terminal.screen() if "branches done" in line])

    def test_narrow_terminals(self):
        for columns in (1, 2, 9, 20, 33, 50):
            terminal = self.ask(*ANSWERED, "2+2?", columns=columns)
            self.assertEqual(terminal.wait(), 0)
            frames = terminal.text[: terminal.text.index("branches\r\n")]
            # A frame that wraps would need more lines than it goes back up.
            self.assertEqual(render(frames, columns), [""], f"{columns} columns")

    def test_low_terminals(self):
        for rows in (1, 3, 6):
            terminal = self.ask(*ANSWERED, "2+2?", rows=rows)
            self.assertEqual(terminal.wait(), 0)
            frames = terminal.text[: terminal.text.index("branches\r\n")]
            self.assertLess(frames.count("\n"), max(rows, 2) * frames.count("\x1b[J"))
            self.assertEqual(render(frames, 80), [""])

    def test_report_goes_to_the_pipe(self):
        terminal = self.ask(*ANSWERED, "--json", "2+2?", stdout=subprocess.PIPE)
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("branches done", terminal.text)
        self.assertEqual("".join(terminal.screen()), "")
        self.assertTrue(terminal.process.stdout.read().startswith(b"{"))

    def test_silent(self):
        for arguments, environment in ((["-q"], {}), ([], {"TERM": "dumb"})):
            self.environment |= environment
            terminal = self.ask(*ANSWERED, *arguments, "2+2?")
            self.assertEqual(terminal.wait(), 0)
            self.assertNotIn("\x1b", terminal.text)
            self.assertNotIn("branches done", terminal.text)

    def test_no_color(self):
        self.environment["NO_COLOR"] = "1"
        terminal = self.ask(*ANSWERED, "2+2?")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("branches done", terminal.text)
        self.assertNotRegex(terminal.text, r"\x1b\[[\d;]*m")

    def test_colour(self):
        terminal = self.ask(*ANSWERED, "2+2?")
        self.assertEqual(terminal.wait(), 0)
        self.assertRegex(terminal.text, r"answer: \x1b\[1;32m[^\x1b]+\x1b\[0m  \(")

    def test_second_ctrl_c(self):
        terminal = self.endless("-n", 4)
        terminal.expect(r"4 +[1-9]\d* tokens")
        terminal.send("\x03\x03")
        self.assertEqual(terminal.wait(), 130)


class OneBranch(TerminalTest):
    def test_streams_and_stops(self):
        terminal = self.endless("-n", 1)
        terminal.expect(r"\r\n\r\n\r\n")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), 130)
        self.assertIn("no branch has answered", terminal.text)

    def test_thoughts_are_grey(self):
        """DeepSeek's prompt ends inside a thought."""
        arguments = ("-n", 1, "--budget", 5, "--chat-template", "deepseek-r1")
        terminal = self.ask(*arguments, "2+2?")
        self.assertEqual(terminal.wait(), 0)
        self.assertRegex(terminal.text, r"(?s)\x1b\[90m.*</think>\x1b\[0m\s*Therefore")

    def test_no_question(self):
        terminal = self.ask()
        self.assertEqual(terminal.wait(), 2)
        self.assertIn("no question: give it as an argument", terminal.text)


class ChatOnTerminal(TerminalTest):
    def enter(self, terminal, text, prompt="> "):
        """Types it at the next prompt, once the editor listens for single keys."""
        terminal.expect(prompt)
        terminal.await_keys()
        terminal.send(text)

    def reply(self, terminal, message):
        """Sends it and returns the tokens of the prompt that were read for it."""
        self.enter(terminal, message + "\r")
        return int(terminal.expect(r"\[prompt (\d+) tokens, [\d.]+ tok/s; reply \d+").group(1))

    def test_streaming_history_and_exit(self):
        terminal = self.chat("--temp", 0, "--tokens", 8, "--system", SYSTEM)
        first = self.reply(terminal, MESSAGE)
        second = self.reply(terminal, MESSAGE)
        self.assertLess(second, first)
        self.enter(terminal, "/exit\r")
        self.assertEqual(terminal.wait(), 0)

    def test_message_in_green_notes_in_grey(self):
        terminal = self.chat("--tokens", 3)
        self.enter(terminal, "Hello\r", prompt=r"\x1b\[1;32m> ")
        terminal.expect(r"\x1b\[0m")
        terminal.expect(r"\x1b\[90m\[prompt")
        self.enter(terminal, "/claer\r")
        terminal.expect(r"\x1b\[1;31mpith: no command /claer")
        self.enter(terminal, "\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_no_color(self):
        self.environment["NO_COLOR"] = "1"
        terminal = self.chat("--tokens", 3)
        self.reply(terminal, "Hello")
        self.enter(terminal, "\x04")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotRegex(terminal.text, r"\x1b\[[\d;]*m")

    def test_dumb_terminal(self):
        self.environment["TERM"] = "dumb"
        terminal = self.chat("--tokens", 3)
        self.reply(terminal, "Hello")
        self.enter(terminal, "\x04")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("\x1b", terminal.text)

    def test_several_lines(self):
        terminal = self.chat("--tokens", 3)
        self.enter(terminal, '"""one\r')
        self.enter(terminal, 'two"""\r', prompt=r"\. ")
        terminal.expect(r"\[prompt")
        self.enter(terminal, f"/save {self.folder}/chat.json\r")
        terminal.expect("2 messages saved")
        self.assertIn('"one\\ntwo"', (self.folder / "chat.json").read_text())

    def test_edited_line_and_line_from_history(self):
        terminal = self.chat("--tokens", 3)
        self.enter(terminal, "/nix\x7f\x7f\x7fhelp\r")
        terminal.expect("leave, as Ctrl-D does")
        self.enter(terminal, "\x1b[A\r")
        terminal.expect("leave, as Ctrl-D does")

    def test_letters_of_several_bytes(self):
        terminal = self.chat("--tokens", 3)
        self.reply(terminal, "Größe? 大 🙂")
        self.enter(terminal, f"/save {self.folder}/chat.json\r")
        terminal.expect("2 messages saved")
        self.assertIn("Größe? 大 🙂", (self.folder / "chat.json").read_text())

    def test_ctrl_c_stops_the_reply_then_ends(self):
        arguments = ("-m", self.endless_model(), *ENDLESS, "--system", SYSTEM)
        terminal = self.terminal("chat", *arguments)
        self.enter(terminal, f"{MESSAGE}\r")
        terminal.expect(r"\r\n\r\n\r\n\r\n")
        terminal.send("\x03")
        terminal.expect(r"\[stopped\]")
        self.enter(terminal, "/stats\r")
        terminal.expect(r"replies 1\r\n")
        self.enter(terminal, "\x03")
        self.assertEqual(terminal.wait(), 130)

    def test_reply_cannot_drive_the_terminal(self):
        """A random model writes any byte; of control characters only its line breaks are shown."""
        self.environment["NO_COLOR"] = "1"
        terminal = self.chat("--tokens", 300, "--temp", 2)
        self.enter(terminal, "Hello\r")
        reply = terminal.expect(r"(?s)Hello.*?\[prompt").group()
        controls = {c for c in reply if ord(c) < 32 or 0x7F <= ord(c) < 0xA0}
        self.assertLessEqual(controls, set("\r\n\t"))


if __name__ == "__main__":
    main()
