"""The benches of pith serve on a tiny model: load with rude clients, switching an adapter on."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from python_case import PITH, main
from serve_test import ServeTest

BENCH = Path(__file__).resolve().parents[2] / "bench/serve"
sys.path.insert(0, str(BENCH))
import client  # noqa: E402  (after its folder is known)
import load  # noqa: E402
import questions  # noqa: E402


class Running:
    """A server of the tests, as bench/serve knows servers."""

    def __init__(self, server):
        self.name = "pith"
        self.process = server.process
        self.port = int(server.url.rpartition(":")[2])

    def is_alive(self):
        return self.process.poll() is None

    def resident_bytes(self):
        return 0, 0  # of sanitizers it says nothing


class TestLoad(ServeTest):
    def test_answers_are_those_of_requests_alone(self):
        server = self.server("-q", "--parallel", 6, "--cache", 256, "--context", 512)
        running = Running(server)
        requests = [r for r in questions.make(20, 24) if len(r["messages"][1]["content"]) < 250][:8]
        expected = asyncio.run(load.ask_alone(running, requests))
        one = load.Load(running, requests, expected, clients=8, seconds=2)
        asyncio.run(one.run())
        report = one.report()
        self.assertEqual(report["errors"], [])
        self.assertGreaterEqual(report["requests"], 8)
        self.assertEqual((report["checked"], report["different"]), (report["requests"], 0))
        self.assertGreaterEqual(report["rude"], len(client.RUDE))
        status, err = server.stop()
        self.assertEqual((status, err), (0, ""))

    def test_bench(self):
        command = [sys.executable, BENCH / "run", "--pith", PITH, "--model", self.tiny_model()]
        command += ["--clients", "2", "--requests", "1", "--tokens", "4", "--threads", "1"]
        out = self.folder / "load.json"
        subprocess.run(
            [*map(str, command), "--seconds", "0.3", "--json", out],
            env=self.environment, check=True, capture_output=True, timeout=300,
        )
        (report,) = json.loads(out.read_text())
        self.assertEqual((report["errors"], report["different"]), ([], 0))
        self.assertTrue(report["ended_well"])

    def test_switching_on_reads_no_prompt_again(self):
        command = [sys.executable, BENCH.parent / "switching.py", "--pith", PITH, "-m", self.tiny_model()]
        command += ["--sentences", "2", "--prompts", "2", "--rounds", "1", self.tiny_pack()]
        process = subprocess.run(
            [*map(str, command)],
            env=self.environment, check=True, capture_output=True, text=True, timeout=300,
        )
        _, row = process.stdout.splitlines()
        tokens, _base_s, again, _switched_s, pack = row.split()
        self.assertEqual(pack, str(self.tiny_pack()))
        self.assertGreater(float(tokens), 50)
        self.assertLess(float(again), float(tokens) / 4)  # the assistant's header alone


if __name__ == "__main__":
    main()
