"""Servers to be measured, as processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

READY_S = 600  # a model may have to be packed first
STOP_S = 60
CONTEXT = 2048  # of one request
SHARE = 1024  # tokens of KV cache a place: requests are mostly shorter than the context


class Server:
    """Runs from `with` to its end; port, pid and what it says of itself."""

    def __init__(self, name, command, port, expected_status=0):
        self.name = name
        self.command = [str(part) for part in command]
        self.port = port
        self.expected_status = expected_status

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.pid = self.process.pid
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"serve: {self.name} does not start: {' '.join(self.command)}")
            time.sleep(0.1)
        return self

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def __exit__(self, *_exception):
        """None lives on; `ended_well` says how."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.ended_well = status == self.expected_status

    def is_alive(self):
        return self.process.poll() is None

    def resident_bytes(self):
        """Of its own; and with the pages of files that it maps."""
        with open(f"/proc/{self.pid}/status") as status:
            fields = dict(re.findall(r"(RssAnon|VmRSS):\s+(\d+) kB", status.read()))
        return int(fields["RssAnon"]) * 1024, int(fields["VmRSS"]) * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pith(binary, model, places, threads, caches):
    port = free_port()
    command = [binary, "serve", "-q", "-m", model, "--port", port, "-t", threads]
    command += ["--parallel", places, "--context", CONTEXT]
    command += ["--kv-tokens", max(places * SHARE, 2 * CONTEXT)]
    command += ["--connections", 512, "--connections-per-address", 512, "--queue", 512]
    if not caches:
        command += ["--cache", 0]
    return Server("pith", command, port)


def llama(binary, path, places, threads, caches):
    """llama.cpp's own server. `path`: of the GGUF file. One cache for all sequences: without
    that each has a part of its own, and a copy of what they share."""
    port = free_port()
    command = [binary, "-m", path, "--host", "127.0.0.1", "--port", port, "-t", threads]
    command += ["-np", places, "--kv-unified", "-c", max(places * SHARE, 2 * CONTEXT), "--no-ui"]
    if not caches:
        command += ["--no-cache-prompt", "--cache-ram", 0]
    return Server("llama.cpp", command, port)


def default_threads():
    return len(os.sched_getaffinity(0))


def say(text):
    print(f"serve: {text}", file=sys.stderr, flush=True)
