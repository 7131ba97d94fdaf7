"""A model hub on 127.0.0.1 that misbehaves on request."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """How the hub answers requests for one file."""

    data: bytes = b""
    honour_range: bool = True
    statuses: list = field(default_factory=list)  # of the first requests, before it gets well
    close_after: list = field(default_factory=list)  # bytes of the first bodies that are sent
    close_always_at: int = -1  # no body ever gets past this byte of the file
    redirect: str = ""
    gate: threading.Event | None = None  # what the second half of a body waits for
    headers: dict = field(default_factory=dict)


class Hub:
    """Serves /OWNER/NAME/resolve/main/FILE from `answers`; logs what was asked."""

    def __init__(self):
        self.answers = {}
        self.requests = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub._answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # clients that are killed are part of the tests

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def put(self, path, data=b"", **behaviour):
        self.answers[path] = Answer(data, **behaviour)
        return self.answers[path]

    def ranges(self):
        return [request["range"] for request in self.requests]

    def _answer(self, handler):
        self.requests.append(
            {
                "path": handler.path,
                "range": handler.headers.get("Range"),
                "authorization": handler.headers.get("Authorization"),
                "host": handler.headers.get("Host"),
            }
        )
        answer = self.answers.get(handler.path)
        if answer is None:
            return self._send_status(handler, 404)
        if answer.statuses:
            return self._send_status(handler, answer.statuses.pop(0))
        if answer.redirect:
            return self._send_status(handler, 302, {"Location": answer.redirect, **answer.headers})
        self._send_file(handler, answer)

    @staticmethod
    def _send_status(handler, status, headers=None):
        body = f"<html>status {status}</html>".encode()
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @staticmethod
    def _send_file(handler, answer):
        wanted = handler.headers.get("Range")
        total = len(answer.data)
        start = int(wanted[len("bytes=") : -1]) if wanted and answer.honour_range else 0
        if wanted and answer.honour_range and start >= total:
            return Hub._send_status(handler, 416, {"Content-Range": f"bytes */{total}"})
        body = answer.data[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if answer.close_after:
            body = body[: answer.close_after.pop(0)]
            handler.close_connection = True
        if answer.close_always_at >= 0:
            body = body[: max(0, answer.close_always_at - start)]
            handler.close_connection = True
        half = len(body) // 2 if answer.gate else 0
        handler.wfile.write(body[:half])
        handler.wfile.flush()
        if answer.gate:
            answer.gate.wait()
        handler.wfile.write(body[half:])
        handler.wfile.flush()
