"""From runs to a table: medians, ratios, shares of what the machine can do at most."""

import statistics

UNITS = {"memory": "GB/s", "int8": "GOP/s"}


class Work:
    """What a model must at least read and multiply."""

    def __init__(self, facts):
        """`facts`: what `pith show --json --tensors` prints."""
        matrices = [t for t in facts["tensors"] if len(t["shape"]) == 2]
        head = [t for t in matrices if t["name"] == "output.weight"]
        head = head or [t for t in matrices if t["name"] == "token_embd.weight"]  # tied
        blocks = [t for t in matrices if t["name"].startswith("blk.")]
        self.weight_bytes = sum(t["bytes"] for t in blocks + head)
        self.block_weights = sum(t["shape"][0] * t["shape"][1] for t in blocks)
        self.head_weights = sum(t["shape"][0] * t["shape"][1] for t in head)
        self.kv_bytes = facts["memory"]["kv_bytes_per_token"]

    def prefill(self, prompt):
        """Bytes and multiplications; logits of the last token alone."""
        return self.weight_bytes, prompt * self.block_weights + self.head_weights

    def step(self, branches, prompt, generated):
        """Those of one step halfway through: the prompt's KV is read once for all branches."""
        kv = self.kv_bytes * (prompt + branches * generated / 2)
        return self.weight_bytes + kv, branches * (self.block_weights + self.head_weights)


def best_limits(rounds):
    """The best of all rounds: a limit is what nothing disturbed."""
    return {
        name: max(limits[name]["all_threads"] for limits in rounds if name in limits)
        for name in UNITS
        if any(name in limits for limits in rounds)
    }


def bound(work, limits):
    """The least seconds for (bytes, multiplications) and what bounds them.

    A multiplication and its addition are two operations. Attention's products are left out.
    """
    byte_count, multiplications = work
    seconds = {"memory": byte_count / (limits["memory"] * 1e9)}
    if "int8" in limits:
        seconds["int8"] = 2 * multiplications / (limits["int8"] * 1e9)
    name = max(seconds, key=seconds.get)
    return seconds[name], name


def aligned(cells, widths):
    """A row of the table: the first cell to the left, numbers to the right."""
    first, *others = zip(cells, widths)
    return " | ".join(["| " + first[0].ljust(first[1])] + [c.rjust(w) for c, w in others]) + " |"


class Report:
    def __init__(self, name, facts, options, figures):
        self.name = name
        self.options = options
        self.figures = figures
        self.limits = best_limits(figures["limits"])
        work = Work(facts)
        prompt = options["prompt"]
        self.rows = [self.row("prefill", 1, prompt, work.prefill(prompt))]
        for n in options["branches"]:
            self.rows.append(self.row("decode", n, n, work.step(n, prompt, options["generate"])))

    def row(self, test, branches, tokens, work):
        seconds, bound_by = bound(work, self.limits)
        limit = tokens / seconds
        engines = {}
        for engine, runs in self.figures["runs"].items():
            speeds = [
                row["tokens_per_second"]
                for run in runs
                for row in run["rows"]
                if (row["test"], row["branches"]) == (test, branches)
            ]
            if speeds:
                median = statistics.median(speeds)
                engines[engine] = {
                    "tokens_per_second": median,
                    "lowest": min(speeds),
                    "highest": max(speeds),
                    "share_of_limit": median / limit,
                }
        return {
            "test": test,
            "branches": branches,
            "limit_tokens_per_second": limit,
            "bound_by": bound_by,
            "engines": engines,
        }

    def loads(self):
        """Seconds from the model's file to an engine that is ready, of those that tell."""
        runs = self.figures["runs"].items()
        return {e: statistics.median(r["load_s"] for r in of) for e, of in runs if "load_s" in of[0]}

    def json(self):
        keys = ("prompt", "generate", "threads", "rounds")
        return {
            "model": self.name,
            **{key: self.options[key] for key in keys},
            "limits": self.limits,
            "load_s": self.loads(),
            "rows": self.rows,
            "runs": self.figures["runs"],
            "limits_by_round": self.figures["limits"],
        }

    def text(self):
        machine = self.figures["runs"]["pith"][0]["machine"]
        versions = [run[0].get("version") for run in self.figures["runs"].values()]
        limits = [f"{name} {rate:.1f} {UNITS[name]}" for name, rate in self.limits.items()]
        options = self.options
        loads = [f"{engine} {seconds:.2f}" for engine, seconds in self.loads().items()]
        lines = [
            f"{self.name}: prompt of {options['prompt']}, {options['generate']} tokens a branch, "
            f"{options['threads']} threads, medians of {options['rounds']} alternating runs",
            f"{machine['cpu']}, {machine['isa']}; "
            + ", ".join(dict.fromkeys(filter(None, versions))),
            "this machine at most: " + ", ".join(limits),
            "seconds to load the file: " + ", ".join(loads),
            "",
        ]
        return "\n".join(lines + self.table()) + "\n"

    def table(self):
        """Markdown, aligned. Tokens a second of all branches together; ratio: pith to the peer."""
        peers = [engine for engine in self.figures["runs"] if engine != "pith"]
        header = ["test", "limit", "by", "pith", "share"]
        for peer in peers:
            header += [peer, "share", "ratio"]
        cells = [header, ["-"] * len(header)]
        for row in self.rows:
            cells.append(self.cells(row, peers))
        widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
        cells[1] = ["-" * (w - 1) + ":" if i else "-" * w for i, w in enumerate(widths)]
        return [aligned(line, widths) for line in cells]

    def cells(self, row, peers):
        ours = row["engines"]["pith"]
        title = "prefill" if row["test"] == "prefill" else f"decode N={row['branches']}"
        cells = [title, f"{row['limit_tokens_per_second']:.1f}", row["bound_by"]]
        cells += self.speed(ours)
        for peer in peers:
            theirs = row["engines"].get(peer)
            cells += self.speed(theirs) if theirs else ["-", "-"]
            ratio = theirs and ours["tokens_per_second"] / theirs["tokens_per_second"]
            cells.append(f"{ratio:.2f}" if ratio else "-")
        return cells

    @staticmethod
    def speed(engine):
        return [f"{engine['tokens_per_second']:.1f}", f"{engine['share_of_limit']:.0%}"]
