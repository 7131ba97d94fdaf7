"""What is built, installed and packaged: files, symbols, dependencies, completions, pages; and
the examples, built against what was installed."""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from python_case import PITH, main  # noqa: E402
from tiny_case import TinyTest  # noqa: E402

BUILD = Path(os.environ.get("PITH_BUILD", "build"))
CMAKE = os.environ.get("PITH_CMAKE", "cmake")
HEADER = (ROOT / "include/pith/pith.h").read_text()
VERSION = re.search(r'PITH_VERSION "(.+)"', (ROOT / "include/pith/version.h").read_text())[1]

# All else is in the two files. Those with a network or an archive in them are shared, so that
# the system's fixes reach them; Debian has no static fmt and libzip.
SYSTEM = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2"}
LIBRARY_NEEDS = SYSTEM | {"libfmt.so.9", "libcrypto.so.3"}
PROGRAM_NEEDS = LIBRARY_NEEDS | {"libcurl.so.4", "libzip.so.4", "libedit.so.2"}

# Of an installation, below its prefix; LIB is the folder of libraries.
INSTALLED = {
    "bin/pith",
    "bin/pith-train",
    "LIB/libpith.so",
    "LIB/libpith.so.0",
    f"LIB/libpith.so.{VERSION}",
    "LIB/cmake/pith/pith-config.cmake",
    "LIB/cmake/pith/pith-config-version.cmake",
    "LIB/cmake/pith/pith-targets.cmake",
    "LIB/pkgconfig/pith.pc",
    "include/pith/pith.h",
    "include/pith/pith.hpp",
    "include/pith/version.h",
    "share/bash-completion/completions/pith",
    "share/fish/vendor_completions.d/pith.fish",
    "share/zsh/vendor-completions/_pith",
    "share/doc/pith/copyright",
    "share/man/man1/pith.1",
    "share/man/man1/pith-ask.1",
}


class Case(TinyTest):
    def run_ok(self, *command, **options):
        options.setdefault("env", self.environment)
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
        )
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def commands(self):
        listed = self.pith("--help").out.partition("Subcommands:")[2]
        return re.findall(r"^  (\w+)", listed, re.M)

    def assert_installed(self, files):
        """`files` are those of an installation; those of a build type may stand beside."""
        folders = {Path(file).parent for file in files if Path(file).name == "libpith.so"}
        self.assertEqual(len(folders), 1)
        library = str(folders.pop())
        self.assertFalse({f.replace("LIB", library) for f in INSTALLED} - files)
        for command in self.commands():
            self.assertIn(f"share/man/man1/pith-{command}.1", files)
        return library


class Built(Case):
    def needed(self, path):
        return set(re.findall(r"\(NEEDED\).*\[(.+)\]", self.run_ok("readelf", "-d", path)))

    def test_dependencies_are_few(self):
        self.assertFalse(self.needed(PITH) - PROGRAM_NEEDS)
        self.assertFalse(self.needed(BUILD / "lib/libpith.so") - LIBRARY_NEEDS)

    def test_the_library_shows_the_c_interface_alone(self):
        library = BUILD / "lib/libpith.so"
        self.assertIn("[libpith.so.0]", self.run_ok("readelf", "-d", library))
        symbols = self.run_ok("nm", "-D", "--defined-only", library)
        shown = {line.split()[-1].partition("@")[0] for line in symbols.splitlines()}
        declared = set(re.findall(r"\b(pith_\w+)\((?!\*)", re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)))
        self.assertGreater(len(declared), 20)
        self.assertEqual(shown - {"PITH_0"}, declared)

    def test_bash_completes(self):
        script = BUILD / "described/bash/pith"

        def completions(*words):
            line = " ".join(f"'{word}'" for word in words)
            call = f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _pith"
            out = self.run_ok("bash", "-euc", call + '; printf "%s\\n" "${COMPREPLY[@]}"')
            return out.split()

        self.assertEqual(completions("pith", "as"), ["ask"])
        self.assertEqual(set(completions("pith", "")), {*self.commands(), "--help", "--version"})
        self.assertEqual(completions("pith", "ask", "--vo"), ["--vote"])
        self.assertEqual(completions("pith", "ask", "--vote", "ma"), ["majority"])
        self.assertEqual(completions("pith", "ask", "--file", "x"), [])
        self.assertEqual(completions("pith", "ask", "wh"), [])

    def test_every_option_is_described(self):
        fish = (BUILD / "described/fish/pith.fish").read_text()
        zsh = (BUILD / "described/zsh/_pith").read_text()
        # `pith train` has none of its own: it hands all that it is given to pith-train.
        for command in {*self.commands()} - {"train"}:
            page = (BUILD / f"described/man/pith-{command}.1").read_text().replace("\\-", "-")
            options = re.findall(r"^  (?:-\w,)?(--[\w-]+)", self.pith(command, "--help").out, re.M)
            self.assertIn("--help", options)
            for option in options:
                self.assertIn(f"\\fB{option}\\fR", page)
                self.assertRegex(fish, rf"seen_subcommand_from {command}'.* -l {option[2:]}\b")
                self.assertIn(option, zsh)

    @unittest.skipUnless(shutil.which("man"), "no man here")
    def test_pages_are_well_formed(self):
        for page in (BUILD / "described/man").iterdir():
            environment = {**self.environment, "MANROFFSEQ": "", "MANWIDTH": "80"}
            done = subprocess.run(
                ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
                capture_output=True,
                env=environment,
            )
            self.assertEqual((done.returncode, done.stderr), (0, b""), page)


class Installed(Case):
    def test_examples_run_against_what_is_installed(self):
        prefix = self.folder / "prefix"
        self.run_ok(CMAKE, "--install", BUILD, "--prefix", prefix)
        files = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if not p.is_dir()}
        library = prefix / self.assert_installed(files)
        question = ["2+2?", self.tiny_model()]

        build = self.folder / "examples"
        self.run_ok(CMAKE, "-S", ROOT / "examples", "-B", build, "-G", "Ninja",
                    f"-DCMAKE_PREFIX_PATH={prefix}")  # fmt: skip
        self.run_ok(CMAKE, "--build", build)
        self.assertIn("answer: ", self.run_ok(build / "ask", *question))
        self.assertIn("answer: ", self.run_ok(build / "branches", *question))

        self.environment["PKG_CONFIG_PATH"] = str(library / "pkgconfig")
        self.assertEqual(self.run_ok("pkg-config", "--modversion", "pith").strip(), VERSION)
        flags = self.run_ok("pkg-config", "--cflags", "--libs", "pith").split()
        self.run_ok("cc", "-std=c99", ROOT / "examples/c/ask.c", "-o", self.folder / "ask", *flags)
        self.environment["LD_LIBRARY_PATH"] = str(library)
        self.assertIn("answer: ", self.run_ok(self.folder / "ask", *question))

        package = self.folder / "python"
        self.run_ok(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet",
                    "--disable-pip-version-check", "--target", package, ROOT / "python")  # fmt: skip
        self.assertTrue((package / "pith/py.typed").exists())
        self.environment["PYTHONPATH"] = str(package)
        program = "import pith, sys; print(pith.version(), pith.Model(sys.argv[1]).info.architecture)"
        told = self.run_ok(sys.executable, "-c", program, self.tiny_model())
        self.assertEqual(told.split(), [VERSION, "qwen2"])

    @unittest.skipUnless(shutil.which("dpkg-shlibdeps"), "no dpkg-dev here")
    def test_debian_package(self):
        self.run_ok("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake",
                    "-B", self.folder / "package", cwd=self.folder)  # fmt: skip
        (package,) = (self.folder / "package").glob("*.deb")
        self.assertRegex(package.name, rf"^pith_{re.escape(VERSION)}_\w+\.deb$")
        listing = self.run_ok("dpkg-deb", "-c", package)
        files = {line.split()[5].removeprefix("./usr/") for line in listing.splitlines()}
        self.assert_installed(files)
        self.assertEqual(self.run_ok("dpkg-deb", "-f", package, "Package").strip(), "pith")
        self.assertEqual(self.run_ok("dpkg-deb", "-f", package, "Version").strip(), VERSION)
        depends = self.run_ok("dpkg-deb", "-f", package, "Depends")
        for name in ("libc6", "libstdc++6", "libcurl4", "libssl3", "libedit2", "libfmt9", "libzip4"):
            self.assertRegex(depends, rf"\b{re.escape(name)} ")
        content = self.folder / "content"
        self.run_ok("dpkg-deb", "-x", package, content)
        licence = (content / "usr/share/doc/pith/copyright").read_text()
        self.assertEqual(licence, (ROOT / "LICENSE").read_text())
        self.assertEqual(self.run_ok(content / "usr/bin/pith", "--version").strip(), f"pith {VERSION}")


if __name__ == "__main__":
    main()
