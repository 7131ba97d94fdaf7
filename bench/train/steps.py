"""From seconds of steps to a table: medians and ratios."""

import csv
import io
import statistics


def seconds_of_log(text):
    """Of each step of a run's steps.csv."""
    return [float(row["seconds"]) for row in csv.DictReader(io.StringIO(text))]


class Run:
    """One process: seconds of its steps, of which the first warms up, and its memory."""

    def __init__(self, seconds, memory_bytes):
        self.seconds = seconds
        self.memory_bytes = memory_bytes

    def step(self):
        return statistics.median(self.seconds[1:])


class Comparison:
    """Runs of all engines on the same texts, `tokens` a step; the first engine is ours."""

    def __init__(self, name, tokens, runs):
        self.name = name
        self.tokens = tokens
        self.runs = runs

    def speed(self, engine):
        """Tokens a second, the median of the runs."""
        return self.tokens / statistics.median(run.step() for run in self.runs[engine])

    def memory(self, engine):
        return max(run.memory_bytes for run in self.runs[engine])

    def ratios(self):
        """Of each round: how many times as fast the first engine was as the second."""
        ours, theirs = self.runs.values()
        return [b.step() / a.step() for a, b in zip(ours, theirs)]

    def json(self):
        return {
            "texts": self.name,
            "tokens_per_step": self.tokens,
            "ratio": statistics.median(self.ratios()),
            "engines": {
                engine: {
                    "tokens_per_second": self.speed(engine),
                    "memory_bytes": self.memory(engine),
                    "seconds": [run.seconds for run in runs],
                }
                for engine, runs in self.runs.items()
            },
        }


def table(comparisons):
    lines = [
        f"{'texts':12}{'':12}{'tokens/s':>10}{'memory':>10}",
    ]
    for comparison in comparisons:
        for engine in comparison.runs:
            lines.append(
                f"{comparison.name:12}{engine:12}{comparison.speed(engine):10.1f}"
                f"{comparison.memory(engine) / 1e9:7.1f} GB"
            )
        ratios = comparison.ratios()
        lines.append(
            f"{'':12}{'ratio':12}{statistics.median(ratios):10.2f}"
            f"   ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    return "\n".join(lines) + "\n"
