"""`pith pull` from the hub."""

import json
import resource
import signal
import threading
import time

from pull_case import CONTENT, EMPTY_GGUF, FILE, HUB_PATH, PullTest, sha256
from python_case import LONG, main

HALF = len(CONTENT) // 2


class FromHub(PullTest):
    def test_full_download(self):
        self.hub.put(HUB_PATH, CONTENT)
        process = self.pith("pull", "tiny")
        self.assert_pulled(process)
        self.assertEqual(process.out, f"tiny: now at {self.final}\n")
        self.assertEqual(self.hub.ranges(), [None])
        self.assertIn("already at", self.pith("pull", "tiny").out)
        self.assertEqual(len(self.hub.requests), 1)

    def test_quiet(self):
        self.hub.put(HUB_PATH, CONTENT)
        process = self.pith("pull", "tiny", "-q")
        self.assert_pulled(process)
        self.assertEqual(process.out + process.err, "")

    def test_resume_by_range(self):
        self.hub.put(HUB_PATH, CONTENT)
        self.leave_part(self.hub_part, CONTENT[:HALF])
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.hub.ranges(), [f"bytes={HALF}-"])

    def test_complete_part_is_not_fetched_again(self):
        self.hub.put(HUB_PATH, CONTENT)
        self.leave_part(self.hub_part, CONTENT)
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.hub.requests, [])

    def test_server_ignores_range(self):
        self.hub.put(HUB_PATH, CONTENT, honour_range=False)
        self.leave_part(self.hub_part, CONTENT[:HALF])
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_wrong_part_is_started_again(self):
        self.hub.put(HUB_PATH, CONTENT)
        self.leave_part(self.hub_part, bytes(HALF))
        process = self.pith("pull", "tiny")
        self.assert_pulled(process)
        self.assertIn("starting again", process.err)
        self.assertEqual(self.hub.ranges(), [f"bytes={HALF}-", None])

    def test_part_longer_than_the_file(self):
        self.hub.put(HUB_PATH, CONTENT)
        self.leave_part(self.hub_part, CONTENT + b"more")
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_connection_breaks(self):
        self.hub.put(HUB_PATH, CONTENT, close_after=[HALF])
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(len(self.hub.requests), 2)
        self.assertTrue(self.hub.ranges()[1].startswith("bytes="))

    def test_connection_always_breaks(self):
        self.hub.put(HUB_PATH, CONTENT, close_always_at=HALF)
        process = self.pith("pull", "tiny")
        self.assert_fails(process, 1, "could not pull tiny", "run it again")
        self.assertEqual(self.files(), [f"tiny/{FILE}.hub.part"])
        self.assertEqual(self.hub_part.read_bytes(), CONTENT[:HALF])

    def test_wrong_content(self):
        self.hub.put(HUB_PATH, bytes(len(CONTENT)))
        process = self.pith("pull", "tiny")
        self.assert_fails(process, 1, "has the sha256")
        self.assertEqual(self.files(), [])

    def test_wrong_size(self):
        self.hub.put(HUB_PATH, CONTENT + b"!")
        self.assert_fails(self.pith("pull", "tiny"), 1, "300001 bytes, not 300000")
        self.assertNotIn(f"tiny/{FILE}", self.files())

    def test_http_404(self):
        self.assert_fails(self.pith("pull", "tiny"), 1, "HTTP 404", HUB_PATH)
        self.assertEqual(len(self.hub.requests), 1)

    def test_http_403(self):
        self.hub.put(HUB_PATH, CONTENT, statuses=[403])
        self.assert_fails(self.pith("pull", "tiny"), 1, "HTTP 403", "HF_TOKEN")

    def test_http_503_passes(self):
        self.hub.put(HUB_PATH, CONTENT, statuses=[503, 429])
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(len(self.hub.requests), 3)

    def test_http_500_stays(self):
        self.hub.put(HUB_PATH, CONTENT, statuses=[500] * 9)
        self.assert_fails(self.pith("pull", "tiny"), 1, "HTTP 500")
        self.assertEqual(len(self.hub.requests), 4)

    def test_error_page_is_not_content(self):
        self.hub.put(HUB_PATH, CONTENT, statuses=[500])
        self.leave_part(self.hub_part, CONTENT[:HALF])
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_redirect_keeps_the_token_at_home(self):
        elsewhere = f"http://localhost:{self.hub.port}/blob"
        self.hub.put(HUB_PATH, redirect=elsewhere)
        self.hub.put("/blob", CONTENT)
        self.environment["HF_TOKEN"] = "hf_secret"
        self.assert_pulled(self.pith("pull", "tiny"))
        tokens = [request["authorization"] for request in self.hub.requests]
        self.assertEqual(tokens, ["Bearer hf_secret", None])

    def test_redirect_with_resume(self):
        self.hub.put(HUB_PATH, redirect=f"{self.hub.url}/blob")
        self.hub.put("/blob", CONTENT)
        self.leave_part(self.hub_part, CONTENT[:HALF])
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.hub.ranges()[-1], f"bytes={HALF}-")

    def test_redirect_loop(self):
        self.hub.put(HUB_PATH, redirect=HUB_PATH)
        self.assert_fails(self.pith("pull", "tiny"), 1, "redirect")

    def test_slow_server(self):
        gate = threading.Event()
        self.hub.put(HUB_PATH, CONTENT, gate=gate)
        threading.Timer(1, gate.set).start()
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_no_network(self):
        self.environment["HF_ENDPOINT"] = "http://127.0.0.1:1"
        start = time.monotonic()
        self.assert_fails(self.pith("pull", "tiny"), 1, "could not pull tiny", "network")
        self.assertLess(time.monotonic() - start, 5)

    def test_no_such_host(self):
        self.environment["HF_ENDPOINT"] = "http://hub.invalid"
        self.assert_fails(self.pith("pull", "tiny"), 1, "could not pull tiny")


class Unpinned(PullTest):
    """Models whose sha256 the registry does not know."""

    def setUp(self):
        super().setUp()
        self.register(pinned=False)

    def test_sound_file(self):
        self.hub.put(HUB_PATH, EMPTY_GGUF)
        self.assert_pulled(self.pith("pull", "tiny"), EMPTY_GGUF)

    def test_not_a_gguf(self):
        self.hub.put(HUB_PATH, b"<html>sign in</html>" * 100)
        self.assert_fails(self.pith("pull", "tiny"), 1, "could not pull tiny")
        self.assertEqual(self.files(), [])

    def test_hash_that_the_hub_declares(self):
        declared = {"X-Linked-ETag": f'"{sha256(EMPTY_GGUF)}"'}
        self.hub.put(HUB_PATH, redirect=f"{self.hub.url}/blob", headers=declared)
        self.hub.put("/blob", EMPTY_GGUF)
        self.assert_pulled(self.pith("pull", "tiny"), EMPTY_GGUF)

    def test_hash_that_the_hub_declares_differs(self):
        declared = {"X-Linked-ETag": f'"{sha256(b"other")}"'}
        self.hub.put(HUB_PATH, EMPTY_GGUF, headers=declared)
        self.assert_fails(self.pith("pull", "tiny"), 1, "has the sha256")
        self.assertEqual(self.files(), [])

    def test_complete_part_of_unknown_size(self):
        self.hub.put(HUB_PATH, EMPTY_GGUF)
        self.leave_part(self.hub_part, EMPTY_GGUF)
        self.assert_pulled(self.pith("pull", "tiny"), EMPTY_GGUF)
        self.assertEqual(self.hub.ranges(), [f"bytes={len(EMPTY_GGUF)}-"])

    def test_list_says_so(self):
        models = json.loads(self.pith("list", "--json").out)["models"]
        tiny = next(model for model in models if model["name"] == "tiny")
        self.assertFalse(tiny["sha256_pinned"])
        self.assertIsNone(tiny["bytes"])
        self.assertIn("hub*", self.pith("list").out)


class Interruption(PullTest):
    """The hub holds half of the file back until the gate opens: no test races against a download."""

    def setUp(self):
        super().setUp()
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)
        self.hub.put(HUB_PATH, CONTENT, gate=self.gate)

    def start_and_wait_for_part(self):
        process = self.start("pull", "tiny")
        deadline = time.monotonic() + LONG
        while not (self.hub_part.exists() and self.hub_part.stat().st_size > 0):
            self.assertLess(time.monotonic(), deadline, "nothing arrives")
            time.sleep(0.02)
        return process

    def start_and_wait_for_its_turn(self):
        process = self.start("pull", "tiny")
        self.assertIn("waiting", process.stderr.readline())
        return process

    def finish(self, process):
        process.out, process.err = process.communicate(timeout=LONG)
        return process

    def interrupt(self, signal_number):
        process = self.start_and_wait_for_part()
        process.send_signal(signal_number)
        self.finish(process)
        self.assertEqual(self.files(), [f"tiny/{FILE}.hub.part"])
        return process

    def assert_goes_on(self):
        size = self.hub_part.stat().st_size
        self.assertGreater(size, 0)
        self.hub.put(HUB_PATH, CONTENT)
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.hub.ranges()[-1], f"bytes={size}-")

    def test_kill_9(self):
        self.assertEqual(self.interrupt(signal.SIGKILL).returncode, -signal.SIGKILL)
        self.assert_goes_on()

    def test_ctrl_c(self):
        self.assert_fails(self.interrupt(signal.SIGINT), 130, "stopped", "kept")
        self.assert_goes_on()

    def test_two_at_once(self):
        first = self.start_and_wait_for_part()
        second = self.start_and_wait_for_its_turn()
        self.gate.set()
        self.assert_pulled(self.finish(first))
        self.assert_ok(self.finish(second))
        self.assertIn("already at", second.out)
        self.assertEqual(len(self.hub.requests), 1)

    def test_rm_while_pulling(self):
        first = self.start_and_wait_for_part()
        self.assert_fails(self.pith("rm", "tiny"), 1, "being pulled")
        self.gate.set()
        self.assertEqual(self.finish(first).returncode, 0)

    def test_ctrl_c_while_waiting(self):
        first = self.start_and_wait_for_part()
        second = self.start_and_wait_for_its_turn()
        second.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(second).returncode, 130)
        self.gate.set()
        self.assertEqual(self.finish(first).returncode, 0)


class Disk(PullTest):
    def test_too_small_for_the_model(self):
        self.register(bytes=2**43)
        self.assert_fails(self.pith("pull", "tiny"), 1, "not enough disk space", "8.00 TiB needed")
        self.assertEqual(self.hub.requests, [])

    def test_fills_up(self):
        self.register(wheels=True)
        self.hub.put(HUB_PATH, CONTENT)
        limit = len(CONTENT) // 3

        def limit_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = self.pith("pull", "tiny", preexec_fn=limit_files)
        self.assert_fails(process, 1, "cannot write", FILE)
        self.assertNotIn("trying the next source", process.err)
        self.assertEqual(self.files(), [f"tiny/{FILE}.hub.part"])
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_store_is_a_file(self):
        self.home.write_text("not a folder")
        self.assert_fails(self.pith("pull", "tiny"), 1, str(self.home))


class Store(PullTest):
    def test_linked_folder_is_not_followed(self):
        outside = self.folder / "outside"
        outside.mkdir()
        self.home.mkdir()
        self.folder_of_model.symlink_to(outside)
        self.hub.put(HUB_PATH, CONTENT)
        self.assert_fails(self.pith("pull", "tiny"), 1, "symbolic link")
        self.assertEqual(list(outside.iterdir()), [])
        (outside / FILE).write_bytes(CONTENT)
        self.assert_fails(self.pith("rm", "tiny"), 1)
        self.assertTrue((outside / FILE).exists())

    def test_linked_part_is_not_followed(self):
        outside = self.folder / "outside"
        outside.write_text("precious")
        self.folder_of_model.mkdir(parents=True)
        self.hub_part.symlink_to(outside)
        self.hub.put(HUB_PATH, CONTENT)
        self.assert_fails(self.pith("pull", "tiny"), 1, "symbolic link")
        self.assertEqual(outside.read_text(), "precious")

    def test_linked_file_is_replaced_not_followed(self):
        outside = self.folder / "outside"
        outside.write_bytes(bytes(len(CONTENT)))
        self.folder_of_model.mkdir(parents=True)
        self.final.symlink_to(outside)
        self.hub.put(HUB_PATH, CONTENT)
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertFalse(self.final.is_symlink())
        self.assertEqual(outside.read_bytes(), bytes(len(CONTENT)))

    def test_truncated_file_is_fetched_again(self):
        self.leave_part(self.final, CONTENT[:HALF])
        self.hub.put(HUB_PATH, CONTENT)
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_verify_finds_a_changed_byte(self):
        self.leave_part(self.final, b"?" + CONTENT[1:])
        self.hub.put(HUB_PATH, CONTENT)
        self.assertIn("already at", self.pith("pull", "tiny").out)
        self.assert_pulled(self.pith("pull", "tiny", "--verify"))
        self.assertIn("already at", self.pith("pull", "tiny", "--verify").out)

    def test_rm(self):
        self.leave_part(self.final, CONTENT)
        self.leave_part(self.hub_part, CONTENT[:HALF])
        note = self.folder_of_model / "my notes"
        note.write_text("mine")
        process = self.pith("rm", "tiny")
        self.assert_ok(process)
        self.assertEqual(process.out, "tiny: removed, 439 KiB freed\n")
        self.assertEqual(self.files(), ["tiny/my notes"])
        note.unlink()
        self.leave_part(self.final, CONTENT)
        self.assert_ok(self.pith("rm", "tiny"))
        self.assertFalse(self.folder_of_model.exists())
        self.assert_fails(self.pith("rm", "tiny"), 1, "not on this machine")

    def test_rm_takes_no_path(self):
        victim = self.folder / FILE
        victim.write_text("precious")
        for path in (victim, FILE, "../tiny", "tiny/model.gguf"):
            self.assert_fails(self.pith("rm", path), 2, "not a path")
        self.assertTrue(victim.exists())

    def test_list(self):
        self.leave_part(self.hub_part, CONTENT[:HALF])
        self.assertRegex(self.pith("list").out, r"(?m)^tiny +50 % +293 KiB +- +MIT +sha256 +A test$")
        self.leave_part(self.final, CONTENT)
        self.assertRegex(self.pith("list").out, r"(?m)^tiny +here +293 KiB")
        models = json.loads(self.pith("list", "--json").out)["models"]
        tiny = next(model for model in models if model["name"] == "tiny")
        self.assertTrue(tiny["installed"])
        self.assertEqual(tiny["path"], str(self.final))


if __name__ == "__main__":
    main()
