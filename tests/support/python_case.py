"""What the tests written in Python share: one unittest case per CTest test."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PITH = os.environ.get("PITH_BINARY", "pith")
LONG = 300  # seconds: on the busiest machine only a hang takes longer


class PithTest(unittest.TestCase):
    """Runs the pith binary with a model store of its own."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="pith-test-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        self.home = self.folder / "models"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PITH_HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
        }
        self.inherit("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "PITH_ISA")

    def inherit(self, *names):
        """Variables as who runs the tests has them, set or not."""
        for name in names:
            self.environment.pop(name, None)
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def use_installed_models(self):
        """The store of who runs the tests, in place of an empty one."""
        self.inherit("HOME", "PITH_HOME", "XDG_CACHE_HOME")

    def start(self, *arguments, **options):
        options.setdefault("env", self.environment)
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(
            [PITH, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            **options,
        )

    def pith(self, *arguments, input=None, **options):
        """Runs to the end; the process has .returncode, .out and .err."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*arguments, **options)
        process.out, process.err = process.communicate(input, timeout=LONG)
        return process

    def assert_ok(self, process):
        self.assertEqual(process.returncode, 0, process.err)
        self.assertNotIn("pith:", process.err)

    def assert_fails(self, process, status, *fragments):
        """Exit status, and exactly one line that begins with "pith: "."""
        self.assertEqual(process.returncode, status, process.err)
        lines = [line for line in process.err.splitlines() if line.startswith("pith: ")]
        self.assertEqual(len(lines), 1, process.err)
        self.assertEqual(process.err.rstrip("\n").splitlines()[-1], lines[0])
        for fragment in fragments:
            self.assertIn(fragment, lines[0])

    def files(self):
        """Every path in the store but the locks."""
        if not self.home.exists():
            return []
        paths = (path for path in self.home.rglob("*") if not path.is_dir())
        return sorted(str(p.relative_to(self.home)) for p in paths if p.suffix != ".lock")


def main():
    """With --list the names of the cases, for CMake; else runs those that are named."""
    if sys.argv[1:] == ["--list"]:
        suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
        for group in suite:
            for case in group:
                print(case.id().removeprefix("__main__."))
        return
    unittest.main()
