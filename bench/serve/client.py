"""A client of OpenAI's API on asyncio, as much of HTTP as a load needs: streams whose every chunk
has a time, and clients that behave badly."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

CHAT = "/v1/chat/completions"
WHOLE_S = 600  # for one answer: beyond it something hangs


class Failed(Exception):
    """A request that was not answered as it should be."""


@dataclass
class Answer:
    text: str = ""
    logprobs: list = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict = field(default_factory=dict)
    sent: float = 0.0
    arrivals: list = field(default_factory=list)  # times of the chunks that have text

    def first_s(self):
        return self.arrivals[0] - self.sent

    def gaps_s(self):
        return [b - a for a, b in zip(self.arrivals, self.arrivals[1:])]

    def said(self):
        """What must be the same whoever else is served, to the bit."""
        return (self.text, self.finish_reason, self.usage.get("completion_tokens"), self.logprobs)


class Connection:
    def __init__(self, port):
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_exception):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self):
        """The status of the answer that comes, and its headers."""
        line = await self.reader.readline()
        parts = line.split(b" ", 2)
        if len(parts) < 2 or not parts[1].isdigit():
            raise Failed("the connection ended without an answer")
        headers = {}
        while (line := (await self.reader.readline()).strip()):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(parts[1]), headers

    async def body(self, headers):
        """Its pieces, as they come."""
        if "chunked" in headers.get("transfer-encoding", ""):
            while size := int((await self.reader.readline()).split(b";")[0] or b"0", 16):
                yield await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        elif "content-length" in headers:
            yield await self.reader.readexactly(int(headers["content-length"]))
        else:
            while piece := await self.reader.read(1 << 16):
                yield piece


def post(path, body):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def chat(request):
    return post(CHAT, json.dumps(request).encode())


async def get(port, path):
    """Status and text."""
    async with Connection(port) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        await connection.send(head.encode())
        status, headers = await connection.head()
        return status, b"".join([piece async for piece in connection.body(headers)]).decode()


async def events(pieces):
    """The data of a stream of server-sent events."""
    rest = b""
    async for piece in pieces:
        rest += piece
        *whole, rest = rest.split(b"\n\n")
        for event in whole:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:]


async def stream(port, request):
    """The answer to a chat request, to its end. Failed says what was wrong with it."""
    try:
        return await asyncio.wait_for(_stream(port, request), WHOLE_S)
    except asyncio.TimeoutError:
        raise Failed(f"no end after {WHOLE_S} s") from None
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        raise Failed(f"{type(error).__name__}: {error}") from None


async def _stream(port, request):
    answer = Answer()
    body = request | {"stream": True, "stream_options": {"include_usage": True}}
    async with Connection(port) as connection:
        answer.sent = time.perf_counter()
        await connection.send(chat(body))
        status, headers = await connection.head()
        if status != 200:
            raise Failed(f"status {status}")
        done = False
        async for data in events(connection.body(headers)):
            if data == b"[DONE]":
                done = True
                continue
            chunk = json.loads(data)
            if "error" in chunk:
                raise Failed(f"an error in the stream: {chunk['error'].get('message')}")
            _add(answer, chunk)
    if not done or answer.finish_reason is None:
        raise Failed("the stream ended too soon")
    return answer


def _add(answer, chunk):
    answer.usage = chunk.get("usage") or answer.usage
    for choice in chunk["choices"]:
        text = choice["delta"].get("content") or ""
        if text:
            answer.arrivals.append(time.perf_counter())
        answer.text += text
        if choice.get("logprobs"):
            content = choice["logprobs"]["content"] or []
            answer.logprobs += [(token["token"], token["logprob"]) for token in content]
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason


# ---- Clients that behave badly. Each is told the port and a request that it may send, and
# ---- waits for no good answer: what counts is that the server goes on.


async def leaves_in_the_middle(port, request):
    async with Connection(port) as connection:
        await connection.send(chat(request | {"stream": True}))
        for _ in range(4):
            await connection.reader.readline()


async def sends_garbage(port, _request):
    async with Connection(port) as connection:
        await connection.send(random.Random(0).randbytes(5000) + b"\r\n\r\n")
        await connection.reader.read(1000)


async def reads_slowly(port, request):
    async with Connection(port) as connection:
        await connection.send(chat(request | {"stream": True}))
        for _ in range(20):
            if not await connection.reader.read(20):
                break
            await asyncio.sleep(0.1)


async def sends_too_much(port, _request):
    async with Connection(port) as connection:
        await connection.send(post(CHAT, b" " * (8 << 20)))
        await connection.reader.read(1000)


async def sends_half_of_it(port, request):
    async with Connection(port) as connection:
        data = chat(request)
        await connection.send(data[: len(data) // 2])
        await asyncio.sleep(0.2)


RUDE = [leaves_in_the_middle, sends_garbage, reads_slowly, sends_too_much, sends_half_of_it]
RUDE_S = 30  # the longest that one of them stays


async def be_rude(kind, port, request):
    try:
        await asyncio.wait_for(RUDE[kind % len(RUDE)](port, request), RUDE_S)
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        pass  # it was shown out
