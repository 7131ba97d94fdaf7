#!/usr/bin/env python3
"""Schemathesis against a running server: requests made from its own description, right and wrong.

    PITH_API_KEY=secret pith serve -m smollm2-135m --port 8080 --context 512 --budget 8 --branches 2 &
    .venv-reference/bin/python tools/reference/check_openapi.py http://127.0.0.1:8080 secret

Held to it: no answer of 500; no status, type or content that the description does not have; no
wrong request that is taken; no method that is not there; no way around a key. Not that every
request that fits the description is taken: a prompt may be too long, a model's name unknown.
With --examples N it makes N requests an endpoint.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
]
REQUEST_S = 60


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("key", help="an API key of the server, which must have one")
    parser.add_argument("--examples", type=int, default=100, help="requests an endpoint [100]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    command = [Path(sys.executable).parent / "schemathesis", "run", arguments.url + "/openapi.json"]
    command += ["--url", arguments.url, "--checks", ",".join(CHECKS), "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", arguments.examples]
    command += ["--seed", arguments.seed, "--request-timeout", REQUEST_S]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    command += ["--header", f"Authorization: Bearer {arguments.key}"]
    with tempfile.TemporaryDirectory() as folder:  # it keeps what it finds where it runs
        return subprocess.run([str(part) for part in command], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
