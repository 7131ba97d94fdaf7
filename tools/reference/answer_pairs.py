"""Pairs of answers that tell a good judge of equivalence from a bad one."""

import json
import random
import re
from fractions import Fraction

INTEGER = re.compile(r"(?<![\d.{])\d{1,6}(?![\d.,!])")
FRACTION = re.compile(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}")


def answers(path, field="answer"):
    """The final answers of a data set, without repeats, in its order."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = [str(row[field]).split("####")[-1].strip() for row in rows]
    return list(dict.fromkeys(a for a in found if a))


# --- the same value, written differently ---


def as_decimal(answer):
    """A fraction that ends as a decimal."""
    match = re.fullmatch(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}", answer)
    if not match or int(match[3]) == 0:
        return None
    value = Fraction(int(match[2]), int(match[3]))
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1 or value.denominator > 10000:
        return None
    return match[1] + format(value.numerator / value.denominator, ".10f").rstrip("0").rstrip(".")


def with_separators(answer):
    if not re.fullmatch(r"-?\d{4,}", answer):
        return None
    return format(int(answer), ",")


def expanded_fraction(answer, rng):
    """Numerator and denominator times the same number."""

    def larger(match):
        factor = rng.randrange(2, 6)
        return f"\\frac{{{int(match[1]) * factor}}}{{{int(match[2]) * factor}}}"

    changed = FRACTION.sub(larger, answer)
    return changed if changed != answer else None


def swapped_sum(answer):
    """a + b as b + a, where both are simple."""
    match = re.fullmatch(r"([\w\\{}^ ]+?) ?\+ ?([\w\\{}^ ]+)", answer)
    if not match or answer.count("{") != answer.count("}"):
        return None
    if any(part.count("{") != part.count("}") for part in match.groups()):
        return None
    if "text" in answer or "mbox" in answer:
        return None
    return f"{match[2]} + {match[1]}"


def rewritings(answer, rng):
    yield answer.replace("\\frac", "\\dfrac")
    yield answer.replace("\\frac", "\\tfrac").replace("\\left", "").replace("\\right", "")
    prose = re.search(r"\\(text|mbox|math)", answer)
    yield answer if prose else re.sub(r"(?<![A-Za-z]) | (?![A-Za-z])", "", answer)
    yield FRACTION.sub(r"(\1/\2)", answer) if not re.search(r"\d ?\\\w?frac", answer) else None
    yield re.sub(r"(?<!\\)([(\[])", r"\\left\1", re.sub(r"(?<!\\)([)\]])", r"\\right\1", answer)) if (
        "left" not in answer and "sqrt[" not in answer and answer.count("(") + answer.count("[") == 1
    ) else answer
    yield answer.replace("^\\circ", "^{\\circ}")
    yield re.sub(r"\^(\d)(?!\d)", r"^{\1}", answer)
    yield re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt\1", answer)
    yield re.sub(r"\\text\{ ?([A-Za-z ]+)\}", r"\\mathrm{\1}", answer)
    yield expanded_fraction(answer, rng)
    yield as_decimal(answer)
    yield with_separators(answer)
    yield swapped_sum(answer)
    if re.fullmatch(r"-?\d+", answer):
        yield answer + ".0"
        yield "x = " + answer
        yield f"{answer} \\text{{ cm}}"
        yield "+" + answer if answer[0] != "-" else None
    if re.fullmatch(r"\d+", answer):
        yield f"{answer}\\%"
    if re.fullmatch(r"\d+(\.\d+)?", answer):
        yield "\\$" + answer


# --- another value, written almost the same ---


def near_misses(answer, rng):
    numbers = list(INTEGER.finditer(answer))
    if numbers:
        match = rng.choice(numbers)
        changed = str(int(match[0]) + rng.choice((1, -1, 10)))
        yield answer[: match.start()] + changed + answer[match.end() :]
    yield answer[1:] if answer[0] == "-" else "-" + answer
    yield answer.replace("+", "-") if "+" in answer else answer.replace("-", "+", 1)
    yield answer.replace("\\sqrt", "")
    yield answer.replace("\\pi", "")
    yield re.sub(r"\\frac\{(\w+)\}\{(\w+)\}", r"\\frac{\2}{\1}", answer)
    yield re.sub(r"\^\{?2\}?", "^3", answer)
    yield re.sub(r"\(([^,()]+),([^,()]+)\)", r"(\2,\1)", answer) if "right" not in answer else None
    yield answer.replace("(", "[", 1).replace(")", "]") if "infty" not in answer else answer
    yield re.sub(r"(?<![A-Za-z\\])x(?![A-Za-z])", "y", answer)
    yield re.sub(r"_\{?\d+\}?", "", answer)


def usable(gold, candidate):
    return candidate is not None and candidate != gold and candidate.count("{") == candidate.count("}")


def variants(golds, make, rng, limit):
    """At most `limit` pairs of a gold and what `make` makes of it."""
    pairs = [(g, c) for g in golds for c in make(g, rng) if usable(g, c)]
    pairs = list(dict.fromkeys(pairs))
    return sorted(rng.sample(pairs, min(limit, len(pairs))))


def neighbours(golds, count, rng):
    """Different answers that stand next to each other in alphabetical order."""
    ordered = sorted(golds)
    pairs = list(zip(ordered, ordered[1:]))
    return rng.sample(pairs, min(count, len(pairs)))


def strangers(golds, count, rng):
    return [tuple(rng.sample(golds, 2)) for _ in range(count)]
