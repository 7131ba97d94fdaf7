"""A terminal for a program under test: what it writes there, and what stays on the screen."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from python_case import PITH

SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z@])")
PATIENCE_S = 60


class Terminal:
    """Runs pith with all three streams on a terminal, but for those that are given."""

    def __init__(self, *arguments, environment, columns=80, rows=24, **streams):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.columns, self.rows = columns, rows
        self.text = ""
        # Of a character whose bytes come in two reads, too, there is one in the text.
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._seen = 0
        environment = {"TERM": "xterm-256color"} | environment
        self.editing = environment["TERM"] != "dumb"
        for name in ("stdin", "stdout", "stderr"):
            streams.setdefault(name, slave)
        self.process = subprocess.Popen(
            [PITH, *map(str, arguments)],
            env=environment,
            start_new_session=True,
            # Makes it the controlling terminal, so that Ctrl-C is a signal.
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
            **streams,
        )
        os.close(slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        os.close(self.master)

    def send(self, text):
        os.write(self.master, text.encode())

    def _read(self, deadline):
        """More text; False at the end of it."""
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came after {self.text!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # how Linux says that the other side is closed
            data = b""
        self.text += self._decode(data, final=not data)
        return bool(data)

    def expect(self, pattern):
        """Waits for text that matches, behind what was matched before; returns the match."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = re.compile(pattern).search(self.text, self._seen)
            if found:
                self._seen = found.end()
                return found
            if not self._read(deadline):
                raise AssertionError(f"{pattern!r} is not in {self.text[self._seen:]!r}")

    def await_keys(self):
        """Until keys are read one by one; on a dumb terminal they never are."""
        deadline = time.monotonic() + PATIENCE_S
        while self.editing and termios.tcgetattr(self.master)[3] & termios.ICANON:
            if time.monotonic() > deadline:
                raise AssertionError("nothing reads the keys")
            time.sleep(0.002)

    def wait(self):
        """To the end; the exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE_S)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def screen(self):
        """The lines that a person sees in the end."""
        return render(self.text, self.columns)


def render(text, columns):
    """Plays what a program wrote, on a screen that is tall enough not to scroll."""
    lines = [[]]
    row = column = at = 0
    while at < len(text):
        sequence = SEQUENCE.match(text, at)
        if sequence:
            row, column = _move(lines, row, column, *sequence.groups())
            at = sequence.end()
            continue
        c = text[at]
        at += 1
        if c == "\r":
            column = 0
            continue
        if c == "\n" or column == columns:
            row += 1
            column = 0 if c != "\n" else column
        if row == len(lines):
            lines.append([])
        if c != "\n":
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = c
            column += 1
    return ["".join(line).rstrip() for line in lines]


def _move(lines, row, column, numbers, command):
    count = int(numbers) if numbers.isdigit() else 1
    if command == "A":
        row = max(row - count, 0)
    elif command == "K":
        del lines[row][column:]
    elif command == "J":
        del lines[row][column:]
        del lines[row + 1 :]
    elif command == "m":
        pass
    else:
        raise AssertionError(f"a sequence the test does not know: {numbers}{command}")
    return row, column
