"""One load on one server: clients that ask one request after the other, some rude ones, and
what comes of it."""

import asyncio
import random
import statistics
import time

import client

SAMPLE_S = 0.5  # between two looks at the server's memory
WARM_UP_S = 60  # the server's memory may grow so long: caches fill
RUDE_SHARE = 0.01


class Load:
    """`expected`: what each request is answered alone, by its number; None: nobody knows."""

    def __init__(self, server, requests, expected, clients, seconds):
        self.server, self.requests, self.expected = server, requests, expected
        self.clients, self.seconds = clients, seconds
        self.answers, self.errors, self.different = [], [], 0
        self.begun = self.rude = 0
        self.memory = []  # (seconds, own bytes, resident bytes)

    async def run(self):
        self.start = time.perf_counter()
        self.end = self.start + self.seconds
        watch = asyncio.create_task(self.watch_memory())
        await asyncio.gather(self.be_rude(), *(self.ask(number) for number in range(self.clients)))
        watch.cancel()

    async def ask(self, number):
        rng = random.Random(number)
        while time.perf_counter() < self.end:
            which = rng.randrange(len(self.requests))
            self.begun += 1
            try:
                answer = await client.stream(self.server.port, self.requests[which])
            except client.Failed as error:
                self.errors.append(str(error))
                if not self.server.is_alive():
                    return
                continue
            self.answers.append(answer)
            if self.expected and answer.said() != self.expected[which]:
                self.different += 1

    async def be_rude(self):
        """Each kind at least once, and as many as RUDE_SHARE of all."""
        acts = []
        while (now := time.perf_counter()) < self.end and self.server.is_alive():
            passed = (now - self.start) / self.seconds
            if self.rude < max(RUDE_SHARE * self.begun, (len(client.RUDE) + 1) * passed):
                request = self.requests[self.rude % len(self.requests)]
                act = client.be_rude(self.rude, self.server.port, request)
                acts.append(asyncio.create_task(act))
                self.rude += 1
            await asyncio.sleep(min(0.1, self.seconds / 20))
        await asyncio.gather(*acts)

    async def watch_memory(self):
        while self.server.is_alive():
            self.memory.append((time.perf_counter() - self.start, *self.server.resident_bytes()))
            await asyncio.sleep(SAMPLE_S)

    def report(self):
        tokens = sum(tokens_until(answer, self.end) for answer in self.answers)
        return {
            "server": self.server.name,
            "clients": self.clients,
            "seconds": self.seconds,
            "requests": len(self.answers),
            "rude": self.rude,
            "tokens_per_second": tokens / self.seconds,
            "first_token_s": summary([a.first_s() for a in self.answers if a.arrivals]),
            "between_tokens_s": summary([gap for a in self.answers for gap in a.gaps_s()]),
            "errors": self.errors,
            "checked": len(self.answers) if self.expected else 0,
            "different": self.different,
            "memory": memory_report(self.memory, self.seconds),
        }


def tokens_until(answer, end):
    """Those of its tokens that had come by then: chunks of text have about one each."""
    if not answer.arrivals:
        return 0
    share = sum(at <= end for at in answer.arrivals) / len(answer.arrivals)
    return share * answer.usage.get("completion_tokens", len(answer.arrivals))


def summary(values):
    if not values:
        return None
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)],
        "longest": ordered[-1],
    }


def slope(points):
    """Of the line through them by least squares."""
    xs, ys = zip(*points)
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread if spread > 0 else 0.0


def memory_report(samples, seconds):
    """What the process itself holds, and how it grows once it is warm: after the first minute,
    or in the second half of a shorter load."""
    if not samples:
        return None
    warm = min(WARM_UP_S, seconds / 2)
    points = [(at, own) for at, own, _ in samples if at >= warm]
    return {
        "own_bytes": [samples[0][1], samples[-1][1]],
        "resident_bytes": [samples[0][2], samples[-1][2]],
        "warm_after_s": warm,
        "bytes_per_minute": 60 * slope(points) if len(points) > 1 else None,
    }


async def ask_alone(server, requests):
    """The answers to the requests, one after the other."""
    return [(await client.stream(server.port, request)).said() for request in requests]


# ---- The second turn of a chat.


async def second_turn(server, request, question, steps):
    """A first turn, and behind it `question`: what of it was read, and when it began."""
    first = await client.stream(server.port, request)
    messages = [
        *request["messages"],
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": question},
    ]
    second = await client.stream(server.port, request | {"messages": messages, "max_tokens": steps})
    step = statistics.median(second.gaps_s() + first.gaps_s())
    details = second.usage.get("prompt_tokens_details") or {}
    return {
        "prompt_tokens": second.usage["prompt_tokens"],
        "read_tokens": second.usage["prompt_tokens"] - details.get("cached_tokens", 0),
        "first_token_s": second.first_s(),
        "step_s": step,
        "steps": second.first_s() / step,
    }
