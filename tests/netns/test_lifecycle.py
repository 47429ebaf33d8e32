#!/usr/bin/python3
"""Start, readiness, removal from outside, shutdown, and what a killed program leaves."""

import os
import signal
import time

import harness


@harness.for_each_program
class Lifecycle:
    def command(self, *arguments):
        return [*harness.PROGRAMS[self.program], *arguments]

    def device(self, **options):
        return harness.Device(self, self.program, self.namespace(), **options)

    def assert_gone(self, device):
        self.assertFalse(os.path.exists(device.socket_path), "the control socket is removed")
        self.assertFalse(device.home.has_link(device.name), "the interface is removed")

    def test_sigterm_and_sigint_end_the_program_and_leave_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            left, right = self.tunnel((self.program, self.program))
            self.assert_pings(left.home, "10.77.0.2", 3)
            left.process.signal(number)
            self.assertEqual(left.process.wait(), 0)
            self.assert_gone(left)

    def test_so_does_a_shutdown_under_traffic(self):
        left, right = self.tunnel((self.program, self.program))
        flood = harness.Process(self, ["iperf3", "-s", "-1", "-B", "10.77.0.2", "--forceflush"], right.home)
        harness.wait_until(lambda: "Server listening" in flood.output(), "iperf3 listens")
        harness.Process(self, ["iperf3", "-c", "10.77.0.2", "-t", "20"], left.home)
        harness.wait_until(lambda: right.counters(left)[0] > 1 << 20, "traffic")
        for end in (left, right):
            self.assertEqual(end.process.terminate(), 0)
            self.assert_gone(end)

    def test_the_drop_in_is_ready_when_it_returns(self):
        """Moves the interface to another namespace at once, where wg-quick's users have it."""
        outside, inside = self.hosts()
        for namespace, number in ((outside, 1), (inside, 2)):
            home = self.namespace()
            device = harness.Device(self, self.program, namespace, start=False)
            namespace.run(*self.command(device.name), timeout=10)
            namespace.ip("link", "set", device.name, "netns", home.name)
            device.home = home
            self.assertTrue(device.serves(), "the control socket is served")
            device.configure(port=51820 + number, addresses=[f"10.77.0.{number}/24", f"fd77::{number}/64"])
            if number == 1:
                left = device
        left.add_peer(device, ["10.77.0.2/32", "fd77::2/128"], "10.90.0.2:51822")
        device.add_peer(left, ["10.77.0.1/32", "fd77::1/128"])
        self.assert_both_ways(left, device, 5)
        # the program is in the first namespace, and ends like any other
        for namespace in (outside, inside):
            for pid in namespace.processes():
                os.kill(pid, signal.SIGTERM)
            harness.wait_until(lambda: not namespace.processes(), "the end of the program")
        self.assert_gone(left)
        self.assert_gone(device)

    def test_a_device_that_is_deleted_from_outside_ends_the_program(self):
        left, right = self.tunnel((self.program, self.program))
        self.assert_pings(left.home, "10.77.0.2", 3)
        left.home.ip("link", "del", left.name)
        code = left.process.wait()
        self.assertFalse(os.path.exists(left.socket_path))
        if self.program == "weftd":
            self.assertEqual(code, 1)
            self.assertIn(left.name, left.process.output())
            self.assertRegex(left.process.output(), "(?i)(removed|deleted|gone|lost)")

    def test_a_device_whose_namespace_is_deleted_ends_the_program(self):
        device = self.device(start=False)
        inside = self.namespace()
        device.start()
        device.namespace.ip("link", "set", device.name, "netns", inside.name)
        device.home = inside
        device.configure(port=51821)
        inside.remove()
        device.process.wait()

    def test_cycles_of_start_and_stop_leave_nothing_behind(self):
        namespace = self.namespace()
        for _ in range(10):
            device = harness.Device(self, self.program, namespace)
            device.configure(port=51821, addresses=["10.77.0.1/24"])
            self.assertEqual(device.process.terminate(), 0)
            self.assert_gone(device)
        self.assertEqual(namespace.processes(), [])
        self.assertEqual(namespace.ip("-o", "link", "show").stdout.count("\n"), 1, "only lo is left")

    def test_what_a_killed_program_left_is_cleared(self):
        device = self.device()
        device.process.kill()
        self.assertTrue(os.path.exists(device.socket_path), "the socket that nobody serves")
        device.start()
        device.configure(port=51821)
        self.assertEqual(device.show("listen-port"), "51821")

    def test_the_link_of_somebody_else_is_refused_and_left_alone(self):
        device = self.device(start=False)
        device.namespace.ip("link", "add", device.name, "type", "veth", "peer", "name", "other")
        process = harness.Process(self, self.command("-f", device.name), device.namespace)
        self.assertEqual(process.wait(), 1)
        self.assertIn(device.name, process.output())
        self.assertTrue(device.namespace.has_link(device.name), "the link is still there")
        self.assertFalse(os.path.exists(device.socket_path))

    def test_a_second_program_for_the_same_interface_is_refused(self):
        left, right = self.tunnel((self.program, self.program))
        self.assert_pings(left.home, "10.77.0.2", 3)
        second = harness.Process(self, self.command("-f", left.name), left.home)
        self.assertEqual(second.wait(), 1)
        self.assertIn(left.name, second.output())
        self.assertTrue(left.serves())
        self.assert_pings(left.home, "10.77.0.2", 3)

    def test_a_link_that_goes_down_and_up_again_carries_packets_again(self):
        left, right = self.tunnel((self.program, self.program))
        self.assert_pings(left.home, "10.77.0.2", 3)
        for _ in range(3):
            left.home.ip("link", "set", left.name, "down")
            right.home.ping("10.77.0.1", 2, wait=0.2)
            left.home.ip("link", "set", left.name, "up")
            self.wait_for_ping(left.home, "10.77.0.2")
            left.home.add_address("fd77::1/64", left.name)  # the kernel dropped it
            self.assert_both_ways(left, right, 3)

    def test_an_answer_to_a_handshake_that_comes_late_is_taken(self):
        left, right = self.tunnel((self.program, self.program))
        right.process.signal(signal.SIGSTOP)
        ping = harness.Process(self, ["ping", "-n", "-c", "1", "-W", "4", "10.77.0.2"], left.home)
        time.sleep(1)
        right.process.signal(signal.SIGCONT)
        self.assertEqual(ping.wait(), 0, "answered before the handshake is tried again")

    def test_a_program_that_was_stopped_for_a_while_goes_on(self):
        left, right = self.tunnel((self.program, self.program))
        self.assert_pings(left.home, "10.77.0.2", 3)
        left.process.signal(signal.SIGSTOP)
        self.assertEqual(right.home.ping("10.77.0.1", 2, wait=1), 0)
        left.process.signal(signal.SIGCONT)
        self.wait_for_ping(right.home, "10.77.0.1")
        self.assert_both_ways(left, right, 3)


@harness.for_each_pair
class Restart:
    """Nobody touches the surviving side."""

    def start_again(self, end, other, keepalive=None):
        end.process.kill()
        end.remove_socket()
        end.start()
        end.configure(port=51820 + end.number, addresses=[f"10.77.0.{end.number}/24", f"fd77::{end.number}/64"])
        end.add_peer(other, [f"10.77.0.{other.number}/32", f"fd77::{other.number}/128"],
                     f"10.90.0.{other.number}:{51820 + other.number}", keepalive)

    def numbered_tunnel(self):
        ends = self.tunnel(both_endpoints=True)
        for number, end in enumerate(ends, 1):
            end.number = number
        self.assert_both_ways(*ends, 2)
        return ends

    def test_either_side_killed_and_started_again_reaches_the_other_at_once(self):
        left, right = self.numbered_tunnel()
        for end, other in ((left, right), (right, left)):
            self.start_again(end, other)
            self.wait_for_ping(end.home, f"10.77.0.{other.number}", harness.BEFORE_GIVEN_UP)
            self.assertIsNone(other.process.code)
            self.assert_both_ways(left, right, 5)

    def test_pings_to_a_side_killed_and_started_again_resume_before_the_session_is_given_up(self):
        left, right = self.numbered_tunnel()
        for end, other in ((left, right), (right, left)):
            pings = harness.Process(self, ["ping", "-n", "-i", "0.01", "-c", "6000", f"10.77.0.{end.number}"],
                                    other.home)
            harness.wait_until(lambda: "bytes from" in pings.output(), "first answers")
            self.start_again(end, other, keepalive=25)
            before = pings.output().count("bytes from")
            harness.wait_until(lambda: pings.output().count("bytes from") > before, "answers",
                               harness.BEFORE_GIVEN_UP)
            self.assertIsNone(other.process.code)
            pings.terminate()
            self.assert_both_ways(left, right, 5)


if __name__ == "__main__":
    harness.main()
