"""The web page of pith serve: its files, its logic (needs Node), itself (needs Playwright).

PITH_SCREENSHOTS=FOLDER keeps pictures of it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import unittest
import urllib.error
from pathlib import Path

from python_case import main
from serve_test import ServeTest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

ROOT = Path(__file__).parents[2]
NAMESPACES = {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
CHAT = "**/v1/chat/completions"


class TestFiles(ServeTest):
    def test_all_are_served(self):
        server = self.server("--api-key", "secret")
        for file in sorted((ROOT / "src/serve/page").iterdir()):
            path = "/" if file.name == "index.html" else f"/page/{file.name}"
            with server.open(path) as response:
                self.assertEqual(response.read(), file.read_bytes(), path)
                headers = response.headers
            self.assertEqual(headers["Content-Type"], TYPES[file.suffix[1:]])
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'self';", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            with self.assertRaises(urllib.error.HTTPError) as unchanged:
                server.open(path, If_None_Match=headers["ETag"])
            unchanged.exception.close()
            self.assertEqual(unchanged.exception.code, 304)

    def test_whole_and_alone(self):
        files = {file.name: file.read_text() for file in (ROOT / "src/serve/page").iterdir()}
        named = set()
        for name, text in files.items():
            self.assertLessEqual(set(re.findall(r"https?://[\w./-]+", text)), NAMESPACES, name)
            self.assertNotRegex(text, r"""["'`(]//""", name)
            named.update(re.findall(r'(?:href|src)="page/([^"]+)"', text))
            named.update(re.findall(r'from "\./([^"]+)"', text))
            if name.endswith(".js"):
                self.assertNotRegex(
                    text, r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
                )
        self.assertEqual(named | {"index.html"}, set(files))
        self.assertNotRegex(files["index.html"], r"(?i)<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)")


class TestLogic(unittest.TestCase):
    def test_without_browser(self):
        node = shutil.which("node")
        if node is None:
            self.skipTest("needs node")
        process = subprocess.run(
            [node, "--test", "--test-reporter=tap", ROOT / "tests/page/render_test.mjs"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100,
        )
        self.assertEqual(process.returncode, 0, process.stdout)
        self.assertRegex(process.stdout, r"(?m)^# pass [1-9]")


def stream(*chunks):
    """The body of a stream of chat chunks."""
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def delta(finish_reason=None, pith=None, **fields):
    chunk = {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}
    return chunk | ({"pith": pith} if pith else {})


TIMING = {"queued_s": 0, "prefill_s": 0.1, "first_token_s": 0.2, "total_s": 2}
RICH = r"""The sum is
\[ S = \sum_{k=1}^{n} k^2 = \frac{n(n+1)(2n+1)}{6} \]
1. **First** `n = 1`, so $\frac{1 \cdot 2 \cdot 3}{6} = 1$.
2. Then $x = \begin{cases} 1 & \text{if } n > 0 \\ 0 & \text{else} \end{cases}$

```python
print("<script>window.hacked = 1</script> in a long line that does not fit into a narrow screen")
```
| n | S |
|--:|:--|
| 10 | $\boxed{385}$ |

<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">
[bad](javascript:window.hacked=1)
"""


class TestBrowser(ServeTest):
    def setUp(self):
        super().setUp()
        if sync_playwright is None:
            self.skipTest("needs Playwright")
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        chromium = stack.enter_context(sync_playwright()).chromium
        if not Path(chromium.executable_path).exists() and shutil.which("chromium") is None:
            self.skipTest("needs Chromium")
        system = None if Path(chromium.executable_path).exists() else shutil.which("chromium")
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.browser = chromium.launch(executable_path=system, args=root)
        stack.callback(self.browser.close)

    def page(self, server, **context):
        """The page, ready; that it asks nobody else and reports no error is checked at the end."""
        page = self.browser.new_context(**context).new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        # That a request was refused is on the console, too.
        page.on("console", lambda message: faults.append(message.text)
                if message.type == "error" and "status of" not in message.text else None)
        page.on("request", lambda request: faults.append(request.url)
                if not request.url.startswith((server.url, "blob:")) else None)
        self.addCleanup(lambda: self.assertEqual(faults, []))
        page.set_default_timeout(60_000)
        page.goto(server.url)
        return page

    def ready(self, server, **context):
        page = self.page(server, **context)
        page.wait_for_selector("#branches option", state="attached")
        return page

    def begin(self, page, question):
        page.fill("#question", question)
        page.press("#question", "Enter")

    def ask(self, page, question):
        self.begin(page, question)
        page.wait_for_selector(".answer:last-child:not(.writing)")

    def answer_with(self, page, body, status=200, **headers):
        """What the server says to the page's next question."""
        headers.setdefault("Content-Type", "text/event-stream")
        page.unroute_all()
        page.route(CHAT, lambda route: route.fulfill(status=status, headers=headers, body=body))

    def options(self, page, **values):
        page.evaluate("document.getElementById('options').open = true")
        for name, value in values.items():
            page.select_option(f"#{name}", value)

    def keep_picture(self, page, name):
        folder = os.environ.get("PITH_SCREENSHOTS")
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")

    def test_chat(self):
        server = self.server("--budget", 30)
        page = self.ready(server)
        self.assertEqual(page.text_content("#model-name"), server.name)
        self.assertEqual(page.text_content("#health"), "ready")
        self.ask(page, "Hello\nthere")
        self.assertRegex(page.text_content(".statistics"), r"first token after .* tokens")
        self.assertRegex(page.text_content("#spoken"), "^Answer: ")
        self.ask(page, "And?")
        self.assertEqual(page.locator(".answer").count(), 2)
        # Another answer to the last question; another last question.
        page.click(".answer:last-child .regenerate")
        page.wait_for_selector(".answer:last-child:not(.writing)")
        page.click(".question:nth-last-child(2) .edit")
        self.assertEqual(page.input_value("#question"), "And?")
        self.ask(page, "What else?")
        self.assertEqual(page.locator(".question .bubble").all_text_contents(), ["Hello\nthere", "What else?"])
        self.assertEqual(page.locator(".answer").count(), 2)
        # The history outlasts the page.
        answers = page.locator(".answer .content").all_text_contents()
        page.reload()
        page.click("#show-chats")
        page.click(".open-chat")
        self.assertEqual(page.locator(".answer .content").all_text_contents(), answers)
        with page.expect_download() as download:
            page.click("#export")
        exported = Path(download.value.path()).read_text()
        self.assertEqual(len(json.loads(exported)["chats"]), 1)
        page.click(".delete-chat")
        self.assertEqual(page.locator(".open-chat").count(), 0)
        page.set_input_files("#import-file", {"name": "a.json", "mimeType": "application/json", "buffer": exported.encode()})
        page.wait_for_selector(".open-chat")

    def test_branches(self):
        page = self.ready(self.server("--budget", 30, "--branches", 3, "--pack", self.tiny_pack()))
        self.options(page, branches="3", vote="majority")
        self.ask(page, "What is 17 * 23?")
        self.assertEqual(page.locator(".card").count(), 3)
        self.assertGreaterEqual(page.locator(".card.done").count(), 1)
        self.assertRegex(page.text_content(".verdicts"), "Answer: |No branch")
        self.assertRegex(page.text_content(".statistics"), "switcher: .* %")

    def test_winner(self):
        def end(branch, answer, score):
            return {"branch": branch, "answer": answer, "score": 0.9, "verifier_score": score,
                    "tokens": 9, "reasoning_tokens": 0, "finish_reason": "stop"}

        ends = [end(0, "3", 0.2), end(1, "391", 0.9), end(2, "391", 0.8)]
        votes = [{"answer": "391", "share": 0.67, "weight_share": 0.9, "branches": [1, 2]},
                 {"answer": "3", "share": 0.33, "weight_share": 0.1, "branches": [0]}]
        pith = {"thinking": False, "think_probability": None, "seed": 1, "answer": "391", "confidence": 0.9,
                "confidence_kind": "agreement", "vote": "verifier", "votes": votes, "best_branch": 1,
                "saved_tokens": 0, "plan": None, "timing": TIMING,
                "branches": [dict(one, text=f"so {one['answer']}", reasoning="") for one in ends]}
        body = stream(delta(role="assistant", content=""),
                      *({"choices": [], "pith": {"branch": i, "content": "so"}} for i in range(3)),
                      *({"choices": [], "pith": one} for one in ends),
                      delta(content="so 391"), delta("stop", pith))
        server = self.server()
        for scheme in ("light", "dark"):
            page = self.ready(server, color_scheme=scheme)
            self.answer_with(page, body)
            self.options(page, branches="4")
            self.ask(page, "What is 17 * 23?")
            heads = page.locator(".card .badge").all_text_contents()
            self.assertEqual(heads, ["other answer", "★ speaks for the winner", "✓ agrees"])
            self.assertIn("0.20", page.text_content(".card >> nth=0"))
            self.assertEqual(page.text_content(".verdict strong"), "391")
            self.assertIn("2 of 3 branches, 90 % of the weight", page.text_content(".votes"))
            self.assertIn("not the chance of being right", page.text_content(".verdicts"))
            self.keep_picture(page, f"vote-{scheme}")

    def test_rich_text_on_any_screen(self):
        pith = {"thinking": True, "think_probability": 0.8, "finish_reasons": ["budget"], "timing": TIMING}
        body = stream(delta(role="assistant", content=""), delta(reasoning_content="Let me *see*."),
                      delta(content=RICH), delta("length", pith))
        server = self.server()
        for width, scheme in ((320, "light"), (390, "dark"), (1200, "light")):
            page = self.ready(server, viewport={"width": width, "height": 700}, color_scheme=scheme)
            self.answer_with(page, body)
            self.ask(page, "What is the sum of the first ten squares?")
            self.assertEqual(page.locator(".content math").count(), 4)
            self.assertEqual(page.locator(".content mfrac").count(), 2)
            self.assertGreater(page.locator(".content mfrac").first.bounding_box()["height"], 15)
            self.assertFalse(page.is_visible(".thought em"))
            page.click(".thought summary")
            self.assertTrue(page.is_visible(".thought em"))
            self.assertEqual(page.text_content(".end"), "Its budget ran out.")
            self.assertIsNone(page.evaluate("window.hacked ?? null"))
            self.assertEqual(page.locator(".content script, .content img, .content a").count(), 0)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
            self.keep_picture(page, f"text-{width}-{scheme}")

    def test_stop(self):
        server = self.endless()
        page = self.ready(server)
        # Line breaks for ever.
        page.route(CHAT, lambda route: route.continue_(
            post_data=json.loads(route.request.post_data) | {"temperature": 0}))
        with page.expect_response(CHAT):
            self.begin(page, "Count")
        self.wait_for(lambda: server.metric("pith_requests_running") == 1)
        self.assertEqual(page.locator(".writing").count(), 1)
        page.keyboard.press("Escape")
        page.wait_for_selector(".answer:not(.writing)")
        self.assertEqual(page.text_content(".end"), "You stopped it.")
        self.wait_for(lambda: server.metric("pith_requests_cancelled_total") == 1)

    def test_key(self):
        page = self.page(self.server("--api-key", "sesame", "--budget", 20))
        for key in ("wrong", "sesame"):
            page.wait_for_selector("#key-dialog[open]")
            page.fill("#key", key)
            page.press("#key", "Enter")
        page.wait_for_selector("#branches option", state="attached")
        self.ask(page, "Hello")
        self.assertIsNone(page.evaluate("localStorage.getItem('pith.key')"))
        self.assertEqual(page.evaluate("sessionStorage.getItem('pith.key')"), "sesame")

    def test_refusals(self):
        server = self.server()
        page = self.ready(server)
        answers = [(400, '{"error": {"message": "\'budget\' must be from 1 to 8", "code": null}}', "'budget' must be"),
                   (429, '{"error": {"message": "the queue is full", "code": "queue_full"}}', "the queue is full Try again in 7 s."),
                   (200, 'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
                   (200, stream(delta(content="x")).replace("data: [DONE]\n\n", ""), "ended before"),
                   (502, "<html>", "status 502")]
        for status, body, words in answers:
            self.answer_with(page, body, status, **({"Retry-After": "7"} if status == 429 else {}))
            self.ask(page, "Hello")
            self.assertIn(words, page.text_content(".answer:last-child .end"))
            self.assertIn(words, page.text_content("#spoken"))


if __name__ == "__main__":
    main()
