#!/usr/bin/python3
"""Pings and transfers over every combination of outer family, inner family and MTU."""

import time

import harness


@harness.for_each_pair
class Traffic:
    def carry(self, **options):
        left, right = self.tunnel(**options)
        self.assert_both_ways(left, right)
        cores = 2
        for address in ("10.77.0.2", "fd77::2"):
            there = self.transfer(left.home, right.home, address, "-P", cores)
            self.assertGreater(there["sum_received"]["bytes"], 1 << 20)
        back = self.transfer(left.home, right.home, "10.77.0.2", "-R")
        self.assertGreater(back["sum_received"]["bytes"], 1 << 20)
        for direction in ((), ("-R",)):
            udp = self.transfer(left.home, right.home, "fd77::2", "-u", "-b", "20M", *direction)
            self.assertLess(udp["sum"]["lost_percent"], 50)  # sockets of a busy machine overflow
        self.assert_both_ways(left, right, 3)

    def test_an_ipv4_underlay_carries_pings_and_transfers_of_both_families(self):
        self.carry(outer="10.90.0.{}")

    def test_an_ipv6_underlay_carries_both_families_with_a_preshared_key(self):
        self.carry(outer="[fd90::{}]", psk=harness.genpsk())

    def test_jumbo_frames_pass_over_an_ipv4_underlay(self):
        self.carry(outer="10.90.0.{}", mtu=8920, link_mtu=9000, psk=harness.genpsk())

    def test_jumbo_frames_pass_over_an_ipv6_underlay(self):
        self.carry(outer="[fd90::{}]", mtu=8920, link_mtu=9000)

    def test_ten_pings_are_counted_to_the_byte_on_both_sides(self):
        left, right = self.tunnel()
        before = time.time()
        self.assert_pings(left.home, "10.77.0.2", 10)
        # ten packets of 84 bytes padded to 96, with 32 bytes of transport
        # message each; an initiation of 148 bytes and a response of 92
        sent, answered = 148 + 10 * 128, 92 + 10 * 128
        self.assertEqual(left.counters(right), (answered, sent))
        self.assertEqual(right.counters(left), (sent, answered))
        for end in (left, right):
            statistics = end.home.run("cat", f"/sys/class/net/{end.name}/statistics/rx_bytes").stdout
            self.assertEqual(int(statistics), 10 * 84, "bytes that the interface received")
        for end, other in ((left, right), (right, left)):
            handshake = end.peer(other).handshake
            self.assertGreaterEqual(handshake, int(before) - 1, "wall-clock time of the last handshake")
            self.assertLessEqual(handshake, time.time() + 1)


if __name__ == "__main__":
    harness.main()
