#!/usr/bin/python3
"""What the host does to a node: kills, links and addresses that go, sends that fail, and nothing left of disk,
descriptors, memory and time.  docs/reliability.md has the promises, and which test keeps each."""

import glob
import os
import resource
import signal
import socket
import time
import unittest

import harness
import nodes
from nodes import ping, wait_for_ping


class Killed(harness.NetnsTest):
    """SIGKILL, after which a plain start must do."""

    def assert_starts_clean(self, node, other):
        node.start()
        wait_for_ping(node, other)
        wait_for_ping(other, node)

    def test_a_kill_at_any_moment_of_the_start_leaves_nothing_in_the_way(self):
        node, other = nodes.pair(self)
        node.process.kill()
        began = time.monotonic()
        node.start()
        whole = time.monotonic() - began
        node.process.kill()
        for step in range(10):
            process = node.launch()
            time.sleep(whole * step / 8)
            process.kill()
            self.assertFalse(node.home.has_link(node.name), "the interface went with the program")
        self.assert_starts_clean(node, other)

    def test_a_kill_in_the_middle_of_a_reload_leaves_nothing_in_the_way(self):
        node, other = nodes.pair(self)
        for step in range(6):
            node.write(listen=51820 + step % 2, mtu=1400 + step,
                       cluster_networks=["10.200.0.0/16", "fd00:200::/32", f"10.{210 + step}.0.0/16"])
            node.process.signal(signal.SIGHUP)
            time.sleep(0.004 * step)
            node.process.kill()
            node.start()
            self.assertIn(f"mtu {1400 + step}", node.home.ip("link", "show", node.name).stdout)
            self.assertIn(node.name, node.home.ip("route", "show", f"10.{210 + step}.0.0/16").stdout)
        node.process.kill()
        node.write(listen=51820)
        self.assert_starts_clean(node, other)

    def test_ten_kills_under_traffic_and_each_time_traffic_comes_back_by_itself(self):
        ends = nodes.pair(self)
        traffic = [harness.Process(self, ["ping", "-n", "-q", "-i", "0.005", "-s", "1200", nodes.address_of(other)],
                                   end.home) for end, other in (ends, ends[::-1])]
        wait_for_ping(*ends)
        for step in range(10):
            node, other = ends[::-1] if step % 2 else ends
            node.process.kill()
            self.assertFalse(node.home.has_link(node.name))
            node.start()
            wait_for_ping(node, other, harness.BEFORE_GIVEN_UP)
            wait_for_ping(other, node, harness.BEFORE_GIVEN_UP)
            self.assertIsNone(other.process.code)
        for process in traffic:
            process.kill()


class Links(harness.NetnsTest):
    """The interface, the links below it, and their addresses."""

    def test_a_deleted_interface_ends_the_node_with_an_error_and_the_next_start_is_clean(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        node.home.ip("link", "del", node.name)
        self.assertEqual(node.process.wait(), 1, "so that the service manager starts it again")
        self.assertRegex(node.log(), f"interface {node.name} was lost: .*shutting down")
        self.assertFalse(glob.glob(f"/run/w*/{node.name}.sock"), "the sockets are gone")
        node.start()
        wait_for_ping(node, other)

    def test_an_interface_that_was_down_has_its_networks_again_when_it_is_up(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        node.home.ip("link", "set", node.name, "down")
        self.assertEqual(ping(other, node, wait=0.3), 0)
        node.home.ip("link", "set", node.name, "up")
        harness.wait_until(lambda: node.name in node.home.ip("route", "show", "10.200.0.0/16").stdout,
                           "the network is routed again", 5)
        wait_for_ping(node, other)
        wait_for_ping(other, node)
        self.wait_for_addresses(node)
        self.assertEqual(node.home.ping("fd00:200:2::1", 3), 3, "IPv6 is back as well")

    def wait_for_addresses(self, node):
        """All that the file states of them."""
        listing = lambda: node.home.ip("-o", "addr", "show", "dev", node.name).stdout
        harness.wait_until(lambda: all(f" {address} " in listing() for address in node.addresses()),
                           "the interface has its addresses")

    def test_what_other_programs_take_away_is_put_back_and_said(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        node.home.ip("addr", "flush", "dev", node.name)
        self.wait_for_addresses(node)
        wait_for_ping(node, other)
        node.logs(f"{node.name} had lost the address 10.200.1.1/24: it was put back")
        node.home.ip("route", "del", "10.200.0.0/16", "dev", node.name)
        node.logs(f"{node.name} had lost the route 10.200.0.0/16: it was put back")
        wait_for_ping(node, other)

    def test_two_programs_do_not_fight_for_ever(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        for _ in range(5):
            node.home.ip("addr", "del", "10.200.1.1/24", "dev", node.name)
            self.wait_for_addresses(node)
        node.logs(f"another program changes {node.name} again and again")
        told = node.log().count("it was put back")
        node.home.ip("addr", "del", "10.200.1.1/24", "dev", node.name)
        node.weft("reload")  # an order is carried out at once
        self.wait_for_addresses(node)
        self.assertEqual(node.log().count("again and again"), 1)
        self.assertLessEqual(node.log().count("it was put back"), told + 2)

    def test_an_mtu_that_others_set_is_followed_where_the_link_is_not_ours_to_set(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 1)
        for mtu in (1280, 1500, 1420):
            for end in (left, right):
                end.home.ip("link", "set", end.name, "mtu", mtu)
            largest = mtu - 28
            self.assert_pings(left.home, "10.77.0.2", 3, size=largest)
            self.assert_pings(left.home, "10.77.0.2", 3, size=largest + 200)  # in fragments
            self.assertIn(f" mtu {mtu} ", left.home.ip("link", "show", left.name).stdout)

    def test_an_mtu_that_the_file_changes_is_that_of_the_packets(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        for mtu in (1280, 1500, 1420):
            for end in (node, other):
                end.write(mtu=mtu)
                end.reload()
                self.assertEqual(end.status()["mtu"], mtu)
            largest = mtu - 28
            self.assertEqual(ping(node, other, 3, size=largest), 3, f"packets of {mtu} bytes pass")
            self.assertEqual(ping(node, other, 3, size=largest + 200), 3, "larger ones are fragmented before")
        self.assertEqual(node.drops("malformed_packet"), 0)

    def test_the_link_below_may_go_and_come_back(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        before = node.peer(other)["last_handshake"]
        node.home.ip("link", "set", "net0", "down")
        self.assertEqual(ping(node, other, 3, wait=0.3), 0)
        node.home.ip("link", "set", "net0", "up")
        node.home.add_address("fd90::1/64", "net0")
        wait_for_ping(node, other, harness.BEFORE_GIVEN_UP)
        self.assertEqual(node.peer(other)["last_handshake"], before, "the session outlived it")
        # and another one in its place
        node.home.ip("link", "del", "net0")
        self.assertEqual(ping(node, other, 3, wait=0.3), 0)
        self.link(node.home, other.home, ["10.90.0.1/24"], ["10.90.0.2/24"])
        wait_for_ping(node, other)
        wait_for_ping(other, node)
        for end in (node, other):
            self.assertIsNone(end.process.code)

    def test_addresses_that_are_taken_away_stop_traffic_only_until_they_are_back(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        before = node.peer(other)["last_handshake"]
        node.home.ip("addr", "del", "10.90.0.1/24", "dev", "net0")
        self.assertEqual(ping(other, node, 2, wait=0.3), 0)
        node.home.add_address("10.90.0.1/24", "net0")
        wait_for_ping(other, node, harness.BEFORE_GIVEN_UP)
        self.assertEqual(node.peer(other)["last_handshake"], before, "the session outlived it")
        node.home.ip("addr", "del", "10.200.1.1/24", "dev", node.name)
        self.assertEqual(other.home.ping("fd00:200:1::1", 3), 3, "the other family does not mind")
        # With the last address of a family the kernel takes the interface's routes away as well.
        wait_for_ping(other, node, harness.BEFORE_GIVEN_UP)

    def test_a_peer_that_moved_and_comes_home_in_silence_is_found_there_and_where_it_was(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        other.home.add_address("10.90.0.22/24", "net0")
        other.process.kill()
        other.write(listen="10.90.0.22:51820")
        other.start()
        wait_for_ping(other, node)
        self.assertEqual(node.peer(other)["endpoint"], "10.90.0.22:51820")
        # Both places are silent for a while, and then it waits to be spoken to.
        other.peers[0].pop("endpoint")
        for place in ("10.90.0.2:51820", "10.90.0.22:51820"):
            other.process.kill()
            other.write(listen=place)
            node.home.ping(nodes.address_of(other), 1, wait=0.1)
            time.sleep(6)
            other.start()
            wait_for_ping(node, other, 60)
            self.assertEqual(node.peer(other)["endpoint"], place)

    def test_a_namespace_whose_name_is_deleted_goes_on_with_the_node_in_it(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        harness.run("ip", "netns", "del", node.home.name)
        self.assertEqual(ping(other, node, 5), 5)
        self.assertEqual(node.process.terminate(), 0)


class FailingSends(harness.NetnsTest):
    """What send calls say: EPERM, ENETUNREACH, EAGAIN."""

    def test_a_firewall_that_refuses_sends_ends_no_session(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        before = node.peer(other)["last_handshake"]
        node.home.nft("add table inet shut", "add chain inet shut out { type filter hook output priority 0; }",
                      "add rule inet shut out udp dport 51820 drop")
        self.assertEqual(ping(node, other, 5, wait=0.3), 0)
        self.assertGreaterEqual(node.drops("send_failed"), 5, "each is counted")
        node.home.nft("delete table inet shut")
        self.assertEqual(ping(node, other, 5), 5, "the first packet passes again")
        self.assertEqual(node.peer(other)["last_handshake"], before)
        self.assertLess(node.log().count("\n"), 10, "packets have no lines")

    def test_a_missing_route_ends_no_session(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        before = node.peer(other)["last_handshake"]
        node.home.ip("route", "del", "10.90.0.0/24", "dev", "net0")
        self.assertEqual(ping(node, other, 5, wait=0.3), 0)
        self.assertGreaterEqual(node.drops("send_failed"), 5)
        node.home.ip("route", "add", "10.90.0.0/24", "dev", "net0", "src", "10.90.0.1")
        wait_for_ping(node, other, harness.BEFORE_GIVEN_UP)
        self.assertEqual(node.peer(other)["last_handshake"], before)

    def test_a_way_that_takes_less_than_what_comes_holds_up_nothing_else(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        slow = node.home.run("tc", "qdisc", "add", "dev", "net0", "root", "tbf", "rate", "2mbit", "burst", "4k",
                             "limit", "4000000", check=False)
        if slow.returncode:
            self.skipTest(f"this kernel has no token bucket: {slow.stderr.strip()}")
        sender = node.home.udp_socket()
        try:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                for _ in range(50):
                    sender.sendto(bytes(1200), (nodes.address_of(other), 9))
                time.sleep(0.005)
        finally:
            sender.close()
        self.assertIn("mtu", node.status(), "control answers")
        node.home.run("tc", "qdisc", "del", "dev", "net0", "root")
        wait_for_ping(node, other, harness.BEFORE_GIVEN_UP)


class NothingLeft(harness.NetnsTest):
    """Disk, descriptors, memory."""

    def full_disk(self, size="16k"):
        """A folder on a file system without a free byte."""
        folder = f"{self.folder}/full"
        os.mkdir(folder)
        harness.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "weft-test", folder)
        self.stack.callback(lambda: harness.run("umount", "-l", folder, check=False))
        with open(f"{folder}/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        return folder

    def test_a_full_disk_costs_lines_of_the_log_and_nothing_else(self):
        disk = self.full_disk()
        node, other = nodes.pair(self, start=False)
        other.start()
        node.launch("sh", "-c", f'exec "$@" 2>>{disk}/log', "sh")
        wait_for_ping(node, other)
        node.write(mtu=1300)
        node.process.signal(signal.SIGHUP)
        harness.wait_until(lambda: node.status()["mtu"] == 1300, "the reload is done")
        self.assertEqual(os.path.getsize(f"{disk}/log"), 0)
        os.unlink(f"{disk}/filler")
        node.write(mtu=1310)
        node.process.signal(signal.SIGHUP)
        harness.wait_until(lambda: os.path.getsize(f"{disk}/log") > 0, "lines are written once there is room")
        self.assertEqual(ping(node, other, 5), 5)
        self.assertEqual(node.process.terminate(), 0)

    def test_commands_that_cannot_write_say_so_and_leave_no_half_file(self):
        disk = self.full_disk()
        for command in ("genkey", "genpsk"):
            result = harness.run("sh", "-c", f"umask 077; {harness.WEFT} {command} > {disk}/out", check=False)
            self.assertNotEqual(result.returncode, 0, command)
            self.assertRegex(result.stderr, "(?i)no space left|cannot write", command)
        result = harness.run(harness.WEFT, "pki", "init", "--folder", f"{disk}/pki", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("No space left", result.stderr)
        os.unlink(f"{disk}/filler")
        self.assertEqual(glob.glob(f"{disk}/pki/*.key"), [], "no key of zero bytes")

    def test_without_descriptors_the_start_ends_with_a_message(self):
        node, _ = nodes.pair(self, start=False)
        for most in (4, 7, 10, 13, 17, 21, 25, 28):
            process = node.launch("prlimit", f"--nofile={most}:{most}")
            harness.wait_until(lambda: process.code is not None or "is up" in process.output(), "the start ends")
            if process.code is None:
                self.assertEqual(process.terminate(), 0)
            else:
                self.assertIn(process.code, (1, 127), process.output())
                self.assertRegex(process.output(), "Too many open files|Error 24", f"with {most} descriptors")
            self.assertFalse(node.home.has_link(node.name))

    def test_without_descriptors_packets_pass_and_control_waits_without_work(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        node.reload()
        former = node.limit(resource.RLIMIT_NOFILE, 8)
        waiting = []
        for folder in (harness.SOCKETS, harness.CONTROL_SOCKETS):
            for _ in range(3):
                client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.stack.callback(client.close)
                client.settimeout(5)
                client.connect(f"{folder}/{node.name}.sock")
                waiting.append(client)
        before = node.processor_seconds()
        self.assertEqual(ping(node, other, 30, interval=0.1), 30)
        node.process.signal(signal.SIGHUP)
        node.logs("the configuration stays as it was")
        self.assertLess(node.processor_seconds() - before, 1.5, "nothing spins")
        node.limit(resource.RLIMIT_NOFILE, former)
        self.assertIn("mtu", node.status())
        node.reload()
        self.assertIn("configuration applied", node.log())

    @unittest.skipIf(harness.is_sanitized(harness.WEFTD), "AddressSanitizer needs all address space")
    def test_without_memory_the_start_ends_with_a_message(self):
        node, _ = nodes.pair(self, start=False)
        started = 0
        for megabytes in (20, 40, 50, 60, 70, 80, 90, 120, 250, 800):
            process = node.launch("prlimit", f"--as={megabytes << 20}")
            harness.wait_until(lambda: process.code is not None or "is up" in process.output(), "the start ends")
            if process.code is None:
                started += 1
                self.assertEqual(process.terminate(), 0)
            else:
                self.assertIn(process.code, (1, 127), f"with {megabytes} MB: {process.output()}")
                self.assertNotEqual(process.output(), "", f"with {megabytes} MB")
            self.assertFalse(node.home.has_link(node.name))
        self.assertGreaterEqual(started, 1)

    @unittest.skipIf(harness.is_sanitized(harness.WEFTD), "AddressSanitizer needs all address space")
    def test_without_more_memory_a_running_node_goes_on(self):
        node, other = nodes.pair(self)
        wait_for_ping(node, other)
        former = node.limit(resource.RLIMIT_AS, node.memory("VmSize") + (64 << 10))
        for _ in range(5):
            node.weft("status", code=None)
        node.process.signal(signal.SIGHUP)
        self.assertEqual(ping(node, other, 300, size=1300, interval=0.002), 300)
        self.assertIsNone(node.process.code, node.log())
        node.limit(resource.RLIMIT_AS, former)
        self.assertEqual(node.peer(other)["restarts"], 0)
        node.reload()
        self.assertEqual(ping(other, node, 5), 5)


class Clocks(harness.NetnsTest):
    def test_any_time_since_the_start_of_the_machine_will_do(self):
        node, other = nodes.pair(self, start=False)
        other.start()
        ten_years = 10 * 365 * 86400
        probe = node.home.run("unshare", "-T", "--boottime", ten_years, "true", check=False)
        if probe.returncode:
            self.skipTest(f"no time namespaces: {probe.stderr.strip()}")
        node.start("unshare", "-T", "--boottime", ten_years, "--monotonic", ten_years)
        wait_for_ping(node, other)
        wait_for_ping(other, node)
        node.reload()
        self.assertLess(node.processor_seconds(), 5, "deadlines are met once")

    def test_a_wall_clock_that_jumps_by_years_costs_no_packet(self):
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not library or harness.is_sanitized(harness.WEFTD):
            self.skipTest("libfaketime (package faketime) is not there, or cannot go with AddressSanitizer")
        node, other = nodes.pair(self, start=False)
        other.start()
        clock = self.text_file("clock", "+0\n")
        faked = {"LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
                 "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        node.start(environment=faked)
        wait_for_ping(node, other)
        for offset in ("+10y", "-20y", "+0"):
            self.text_file("clock", offset + "\n")
            self.assertEqual(ping(node, other, 20), 20, offset)
            self.assertEqual(ping(other, node, 20), 20, offset)
            node.reload()
        years = {int(line[:4]) for line in node.log().splitlines()}
        self.assertGreaterEqual(max(years) - min(years), 29, "the clock did jump")
        # A new session begins while the clock is behind: the other side asks for it.
        self.text_file("clock", "-20y\n")
        other.process.kill()
        other.start()
        wait_for_ping(other, node)
        self.assertEqual(ping(node, other, 5), 5)
        # A node that starts with a clock that is behind is refused, until the other side speaks first.
        for offset in ("+0", "-20y"):
            node.process.kill()
            self.text_file("clock", offset + "\n")
            node.start(environment=faked)
            if offset == "+0":
                wait_for_ping(node, other)
        pings = harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(node)], other.home)
        wait_for_ping(node, other, 40)
        self.assertGreater(other.drops("replayed_handshake"), 0)
        pings.kill()


if __name__ == "__main__":
    harness.main()
