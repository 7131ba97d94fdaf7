"""What the scripts of this folder share: the peers, pith's build, programs that print JSON."""

import json
import subprocess
import sys
from pathlib import Path

import environment

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-bench"
LLAMA = environment.Environment(
    ROOT / ".venv-peers",
    ["llama-cpp-python==0.3.36", "numpy", "gguf==0.19.0"],
    ["--no-binary", "llama-cpp-python"],
    {"CMAKE_ARGS": "-DGGML_NATIVE=ON"},
)
OPENVINO = environment.Environment(ROOT / ".venv-openvino", ["openvino-genai==2026.4.1.0", "numpy"])


def say(text):
    print(f"peers: {text}", file=sys.stderr)


def die(text):
    say(text)
    sys.exit(1)


def ready(*peers):
    """Installs those that are not."""
    for peer in peers:
        if not peer.ready():
            say(f"installing {' '.join(peer.requirements)} in {peer.folder}; this takes a while")
            peer.install() or die("the installation failed")


def json_of(command):
    """What `command` prints, read as JSON; None where it fails, which it says itself."""
    process = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE)
    return json.loads(process.stdout) if process.returncode == 0 else None


def json_or_die(command):
    result = json_of(command)
    return die(f"{Path(command[0]).name} failed") if result is None else result


def build(folder):
    say(f"building pith in {folder}")
    flags = ["-DPITH_BENCH=ON", "-DPITH_UNITY=ON"]
    if not (folder / "CMakeCache.txt").exists():
        flags.append("-DPITH_TESTS=OFF")
    for command in (
        ["cmake", "--preset", "release", "-B", folder, *flags],
        ["ninja", "-C", folder, "pith", "pith-limits"],
    ):
        if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode != 0:
            die("the build failed")
