"""llama.cpp's own server, built from the source that comes with llama-cpp-python: a package
index is all that it needs."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "llama-cpp-python==0.3.36"
OPTIONS = """-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF
    -DLLAMA_USE_PREBUILT_UI=OFF""".split()


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pith-bench" / PACKAGE.replace("==", "-")


def run(*command):
    subprocess.run([str(part) for part in command], stdout=sys.stderr, check=True)


def unpack(archive, folder):
    """llama.cpp's source alone, and no names that lead out of the folder."""
    with tarfile.open(archive) as package:
        for member in package:
            _, found, name = member.name.partition("/vendor/llama.cpp/")
            if found and not name.startswith(".git"):
                member.name = name
                package.extract(member, folder, filter="data")


def build():
    """The path of llama-server, built once; takes long then."""
    folder = cache_folder()
    server = folder / "build/bin/llama-server"
    if server.exists():
        return server
    source = folder / "source"
    if not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            run(sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--no-binary",
                PACKAGE.partition("==")[0],
                "--dest", temporary, PACKAGE)
            (archive,) = Path(temporary).glob("*.tar.gz")
            unpack(archive, Path(temporary) / "source")
            shutil.move(Path(temporary) / "source", source)
    run("cmake", "-G", "Ninja", "-S", source, "-B", folder / "build", *OPTIONS)
    run("ninja", "-C", folder / "build", "llama-server")
    return server
