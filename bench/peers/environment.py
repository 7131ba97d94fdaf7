"""Virtual environments of peers, made once."""

import os
import subprocess
import sys


class Environment:
    def __init__(self, folder, requirements, pip_options=(), variables=None):
        self.folder = folder
        self.requirements = requirements
        self.pip_options = list(pip_options)
        self.variables = variables or {}
        self.python = folder / "bin/python"
        self.mark = folder / "installed"  # holds the requirements once they are met

    def ready(self):
        return self.mark.exists() and self.mark.read_text().split() == self.requirements

    def install(self):
        """True if it worked."""
        pip = [self.python, "-m", "pip", "--quiet", "install"]
        for command in (
            [sys.executable, "-m", "venv", self.folder],
            [*pip, *self.pip_options, *self.requirements],
        ):
            environment = os.environ | self.variables
            if subprocess.run(command, stdout=sys.stderr, env=environment).returncode != 0:
                return False
        self.mark.write_text("\n".join(self.requirements) + "\n")
        return True

    def run(self, *command):
        subprocess.run([self.python, *map(str, command)], check=True)
