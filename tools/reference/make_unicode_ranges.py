#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.inc: the letters, numbers and white space of Unicode.

The pre-tokenisers' regular expressions are run by the `tokenizers` library when a
model is trained, so the classes are asked of that library (0.23: Unicode 16.0)
rather than of whatever Unicode version this machine happens to have.

    pip install tokenizers==0.23.3
    python3 tools/reference/make_unicode_ranges.py > src/text/unicode_ranges.inc
"""

from tokenizers import Regex, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def members(pattern):
    """The code points that the pattern matches whole."""
    remove = pre_tokenizers.Split(Regex(pattern), behavior="removed")
    return [c for c in SCALARS if not remove.pre_tokenize_str(chr(c))]


def ranges(code_points):
    result = []
    for c in code_points:
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def main():
    print("// Made by tools/reference/make_unicode_ranges.py: Unicode 16.0. Not to be edited.")
    for name, pattern in [("letter", r"\p{L}"), ("number", r"\p{N}"), ("space", r"\s")]:
        entries = [f"{{{a:#x}, {b:#x}}}" for a, b in ranges(members(pattern))]
        print(f"\nconstexpr CodePointRange k_{name}_ranges[] = {{")
        for i in range(0, len(entries), 4):
            print("    " + ", ".join(entries[i : i + 4]) + ",")
        print("};")


if __name__ == "__main__":
    main()
