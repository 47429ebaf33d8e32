#!/usr/bin/python3
"""What a node leaves to its service manager, and the next process makes of it: the test is the manager.

tests/packaging/test_upgrade.py has the same with systemd.
"""

import ctypes
import os
import signal
import struct
import time

import harness
import manager
import nodes
import replacing

LEAVE_TO_SUCCESSOR, EXIT_LEFT = 1, 6


STARTER = """
import os, sys
numbers = [int(text) for text in sys.argv[1].split(",") if text]
high = []
for number in numbers:
    high.append(os.dup2(number, 200 + len(high)))
for place, number in enumerate(high):
    os.dup2(number, 3 + place, inheritable=True)
for number in high + [number for number in numbers if number >= 3 + len(high)]:
    os.set_inheritable(number, False)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class Stored(replacing.Replacing, harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)
        self.manager = manager.Manager(self, self.left.name)
        self.right.start()
        self.left.start(environment=self.manager.environment())
        nodes.wait_for_ping(self.left, self.right)

    def index(self):
        return self.left.home.ip("-o", "link", "show", self.left.name).stdout.split(":")[0]

    def present(self):
        return self.handshakes(), self.index()

    def leave(self, code=EXIT_LEFT):
        """The node's process leaves all to the manager, as ExecStop= has it do."""
        libc = ctypes.CDLL(None, use_errno=True)
        self.assertEqual(libc.sigqueue(self.left.process.pid, int(signal.SIGTERM),
                                       ctypes.c_void_p(LEAVE_TO_SUCCESSOR)), 0)
        self.assertEqual(self.left.process.wait(), code, self.left.log())

    def launch(self, program=harness.WEFTD):
        names, numbers = self.manager.passes()
        try:
            self.left.process = harness.Process(
                self, ["/usr/bin/python3", "-c", STARTER, ",".join(map(str, numbers)), ":".join(names),
                       program, "--config", self.left.file], self.left.home, self.manager.environment(), numbers)
        finally:
            for number in numbers:
                os.close(number)

    def go_on(self, program=harness.WEFTD):
        self.launch(program)
        self.left.logs("goes on in this process")
        harness.wait_until(lambda: not self.manager.names(), "nothing is kept any more")

    def restart(self, program=harness.WEFTD):
        self.leave()
        self.go_on(program)

    def assert_begins_anew(self, before, reason, keeps_device=False):
        harness.wait_until(lambda: "is up" in self.left.log() or "goes on in" in self.left.log()
                           or self.left.process.code is not None, "it works")
        self.assertIsNone(self.left.process.code, self.left.log())
        self.assertIn(reason, self.left.log())
        self.assertNotIn("still has", self.left.log())
        self.wait_for_ping(self.left.home, "10.200.2.1")
        self.assertNotEqual(self.handshakes()[0], before[0][0])
        self.assertEqual(self.index() == before[1], keeps_device)
        harness.wait_until(lambda: not self.manager.names(), "nothing is kept any more")

    def test_restarts_lose_no_ping_and_no_session(self):
        before, pings = self.present(), self.pings(self.left, "10.200.2.1", 1000)
        for _ in range(5):
            self.restart()
        self.assert_all_answered(pings)
        self.assertEqual(self.present(), before)
        self.assertEqual(self.right.drops("replayed"), 0)

    def test_nobody_is_served_any_more_when_packets_begin_to_wait(self):
        # What takes long to end holds up no packets.
        places = [f"{folder}/{self.left.name}.sock" for folder in (harness.CONTROL_SOCKETS, harness.SOCKETS)]
        self.assertEqual([path for path in places if not os.path.exists(path)], [])
        served = []
        self.manager.at_first_descriptor = lambda: served.append([path for path in places if os.path.exists(path)])
        self.restart()
        self.assertEqual(served, [[]])
        self.assertEqual([path for path in places if not os.path.exists(path)], [])

    def test_builds_with_different_formats_follow_each_other_up_and_down(self):
        before, pings = self.present(), self.pings(self.left, "10.200.2.1", 500)
        for program in (harness.NEXT_WEFTD, harness.WEFTD, harness.NEXT_WEFTD):
            self.restart(program)
            self.assertNotIn("begin anew", self.left.log())
        self.assert_all_answered(pings)
        self.assertEqual(self.present(), before)

    def test_a_damaged_state_keeps_the_device_and_the_port_is_free_for_the_next_process(self):
        # Handshakes have stamps of seconds here.
        for damage, reason in ((lambda state: state[:len(state) // 2], "it is damaged"),
                               (lambda state: state[:16] + struct.pack("<I", 4711) + state[20:],
                                "its format is version 4711")):
            before = self.present()
            time.sleep(1.1)
            self.leave()
            self.manager.slow_to_close = 0.05
            self.manager.change("state", lambda memory, damage=damage: replacing.Between.copy_of(memory, damage))
            self.launch()
            self.assert_begins_anew(before, reason, keeps_device=True)
            self.assertIn("its device stays", self.left.log())

    def test_a_file_for_another_interface_is_begun_anew(self):
        before = self.present()
        time.sleep(1.1)
        self.leave()
        self.manager.slow_to_close = 0.05
        former = self.left.name
        self.left.name = self.interface_name()
        self.left.file = f"{self.folder}/{self.left.name}.yaml"
        self.left.write(private_key_file=f"{former}.key")
        self.launch()
        self.assert_begins_anew(before, f"it is the state of {former}")

    def test_a_file_whose_other_sections_do_not_go_with_the_node_is_begun_anew(self):
        self.leave()
        self.manager.slow_to_close = 0.05
        # The node's other socket is there, as long as it goes on.
        self.left.rest = f"control: {{socket_folder: {harness.SOCKETS}}}\n"
        self.left.write(socket_folder=f"{self.folder}/sockets")
        self.launch()
        self.left.logs("is up")
        self.assertIn("is not used, and sessions begin anew", self.left.log())
        self.assertIn("socket_folder", self.left.log())
        self.wait_for_ping(self.left.home, "10.200.2.1")

    def test_who_has_read_the_state_and_ends_leaves_none_to_the_next_process(self):
        before = self.present()
        time.sleep(1.1)
        self.leave()

        def take(memory):
            os.pwrite(memory, struct.pack("<I", 1), 8)
            return memory
        self.manager.change("state", take)
        self.launch()
        self.assert_begins_anew(before, "an earlier process has begun to read it", keeps_device=True)

    def test_somebody_elses_descriptors_are_refused_and_what_was_there_is_free(self):
        before = self.present()
        time.sleep(1.1)
        self.leave()
        self.manager.slow_to_close = 0.05

        def other(descriptor):
            os.close(descriptor)
            return os.open("/dev/null", os.O_RDWR)
        self.manager.change("tun", other)
        self.launch()
        self.assert_begins_anew(before, "is not used, and sessions begin anew")

    def test_a_configuration_on_trial_for_long_is_not_waited_for(self):
        before = self.present()
        time.sleep(1.1)
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.left.weft("apply", self.left.file, "--confirm", "60s")
        self.leave(code=0)
        self.assertIn("sessions end with this process", self.left.log())
        self.assertEqual(self.manager.names(), [])
        self.launch()
        self.assert_begins_anew(before, "is up")

    def test_of_a_full_tunnel_that_nobody_goes_on_with_stays_what_a_crash_leaves(self):
        def rules():
            return [self.left.home.ip(family, "rule", "show").stdout for family in ("-4", "-6")]
        self.left.process.terminate()
        before = rules()
        self.left.peers[0]["default_route"] = True
        for locks in (False, True):
            self.left.write(kill_switch=locks)
            self.left.process = harness.Process(self, [harness.WEFTD, "--config", self.left.file, "--no-helper"],
                                                self.left.home, self.manager.environment())
            self.left.wait_ready()
            self.wait_for_ping(self.left.home, "10.200.2.1")
            self.leave()
            self.assertTrue(self.left.home.has_link(self.left.name))
            self.manager.give_up()
            harness.wait_until(lambda: not self.left.home.has_link(self.left.name), "the interface is gone")
            self.assertNotEqual(rules(), before)
            # They lead nowhere: past the tunnel, unless there is the lock.
            self.assertEqual(self.left.home.ping("10.90.0.2", 1, wait=1), 0 if locks else 1)
            if not locks:
                self.left.home.run(harness.WEFT, "unlock", "--all")
                self.assertEqual(rules(), before)
        time.sleep(1.1)  # stamps of handshakes have seconds here
        self.launch()
        self.left.logs("was killed before: the rule ")
        self.wait_for_ping(self.left.home, "10.200.2.1")
        self.left.process.terminate()
        self.assertEqual(rules(), before)
        self.left.home.run(harness.WEFT, "unlock", "--all")
        self.assertEqual(self.left.home.ping("10.90.0.2", 1, wait=5), 1)

    def test_a_stop_leaves_nothing(self):
        self.left.process.signal(signal.SIGTERM)
        self.assertEqual(self.left.process.wait(), 0)
        self.assertEqual(self.manager.names(), [])
        self.assertFalse(self.left.home.has_link(self.left.name))


if __name__ == "__main__":
    harness.main()
