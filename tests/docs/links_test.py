"""What documentation and comments point to must be there: links, files, names, flags."""

import functools
import re
import unittest
from pathlib import Path

from python_case import main

SELF = Path(__file__).resolve()
ROOT = SELF.parents[2]
FOLDERS = ("src", "tests", "docs", "tools", "cmake", "models", "include", "bench")
# How comments begin; pages and Python count whole.
SIGNS = {".md": "", ".py": "", ".h": "//", ".cpp": "//", ".inc": "//", ".cmake": "#", "": "#"}

PATH = re.compile(rf"(?<![\w/.$}}-])(?:{'|'.join(FOLDERS)})/[\w./*{{}},+-]*\w")
HEADER = re.compile(r"(?<![\w/.<-])(?:\w+/)+\w+\.(?:h|cpp)\b")  # "base/cpu.h" from src
WORD = re.compile(r"[A-Za-z_]\w*")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@functools.cache
def texts():
    """Every page and source by its path, without what tests only read."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths += ROOT.iterdir()
    ours = [p for p in paths if p.suffix in SIGNS or p.name == "CMakeLists.txt"]
    ours = [p for p in ours if p.is_file() and p != SELF and "corpus" not in p.parts]
    return {path: path.read_text(errors="replace") for path in ours}


def pages():
    return [path for path in texts() if path.suffix == ".md"]


def expanded(path):
    """a{b,c} is ab and ac; NAME stands for anything, as * does."""
    match = re.search(r"\{([^{}]*)\}", path)
    if match:
        return [e for part in match[1].split(",") for e in expanded(path.replace(match[0], part))]
    return [re.sub(r"\bNAME(?=\b|_)", "*", path)]


@functools.cache
def exists(path, *bases):
    return all(any(any(base.glob(p)) for base in bases) for p in expanded(path))


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def inline_code(text):
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


class Documentation(unittest.TestCase):
    def assert_none(self, missing):
        self.assertFalse(missing, "\n" + "\n".join(missing))

    def test_links(self):
        missing = []
        for page in pages():
            for target in re.findall(r"\]\(([^)\s]+)\)", texts()[page]):
                file, _, anchor = target.partition("#")
                goal = page.parent / file if file else page
                there = goal.exists() and (not anchor or anchor in anchors(goal))
                if not there and not re.match(r"[a-z]+:", target):
                    missing.append(f"{page.relative_to(ROOT)}: {target}")
        self.assert_none(missing)

    def test_files(self):
        missing = []
        for path, text in texts().items():
            sign = SIGNS.get(path.suffix, "#")
            bases = (ROOT, ROOT / "src", ROOT / "include", ROOT / "tests", path.parent)
            for number, line in enumerate(text.splitlines(), 1):
                comment = line[line.find(sign) :] if sign in line else ""
                wrong = {p for p in PATH.findall(comment) if not exists(p, ROOT)}
                wrong |= {p for p in HEADER.findall(comment) if not exists(p, *bases)}
                missing += [f"{path.relative_to(ROOT)}:{number}: {p}" for p in sorted(wrong)]
        self.assert_none(missing)

    def test_names_and_flags(self):
        sources = "\n".join(text for path, text in texts().items() if path.suffix != ".md")
        words, flags = set(WORD.findall(sources)), set(FLAG.findall(sources))
        missing = []
        for page in pages():
            if page.name == "equivalence.md":  # its code is mathematics
                continue
            for code in inline_code(texts()[page]):
                named = set(WORD.findall(re.sub(r"\S*/\S*", "", code)))  # paths: above
                wrong = named - words | set(FLAG.findall(code)) - flags
                missing += [f"{page.relative_to(ROOT)}: {w} in {code}" for w in sorted(wrong)]
        self.assert_none(missing)


if __name__ == "__main__":
    main()
