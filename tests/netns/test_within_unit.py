#!/usr/bin/python3
"""A node of a service manager goes on in a process that it starts itself (weft upgrade): the test is the manager.

tests/packaging/test_upgrade.py has the same with systemd.
"""

import contextlib
import os
import shutil
import signal
import socket

import harness
import manager
import nodes
import replacing


class WithinUnit(replacing.Replacing, harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)
        self.manager = manager.Manager(self, self.left.name)
        self.right.start()
        self.stack.callback(self.end_successors)
        # A program that the test may replace by another one.
        self.program = f"{self.folder}/weftd"
        shutil.copy(harness.WEFTD, self.program)
        self.left.write()
        self.left.process = harness.Process(self, [self.program, "--config", self.left.file], self.left.home,
                                            self.manager.environment())
        self.left.wait_ready()
        nodes.wait_for_ping(self.left, self.right)
        self.place = f"{harness.CONTROL_SOCKETS}/{self.left.name}.upgrade"

    def end_successors(self):
        """Children of the manager, which is this process, that the node has started."""
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ChildProcessError):
                with open(f"/proc/{pid}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) != os.getpid():
                        continue
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if b"WEFT_SUCCESSOR=1" in file.read():
                        os.kill(pid, signal.SIGKILL)
                        os.waitpid(pid, 0)

    def ask(self, words=b"UPGRADE\n"):
        asker = socket.socket(socket.AF_UNIX)
        self.stack.callback(asker.close)
        asker.settimeout(60)
        asker.connect(self.place)
        asker.sendall(words)
        return asker

    @staticmethod
    def answer(asker):
        """Until the node closes the connection."""
        said = b""
        while part := asker.recv(4096):
            said += part
        return said.decode()

    def put(self, script):
        """In the place of the program."""
        self.text_file("weftd.new", script)
        os.chmod(f"{self.folder}/weftd.new", 0o755)
        os.rename(f"{self.folder}/weftd.new", self.program)

    def assert_goes_on_as_it_is(self, before):
        self.assertIsNone(self.left.process.code, self.left.log())
        self.assertEqual((self.handshakes(), self.manager.main), (before, []))
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_it_goes_on_in_a_process_of_its_own_making_however_often(self):
        before, pings = self.handshakes(), self.pings(self.left, "10.200.2.1", 500)
        pid = self.left.process.pid
        for number in (1, 2, 3):
            self.assertEqual(self.answer(self.ask()), "", self.left.log())
            harness.wait_until(lambda: len(self.manager.main) == number, "the manager hears of it")
            successor = self.manager.main[-1]
            self.assertNotEqual(successor, pid)
            with open(f"/proc/{successor}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            self.assertEqual(parent, os.getpid(), "the manager's own child")
            with open(f"/proc/{successor}/cmdline") as file:
                self.assertEqual(file.read().split("\0")[:-1],
                                 [self.program, "--replace", self.left.name, "--config", self.left.file])
            harness.wait_until(lambda: self.left.log().count("goes on in this process") == number, "it goes on")
            pid = successor
        self.assertEqual(self.left.process.wait(), 0)
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)
        self.assertEqual(self.right.drops("replayed"), 0)
        self.assertEqual(self.manager.names(), [])
        os.kill(pid, signal.SIGTERM)
        harness.wait_until(lambda: not self.left.home.has_link(self.left.name), "its interface is gone")

    def test_nobody_else_takes_its_place(self):
        before = self.handshakes()
        stranger = self.successor(self.left)
        self.assertEqual(stranger.wait(), 1)
        self.assertIn("for a service there is weft upgrade", stranger.output())
        self.assertEqual(self.answer(self.ask(b"READY\n")), "")
        self.assertNotIn("is to take this node's place", self.left.log())
        self.assert_goes_on_as_it_is(before)

    def test_a_program_that_does_not_work_changes_nothing(self):
        before = self.handshakes()
        for script, reason in (("#!/bin/sh\nexit 3\n", "the new program has ended"),
                               ("no program\n", "Cannot run")):
            self.put(script)
            self.assertIn(reason, self.answer(self.ask()))
            self.assert_goes_on_as_it_is(before)
        os.unlink(self.program)
        self.assertIn("Cannot run", self.answer(self.ask()))
        self.assert_goes_on_as_it_is(before)

    def test_a_program_that_never_asks_is_ended_with_the_patience_of_whoever_waits_for_it(self):
        before = self.handshakes()
        # Only one that still runs can be written to by this.
        started = f"{self.folder}/started"
        self.put(f"#!/bin/sh\necho $$ > {started}.new && mv {started}.new {started}\nexec sleep 1000\n")
        asker = self.ask()
        harness.wait_until(lambda: os.path.exists(started), "the program begins")
        with open(started) as file:
            pid = int(file.read())
        self.assertIn("another program is about to", self.answer(self.ask()))
        self.assertIsNone(self.left.process.code)
        asker.close()
        self.assertEqual(os.waitpid(pid, 0)[1], signal.SIGKILL)
        self.left.logs("nobody waits for the new program any more")
        self.assert_goes_on_as_it_is(before)
        shutil.copy(harness.WEFTD, f"{self.folder}/weftd.new")
        os.rename(f"{self.folder}/weftd.new", self.program)
        self.assertEqual(self.answer(self.ask()), "", self.left.log())
        self.wait_for_ping(self.left.home, "10.200.2.1")

    def test_a_configuration_on_trial_is_not_handed_over(self):
        before = self.handshakes()
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.left.weft("apply", self.left.file, "--confirm", "60s")
        self.assertIn("on trial", self.answer(self.ask()))
        self.assert_goes_on_as_it_is(before)


if __name__ == "__main__":
    harness.main()
