"""pith serve over a tiny model, through sockets."""

import http.client
import json
import re
import signal
import time
import urllib.error
import urllib.request

from python_case import main
from tiny_case import MESSAGE, TinyTest

MESSAGES = [{"role": "user", "content": MESSAGE}]
CHAT = "/v1/chat/completions"


class Server:
    """A running `pith serve`; `url` is where it listens."""

    def __init__(self, case, *arguments, model=None, environment=None):
        self.process = case.start(
            "serve",
            *("-m", model or case.tiny_model(), "--port", 0, "-t", 1),
            *arguments,
            env={**case.environment, **(environment or {})},
        )
        case.addCleanup(self.close)
        line = self.process.stdout.readline()
        case.assertRegex(line, r"^\S+ listens at http://127.0.0.1:\d+\n$")
        self.url = line.split()[-1]
        self.name = line.split()[0]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def stop(self):
        """Exit status and standard error after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    def open(self, path, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, headers)
        return urllib.request.urlopen(request, timeout=60)

    def send(self, path, body):
        """A connection whose answer nobody has read."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        connection.request("POST", path, json.dumps(body))
        return connection

    def get(self, path, **headers):
        with self.open(path, **headers) as response:
            return response.read().decode()

    def post(self, path, **body):
        with self.open(path, body) as response:
            return json.load(response)

    def error(self, path, body=None, **headers):
        """Status and error object of a request that is refused."""
        try:
            with self.open(path, body, **headers) as response:
                raise AssertionError(f"not refused: {response.read()!r}")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["error"], error.headers

    def events(self, path, **body):
        """The (name, data) of a stream's events."""
        with self.open(path, {**body, "stream": True}) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            text = response.read().decode()
        return re.findall(r"(?:event: (.*)\n)?data: (.*)\n\n", text)

    def chunks(self, path, **body):
        events = [data for _, data in self.events(path, **body)]
        assert events[-1] == "[DONE]", events[-1]
        return [json.loads(data) for data in events[:-1]]

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)$", self.get("/metrics"), re.M).group(1))


class ServeTest(TinyTest):
    def server(self, *arguments, **options):
        return Server(self, *arguments, **options)

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def endless(self, *arguments):
        return self.server("--context", 100_000, *arguments, model=self.endless_model())


class TestAnswers(ServeTest):
    def assert_counted(self, answer, choice, tokens):
        """The token that ends a turn is counted, but is no text."""
        ended = choice["finish_reason"] == "stop"
        self.assertEqual(len(tokens) + ended, answer["usage"]["completion_tokens"])

    def test_chat(self):
        server = self.server()
        self.assertEqual(server.name, "qwen2")
        body = {"messages": MESSAGES, "max_tokens": 20, "seed": 5, "n": 2}
        answer = server.post(CHAT, **body)
        texts = [choice["message"]["content"] for choice in answer["choices"]]
        self.assertEqual(len(texts), 2)
        self.assertNotEqual(texts[0], texts[1])
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        self.assertLessEqual(usage["completion_tokens"], 40)
        self.assertEqual(answer["pith"]["seed"], 5)
        # A seed repeats the answer; a stream says the same.
        again = server.post(CHAT, **body)
        self.assertEqual([choice["message"]["content"] for choice in again["choices"]], texts)
        streamed = ["", ""]
        for chunk in server.chunks(CHAT, **body):
            for choice in chunk["choices"]:
                streamed[choice["index"]] += choice["delta"].get("content", "")
        self.assertEqual(streamed, texts)

    def test_log_probabilities(self):
        answer = self.server().post(
            CHAT, messages=MESSAGES, max_tokens=4, logprobs=True, top_logprobs=2
        )
        tokens = answer["choices"][0]["logprobs"]["content"]
        self.assert_counted(answer, answer["choices"][0], tokens)
        for token in tokens:
            self.assertEqual(len(token["top_logprobs"]), 2)
            self.assertLessEqual(token["logprob"], token["top_logprobs"][0]["logprob"] + 1e-6)

    def test_vote(self):
        server = self.server()
        body = {"messages": MESSAGES, "branches": 3, "budget": 30, "seed": 2}
        answer = server.post(CHAT, **body, include_branches=True)
        pith = answer["pith"]
        self.assertEqual(len(pith["branches"]), 3)
        self.assertEqual(pith["vote"], "majority")
        best = pith["branches"][pith["best_branch"]]
        self.assertEqual(answer["choices"][0]["message"]["content"], best["text"])
        self.assertEqual(pith["votes"][0]["answer"], pith["answer"])
        # The branches of a stream, live, and the answer behind them.
        chunks = server.chunks(CHAT, **body, include_branches=True)
        live = ["", "", ""]
        for chunk in chunks:
            if not chunk["choices"] and "content" in chunk["pith"]:
                live[chunk["pith"]["branch"]] += chunk["pith"]["content"]
        self.assertEqual(live, [branch["text"] for branch in pith["branches"]])
        self.assertEqual(chunks[-1]["pith"]["answer"], pith["answer"])

    def test_completion(self):
        answer = self.server().post("/v1/completions", prompt="2+2=", max_tokens=5, logprobs=1)
        self.assertEqual(answer["object"], "text_completion")
        choice = answer["choices"][0]
        self.assert_counted(answer, choice, choice["logprobs"]["tokens"])

    def test_responses(self):
        server = self.server()
        first = server.post("/v1/responses", input=MESSAGE, max_output_tokens=8)
        second = server.post(
            "/v1/responses", input="And?", previous_response_id=first["id"], max_output_tokens=8
        )
        self.assertGreater(second["usage"]["input_tokens"], first["usage"]["input_tokens"])
        self.assertEqual(json.loads(server.get(f"/v1/responses/{first['id']}")), first)
        events = server.events("/v1/responses", input=MESSAGE, max_output_tokens=8)
        names = [name for name, _ in events]
        self.assertEqual(names[:2], ["response.created", "response.in_progress"])
        self.assertIn(names[-1], ("response.completed", "response.incomplete"))

    def test_pack(self):
        server = self.server("--pack", self.tiny_pack())
        model = json.loads(server.get("/v1/models"))["data"][0]["pith"]
        self.assertTrue(model["has_switcher"] and model["has_verifier"])
        answer = server.post(CHAT, messages=MESSAGES, branches=2, include_branches=True)
        self.assertEqual(answer["pith"]["vote"], "verifier")
        self.assertIsNotNone(answer["pith"]["think_probability"])

    def test_itself(self):
        server = self.server("--branches", 4, "--budget", 50, "--deadline", 60)
        limits = json.loads(server.get("/v1/models"))["data"][0]["pith"]["limits"]
        self.assertEqual(limits["branches"], 4)
        self.assertEqual(limits["max_tokens"], 50)
        self.assertEqual(limits["deadline"], 60)
        tokens = server.post("/tokenize", content=MESSAGE)
        expected = self.pith("tokenize", "--json", "-m", self.tiny_model(), input=MESSAGE)
        self.assertEqual(tokens["tokens"], json.loads(expected.out)["ids"])
        server.post(CHAT, messages=MESSAGES, max_tokens=3)
        self.wait_for(lambda: server.metric("pith_requests_finished_total") == 1)
        self.assertIn("/v1/responses", json.loads(server.get("/openapi.json"))["paths"])


class TestLimits(ServeTest):
    def test_ceilings(self):
        server = self.server("--branches", 2, "--budget", 50, "--deadline", 60)
        for field, value in (("max_tokens", 51), ("branches", 3), ("deadline", 61)):
            status, error, _ = server.error(CHAT, {"messages": MESSAGES, field: value})
            self.assertEqual((status, error["param"]), (400, field))
        answer = server.post(CHAT, messages=MESSAGES, temperature=0)
        self.assertLessEqual(answer["usage"]["completion_tokens"], 50)

    def test_long_prompt(self):
        server = self.server("--context", 64)
        long = [{"role": "user", "content": "word " * 200}]
        status, error, _ = server.error(CHAT, {"messages": long})
        self.assertEqual((status, error["code"]), (400, "context_length_exceeded"))

    def test_full_queue(self):
        server = self.endless("--parallel", 1, "--queue", 1)
        body = {"messages": MESSAGES, "temperature": 0, "stream": True}
        stream = server.open(CHAT, body)
        waiting = server.send(CHAT, body)
        self.wait_for(lambda: server.metric("pith_requests_queued") == 1)
        status, error, headers = server.error(CHAT, body)
        self.assertEqual((status, error["code"]), (429, "queue_full"))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        waiting.close()
        stream.close()

    def test_leaving(self):
        server = self.endless()
        body = {"messages": MESSAGES, "temperature": 0}
        stream = server.open(CHAT, {**body, "stream": True})
        waiting = server.send(CHAT, body)
        self.wait_for(lambda: server.metric("pith_requests_running") == 2)
        stream.close()
        waiting.close()
        self.wait_for(lambda: server.metric("pith_requests_cancelled_total") == 2)


class TestAccess(ServeTest):
    def test_keys(self):
        keys = self.folder / "keys"
        keys.write_text("# ours\nfrom-file\n\n")
        server = self.server(
            "--api-key", "from-flag", "--api-key-file", keys, environment={"PITH_API_KEY": "from-environment"}
        )
        for key in ("from-flag", "from-file", "from-environment"):
            self.assertIn("data", server.get("/v1/models", Authorization=f"Bearer {key}"))
        status, error, headers = server.error("/v1/models", Authorization="Bearer # ours")
        self.assertEqual((status, error["code"]), (401, "invalid_api_key"))
        self.assertEqual(headers["WWW-Authenticate"], "Bearer")
        self.assertIn("ok", server.get("/health"))

    def test_pages(self):
        server = self.server("--cors", "https://chat.example", "--allow-host", "box.lan")
        self.assertEqual(server.error("/v1/models", Host="evil.example")[0], 421)
        self.assertEqual(server.error("/v1/models", Origin="https://evil.example")[0], 403)
        self.assertIn("data", server.get("/v1/models", Host="box.lan"))
        with server.open("/v1/models", Origin="https://chat.example") as response:
            self.assertEqual(
                response.headers["Access-Control-Allow-Origin"], "https://chat.example"
            )

    def test_log(self):
        server = self.server()
        server.post(CHAT, messages=[{"role": "user", "content": "secret"}], max_tokens=2)
        status, err = server.stop()
        self.assertEqual(status, 0)
        self.assertIn("127.0.0.1 POST /v1/chat/completions 200", err)
        self.assertNotIn("secret", err)

    def test_usage(self):
        def refused(status, *arguments, **options):
            process = self.pith("serve", "-m", self.tiny_model(), *arguments)
            self.assert_fails(process, status, *options["say"])

        refused(2, "--host", "0.0.0.0", say=["--api-key"])
        refused(2, "--cors", "*", say=["origin"])
        refused(2, "--api-key", "a b", say=["--api-key"])
        refused(2, "--api-key", "a", "--no-api-key", say=["--no-api-key"])
        refused(1, "--api-key-file", self.folder / "none", say=["none"])
        refused(2, "--port", 70000, say=["--port"])
        refused(2, "--host", "no.such.name.invalid", say=["no.such.name.invalid"])
        server = self.server()
        refused(1, "--port", server.url.rpartition(":")[2], say=["--port"])


class TestEnd(ServeTest):
    def test_drains(self):
        server = self.endless("--drain", 60)
        stream = server.open(
            CHAT, {"messages": MESSAGES, "temperature": 0, "max_tokens": 60, "stream": True}
        )
        stream.readline()
        status, _ = server.stop()
        self.assertEqual(status, 0)
        self.assertTrue(stream.read().decode().endswith("data: [DONE]\n\n"))

    def test_ends_what_takes_too_long(self):
        server = self.endless("--drain", 0)
        stream = server.open(CHAT, {"messages": MESSAGES, "temperature": 0, "stream": True})
        stream.readline()
        status, _ = server.stop()
        self.assertEqual(status, 0)
        last = stream.read().decode().rstrip().rpartition("data: ")[2]
        self.assertEqual(json.loads(last)["error"]["code"], "shutting_down")

    def test_second_signal(self):
        server = self.endless("--drain", 60)
        stream = server.open(CHAT, {"messages": MESSAGES, "temperature": 0, "stream": True})
        stream.readline()
        server.process.send_signal(signal.SIGINT)
        server.process.stderr.readline()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(timeout=60), 130)
        stream.close()


if __name__ == "__main__":
    main()
