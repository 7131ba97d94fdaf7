"""Clients that others wrote, unchanged, against pith serve: `tools/get-clients FOLDER`, and FOLDER in PITH_CLIENTS."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from python_case import LONG, main
from serve_test import ServeTest

CHECKS = Path(__file__).resolve().parent / "clients"
CLIENTS = Path(os.environ.get("PITH_CLIENTS") or "clients")


class Clients(ServeTest):
    def check(self, program, script, variable, packages):
        if not packages.is_dir() or shutil.which(program) is None:
            self.skipTest(f"no {packages}: see tools/get-clients")
        server = self.server("-q", "--api-key-file", self.key_file("secret"))
        command = [program, CHECKS / script, server.url, "secret"]
        environment = {**self.environment, variable: str(packages)}
        done = subprocess.run(
            [*map(str, command)], env=environment, capture_output=True, text=True, timeout=LONG
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(server.stop(), (0, ""))

    def key_file(self, key):
        path = self.folder / "keys"
        path.write_text(key + "\n")
        path.chmod(0o600)
        return path

    def test_openai(self):
        self.check(sys.executable, "check_openai.py", "PYTHONPATH", CLIENTS / "python")

    def test_litellm(self):
        self.check(sys.executable, "check_litellm.py", "PYTHONPATH", CLIENTS / "python")

    def test_openai_for_javascript(self):
        self.check("node", "check_openai.mjs", "NODE_PATH", CLIENTS / "node/node_modules")


if __name__ == "__main__":
    main()
