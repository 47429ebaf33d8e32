#!/usr/bin/python3
"""Congestion marks (ECN, RFC 6040): out with the datagram, and in again with what the network made of them."""

import re
import shutil
import socket
import unittest

import harness
import nodes

NOT_CAPABLE, CAPABLE_1, CAPABLE_0, CONGESTED = range(4)
NAMES = {NOT_CAPABLE: "not-ect", CAPABLE_1: "ect1", CAPABLE_0: "ect0", CONGESTED: "ce"}
# The message that carries an IPv4 ping: 84 bytes, padded to 96, with header and tag.
SMALLEST = 16 + 96 + 16


class Counters:
    """Rules of nftables in a host that count."""

    def __init__(self, host):
        self.host = host
        host.nft("add table inet marks", "add chain inet marks out { type filter hook output priority 0; }",
                 "add chain inet marks in { type filter hook input priority 0; }",
                 "add chain inet marks change { type route hook output priority 100; }")

    def add(self, chain, name, rule):
        self.host.nft(f"add counter inet marks {name}", f"add rule inet marks {chain} {rule} counter name {name}")

    def __getitem__(self, name):
        return self.read("packets", name)

    def bytes(self, name):
        return self.read("bytes", name)

    def read(self, what, name):
        return int(re.search(rf"{what} (\d+)", self.host.run("nft", "list", "counter", "inet", "marks", name).stdout)
                   .group(1))


class Marks(harness.NetnsTest):
    def start(self, outer=4):
        self.left, self.right = nodes.pair(self, start=False)
        if outer == 6:
            self.left.peers[0]["endpoint"] = "[fd90::2]:51820"
            self.right.peers[0]["endpoint"] = "[fd90::1]:51820"
        for node in (self.left, self.right):
            node.start()
        nodes.wait_for_ping(self.left, self.right)
        self.sent, self.arrived = Counters(self.left.home), Counters(self.right.home)
        self.outer = "ip" if outer == 4 else "ip6"

    def have_network_mark(self, mark, share=""):
        self.left.home.nft(f"add rule inet marks change udp sport 51820 {share} {self.outer} ecn set {NAMES[mark]}")

    def send(self, mark, count=20, family=4, patience=60):
        """Pings with a mark; returns how many answers came, the last one within `patience` s."""
        command = ("ping", "-n", "-c", count, "-i", "0.02", "-W", patience, "-Q", mark,
                   nodes.address_of(self.right, family))
        return int(re.search(r"(\d+) received", self.left.home.run(*command, check=False).stdout).group(1))

    def test_the_datagram_is_as_capable_as_the_packet(self):
        for outer in (4, 6):
            with self.subTest(outer=outer):
                self.start(outer)
                for mark, name in NAMES.items():
                    self.sent.add("out", f"sent{mark}", f"udp sport 51820 {self.outer} ecn {name}")
                for family in (4, 6):
                    for mark in NAMES:
                        before = self.sent.bytes(f"sent{mark}")
                        self.assertEqual(self.send(mark, family=family), 20)
                        # Datagrams that leave together are one packet for the counter.
                        self.assertGreaterEqual(self.sent.bytes(f"sent{mark}") - before, 20 * SMALLEST)
                # Of DSCP nothing is seen outside.
                self.sent.add("out", "dscp", f"udp sport 51820 {self.outer} dscp != 0")
                self.assertEqual(self.send(0xb8 | CAPABLE_0), 20)
                self.assertEqual(self.sent["dscp"], 0)

    def test_what_the_network_marks_arrives_inside(self):
        for outer in (4, 6):
            with self.subTest(outer=outer):
                self.start(outer)
                for family, icmp, header in ((4, "icmp", "ip"), (6, "ipv6-icmp", "ip6")):
                    self.arrived.add("in", f"ce{family}", f"meta l4proto {icmp} {header} ecn ce")
                self.have_network_mark(CONGESTED)
                for family in (4, 6):
                    for mark in (CAPABLE_0, CAPABLE_1, CONGESTED):
                        before = self.arrived[f"ce{family}"]
                        self.assertEqual(self.send(mark, family=family), 20)
                        self.assertEqual(self.arrived[f"ce{family}"] - before, 20)

    def test_what_knows_no_marks_is_dropped_as_a_sign_and_counted(self):
        self.start()
        self.have_network_mark(CONGESTED)
        self.assertEqual(self.send(NOT_CAPABLE, count=10, patience=3), 0)
        self.assertEqual(self.right.peer(self.left)["drops"].get("congested"), 10)
        self.assertEqual(self.left.peer(self.right)["state"], "up")

    def test_tcp_with_ecn_slows_down_by_marks_and_loses_nothing(self):
        self.start()
        for node in (self.left, self.right):
            node.home.sysctl(ipv4__tcp_ecn=1)
        self.have_network_mark(CONGESTED, share=f"{self.outer} ecn ect0 numgen random mod 100 < 1")
        measured = self.transfer(self.left.home, self.right.home, nodes.address_of(self.right), seconds=3)
        self.assertGreater(measured["sum_received"]["bytes"], 1_000_000)
        counted = self.left.home.run("nstat", "-az", "TcpExtTCPDeliveredCE").stdout
        self.assertGreater(int(re.search(r"TcpExtTCPDeliveredCE\s+(\d+)", counted).group(1)), 0, counted)
        self.assertEqual(self.right.drops("replayed"), 0)

    def test_bursts_with_different_marks_arrive_whole_and_in_order(self):
        self.start()
        here, there = self.left.home.udp_socket(), self.right.home.udp_socket()
        with here, there:
            there.bind((nodes.address_of(self.right), 7777))
            there.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            there.settimeout(20)
            for burst in range(50):
                marks = [(burst + i // 3) % 4 for i in range(24)]
                for number, mark in enumerate(marks):
                    here.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, mark)
                    here.sendto(bytes([burst, number]) * 500, (nodes.address_of(self.right), 7777))
                for number, mark in enumerate(marks):
                    data, ancillary, *_ = there.recvmsg(2000, 100)
                    self.assertEqual(data, bytes([burst, number]) * 500)
                    self.assertEqual(ancillary[0][2][0] & CONGESTED, mark)


@unittest.skipUnless(shutil.which("wireguard-go"), "there is no wireguard-go")
class WithOthers(harness.NetnsTest):
    """wireguard-go bears no marks out, and takes none in."""

    def test_inner_marks_stay_as_they_were(self):
        left, right = self.tunnel(("weftd", "wireguard-go"))
        self.assert_both_ways(left, right)
        arrived = Counters(right.home)
        arrived.add("in", "ect0", "ip protocol icmp ip ecn ect0")
        answered = Counters(left.home)
        answered.add("in", "ect0", "ip protocol icmp ip ecn ect0")
        answered.add("in", "plain", "udp dport 51821 ip ecn not-ect")
        left.home.run("ping", "-n", "-c", 10, "-i", "0.05", "-Q", CAPABLE_0, "10.77.0.2")
        self.assertEqual(arrived["ect0"], 10)
        self.assertEqual(answered["ect0"], 10)  # a ping is answered with its own mark
        self.assertGreaterEqual(answered["plain"], 10)


if __name__ == "__main__":
    harness.main()
