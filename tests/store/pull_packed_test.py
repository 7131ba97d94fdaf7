"""`pith pull` packs what it has fetched; other commands start from that."""

import json
import os
import resource
import subprocess

from pull_case import FILE, HUB_PATH, PullTest
from python_case import main

WRITE_TINY_MODEL = os.environ.get("PITH_WRITE_TINY_MODEL", "write_tiny_model")
MODEL = f"tiny/{FILE}"
PACKED = f"{MODEL}.packed"
PAGE = 4096
NOBODY = 65534


class PackedTest(PullTest):
    def setUp(self):
        super().setUp()
        path = self.folder / "made.gguf"
        subprocess.run([WRITE_TINY_MODEL, "qwen2-tied", path], check=True)
        self.content = path.read_bytes()
        self.register(self.content)
        self.hub.put(HUB_PATH, self.content)
        self.packed = self.home / PACKED

    def pull(self, *arguments, **options):
        process = self.pith("pull", "tiny", *arguments, **options)
        self.assert_ok(process)
        return process

    def pull_unpacked(self):
        """The model without its packed file, as older builds left it."""
        self.pull()
        self.packed.unlink()

    def tokens(self, model="tiny", **options):
        """What the model says: other weights say something else."""
        process = self.pith("ask", "-m", model, "--json", "-n", 1, "--budget", 8, "2+2?", **options)
        self.assert_ok(process)
        return json.loads(process.out)["branches"][0]["text"]

    def spoil_weights(self):
        """Whoever reads the packed weights now, gets others."""
        content = bytearray(self.packed.read_bytes())
        content[PAGE:] = bytes(len(content) - PAGE)
        self.packed.write_bytes(content)

    def shown(self):
        return json.loads(self.pith("show", "tiny", "--json").out)["packed"]

    def as_nobody(self):
        """Options of a process that may write only what all may."""
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class PackedByPull(PackedTest):
    def test_packs_beside_the_model(self):
        process = self.pull()
        self.assertEqual(self.files(), [MODEL, PACKED])
        self.assertEqual(process.err.count("\n"), 1)  # the source, and no complaint
        self.assertTrue(self.shown()["current"])
        self.assertEqual(self.shown()["bytes"], self.packed.stat().st_size)

    def test_is_left_alone_while_it_is_current(self):
        self.pull()
        before = self.packed.stat()
        self.assertIn("already at", self.pull().out)
        self.assertEqual(self.packed.stat().st_ino, before.st_ino)
        self.assertEqual(self.packed.stat().st_mtime_ns, before.st_mtime_ns)

    def test_packs_a_model_that_was_here(self):
        self.pull_unpacked()
        self.assertFalse(self.shown()["current"])
        self.assertIn("already at", self.pull().out)
        self.assertTrue(self.shown()["current"])
        self.assertEqual(len(self.hub.requests), 1)

    def test_packs_anew_what_is_stale(self):
        self.pull()
        good = self.packed.read_bytes()
        self.packed.write_bytes(b"P" + good[1:])
        self.assertFalse(self.shown()["current"])
        self.pull()
        self.assertEqual(self.packed.read_bytes(), good)

    def test_a_touched_model_is_packed_anew(self):
        self.pull()
        os.utime(self.final, ns=(1, 1))
        self.assertFalse(self.shown()["current"])
        self.pull()
        self.assertTrue(self.shown()["current"])

    def test_verify_packs_anew(self):
        self.pull()
        good = self.packed.read_bytes()
        self.spoil_weights()
        self.pull()
        self.assertNotEqual(self.packed.read_bytes(), good)
        self.pull("--verify")
        self.assertEqual(self.packed.read_bytes(), good)

    def test_what_a_crash_left_is_written_over(self):
        self.leave_part(self.home / f"{PACKED}.tmp", b"half")
        self.pull()
        self.assertEqual(self.files(), [MODEL, PACKED])

    def test_linked_file_is_replaced_not_followed(self):
        self.pull_unpacked()
        outside = self.folder / "outside"
        outside.write_text("precious")
        self.packed.symlink_to(outside)
        self.pull()
        self.assertFalse(self.packed.is_symlink())
        self.assertEqual(outside.read_text(), "precious")

    def test_can_be_left_out(self):
        self.assertEqual(self.pull("--no-pack").err.count("\n"), 1)
        self.assertEqual(self.files(), [MODEL])
        self.assertTrue(self.tokens())
        self.pull()
        self.assertEqual(self.files(), [MODEL, PACKED])
        self.pull("--no-pack")  # says nothing of one that is there
        self.assertEqual(self.files(), [MODEL, PACKED])

    def test_quiet(self):
        process = self.pull("-q")
        self.assertEqual(process.out + process.err, "")
        self.assertTrue(self.shown()["current"])


class NotPacked(PackedTest):
    """The model works all the same."""

    def assert_not_packed(self, process, reason):
        self.assert_ok(process)
        self.assertIn("already at", process.out)
        self.assertIn("tiny: runs, but is not packed for fast starts: ", process.err)
        self.assertIn(reason, process.err)
        self.assertEqual(self.files(), [MODEL])
        self.assertTrue(self.tokens())

    def test_disk_fills_up(self):
        self.pull_unpacked()
        limit = len(self.content) // 3
        limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        process = self.pith("pull", "tiny", preexec_fn=limited)
        self.assert_not_packed(process, "cannot write")

    def test_folder_is_read_only(self):
        self.pull_unpacked()
        self.folder.chmod(0o755)
        self.folder_of_model.chmod(0o555)
        self.addCleanup(self.folder_of_model.chmod, 0o755)
        (self.home / ".tiny.lock").chmod(0o666)
        self.assert_not_packed(self.pith("pull", "tiny", **self.as_nobody()), "cannot create")

    def test_model_that_cannot_be_run(self):
        other = self.content.replace(b"qwen2", b"qwen9")
        self.register(other)
        self.hub.put(HUB_PATH, other)
        process = self.pull()
        self.assertIn("tiny: this build cannot run it: ", process.err)
        self.assertIn("qwen9", process.err)
        self.assertEqual(self.files(), [MODEL])


class PackedStart(PackedTest):
    def test_maps_the_packed_weights(self):
        self.pull()
        text = self.tokens()
        self.assertEqual(self.tokens(self.final), text)
        self.spoil_weights()
        self.assertNotEqual(self.tokens(), text)
        self.assertEqual(self.tokens(self.final), text)  # a path: nothing of the store is used

    def test_packs_in_memory_when_it_is_stale(self):
        self.pull()
        text = self.tokens()
        self.spoil_weights()
        os.utime(self.final, ns=(1, 1))
        self.assertEqual(self.tokens(), text)
        self.packed.write_bytes(self.packed.read_bytes()[:-1])
        self.assertEqual(self.tokens(), text)

    def test_maps_on_every_instruction_set(self):
        self.pull()
        self.spoil_weights()
        spoilt = self.tokens()
        self.environment["PITH_ISA"] = "scalar"
        self.assertEqual(self.tokens(), spoilt)

    def test_writes_nothing(self):
        self.pull_unpacked()
        self.tokens()
        self.tokens(self.folder / "made.gguf")
        self.assertEqual(self.files(), [MODEL])
        self.assertEqual([p.name for p in self.folder.glob("made*")], ["made.gguf"])

    def test_read_only_store(self):
        self.pull()
        self.spoil_weights()
        spoilt = self.tokens()
        self.folder.chmod(0o755)
        for folder in (self.home, self.folder_of_model):
            folder.chmod(0o555)
            self.addCleanup(folder.chmod, 0o755)
        self.assertEqual(self.tokens(**self.as_nobody()), spoilt)


class PackedInStore(PackedTest):
    def test_rm(self):
        self.pull()
        leftover = self.home / f"{PACKED}.tmp"
        leftover.write_bytes(b"half")
        freed = len(self.content) + self.packed.stat().st_size + 4
        self.assertEqual(self.pith("rm", "tiny").out, f"tiny: removed, {freed / 1024:.0f} KiB freed\n")
        self.assertFalse(self.folder_of_model.exists())

    def test_rm_of_the_packed_weights_alone(self):
        self.pull()
        size = self.packed.stat().st_size
        (self.home / f"{PACKED}.tmp").write_bytes(b"half")
        removed = self.pith("rm", "--packed", "tiny")
        self.assertEqual(removed.out, f"tiny: packed weights removed, {(size + 4) / 1024:.0f} KiB freed\n")
        self.assertEqual(self.files(), [MODEL])
        self.assertTrue(self.tokens())
        self.assert_fails(self.pith("rm", "--packed", "tiny"), 1, "has no packed weights")

    def test_list(self):
        self.pull()
        size = self.packed.stat().st_size
        self.assertRegex(self.pith("list").out, rf"(?m)^tiny +here .* {size / 1024:.0f} KiB +MIT ")
        models = json.loads(self.pith("list", "--json").out)["models"]
        tiny = next(model for model in models if model["name"] == "tiny")
        self.assertEqual(tiny["packed_bytes"], size)
        self.assertEqual(tiny["installed_bytes"], len(self.content))

    def test_show(self):
        self.pull()
        self.assertRegex(self.pith("show", "tiny").out, r"(?m)^packed +\d+ KiB, for fast starts$")
        self.packed.unlink()
        self.assertRegex(self.pith("show", "tiny").out, r"(?m)^packed +no; pith pull ")
        self.assertNotRegex(self.pith("show", self.final).out, r"(?m)^packed")
        self.assertIsNone(json.loads(self.pith("show", self.final, "--json").out)["packed"])


if __name__ == "__main__":
    main()
