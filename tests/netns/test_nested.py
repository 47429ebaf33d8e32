#!/usr/bin/python3
"""Tunnels inside tunnels, onion routes, and tunnels that are routed into themselves."""

import time

import harness


@harness.for_each_pair
class Nested:
    def inner_tunnel(self, left, right):
        ends = [harness.Device(self, end.program, end.home) for end in (left, right)]
        for i, end in enumerate(ends, 1):
            end.configure(port=51830 + i, addresses=[f"10.78.0.{i}/24", f"fd78::{i}/64"], mtu=1340)
        for i, (end, other) in enumerate((ends, ends[::-1]), 1):
            end.add_peer(other, [f"10.78.0.{3 - i}/32", f"fd78::{3 - i}/128"],
                         f"10.77.0.2:{51833 - i}" if i == 1 else None)
        return ends

    def test_a_tunnel_inside_the_tunnel_carries_pings_and_transfers(self):
        left, right = self.tunnel()
        inner = self.inner_tunnel(left, right)
        for address in ("10.78.0.2", "fd78::2"):
            self.assert_pings(left.home, address, 10)
            there = self.transfer(left.home, right.home, address)
            self.assertGreater(there["sum_received"]["bytes"], 1 << 20)
        back = self.transfer(left.home, right.home, "10.78.0.2", "-R")
        self.assertGreater(back["sum_received"]["bytes"], 1 << 20)
        udp = self.transfer(left.home, right.home, "10.78.0.2", "-u", "-b", "10M")
        self.assertLess(udp["sum"]["lost_percent"], 5)
        self.assertNotEqual(inner[0].peer(inner[1]).handshake, 0)


@harness.for_each_program
class Loops:
    def test_a_tunnel_routed_into_itself_sends_a_bounded_amount(self):
        left, right = self.tunnel((self.program, self.program))
        self.assert_pings(left.home, "10.77.0.2", 2)
        # the peer's own endpoint is inside the tunnel
        left.set("peer", right.public_key, "endpoint", "10.77.0.2:51822")
        _, before = left.counters(right)
        left.home.ping("10.77.0.2", 1, wait=1)
        time.sleep(1)
        _, after = left.counters(right)
        self.assertLess(after - before, 70000)
        self.assertIsNone(left.process.code, "the program lives")
        left.set("peer", right.public_key, "endpoint", "10.90.0.2:51822")
        self.wait_for_ping(left.home, "10.77.0.2", 8)

    def test_two_tunnels_routed_into_each_other_fail_without_a_crash(self):
        left, right = self.tunnel((self.program, self.program))
        second = harness.Device(self, self.program, left.home)
        second.configure(port=51841, addresses=["10.79.0.1/24"])
        stranger = harness.pubkey(harness.genkey())
        second.add_peer(stranger, ["10.79.0.2/32"], "10.77.0.9:7")
        left.add_peer(harness.pubkey(harness.genkey()), ["10.77.0.9/32"], "10.79.0.2:7")
        left.home.ping("10.79.0.2", 3, wait=0.5)
        left.home.ping("10.77.0.9", 3, wait=0.5)
        self.assertIsNone(left.process.code)
        self.assertIsNone(second.process.code)
        self.assert_pings(left.home, "10.77.0.2", 3)


if __name__ == "__main__":
    harness.main()
