"""Builds the wheel of the package beside, by PEP 517, with the standard library alone."""

import base64
import hashlib
import re
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "pith"
LICENCE = HERE.parent / "LICENSE"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file knows: the same bytes each time


def read_version():
    header = (HERE.parent / "include" / "pith" / "version.h").read_text()
    return re.search(r'PITH_VERSION "(.+)"', header)[1]


def metadata(project, version):
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {project['name']}\n"
        f"Version: {version}\n"
        f"Summary: {project['description']}\n"
        f"License: {project['license']}\n"
        f"Requires-Python: {project['requires-python']}\n"
    )


WHEEL = """Wheel-Version: 1.0
Generator: pith
Root-Is-Purelib: true
Tag: py3-none-any
"""


def record_line(name, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    version = read_version()
    info = f"{project['name']}-{version}.dist-info"
    files = {
        f"pith/{path.name}": path.read_bytes()
        for path in sorted(PACKAGE.iterdir())
        if path.suffix == ".py" or path.name == "py.typed"
    }
    files[f"{info}/METADATA"] = metadata(project, version).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/LICENSE"] = LICENCE.read_bytes()
    record = "".join(record_line(*file) for file in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()

    name = f"{project['name']}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("the package is built from pith's source tree: there is no sdist of it alone")
