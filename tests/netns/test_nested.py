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
        self.assertLess(udp["sum"]["lost_percent"], 50)  # sockets of a busy machine overflow
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
        self.wait_for_ping(left.home, "10.77.0.2")

    def test_tunnels_without_a_session_that_lead_into_each_other_fail_without_a_crash(self):
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


@harness.for_each_pair
class MutualLoops:
    """Two tunnels of one host that lead into each other, `left` and `right` being their programs.

        first ======== its peer       The ends of first and second are on one host, the other two on another.
        second ======= its peer       Then the routes change: first's datagrams go into second, and second's
                                      into first, and none leaves the host.
    """

    def loop(self, outer):
        first, other = self.tunnel((self.left, self.left), outer=outer)
        second, third = (harness.Device(self, self.right, end.home) for end in (first, other))
        for i, (end, peer) in enumerate(((second, third), (third, second)), 1):
            end.configure(port=51840 + i, addresses=[f"10.79.0.{i}/24", f"fd79::{i}/64"])
            end.add_peer(peer, [f"10.79.0.{3 - i}/32", f"fd79::{3 - i}/128"], f"{outer.format(3 - i)}:{51843 - i}")
        self.assert_pings(first.home, "10.77.0.2", 2)
        self.assert_pings(first.home, "10.79.0.2", 2)
        return first, other, second, third

    def assert_bounded(self, outer, inside_second, inside_first):
        first, other, second, third = self.loop(outer)
        bare = [address.strip("[]") for address in (inside_second, inside_first)]
        length = "128" if ":" in bare[0] else "32"
        first.add_peer(other, ["10.77.0.2/32", f"{bare[1]}/{length}"], f"{inside_second}:51822")
        second.add_peer(third, ["10.79.0.2/32", f"{bare[0]}/{length}"], f"{inside_first}:51842")
        first.home.ip("route", "add", bare[0], "dev", second.name)
        first.home.ip("route", "add", bare[1], "dev", first.name)

        def sent():
            return first.counters(other)[1] + second.counters(third)[1]

        before = sent()
        first.home.ping("10.77.0.2", 1, wait=1)
        time.sleep(5)
        went = sent() - before
        self.assertGreater(went, 4000, "the ping goes around")
        self.assertLess(went, 1 << 20, "what goes around is bounded")
        self.assertEqual([end.process.code for end in (first, second)], [None, None])
        # both tunnels work again as soon as their ways are right
        first.set("peer", other.public_key, "endpoint", f"{outer.format(2)}:51822")
        second.set("peer", third.public_key, "endpoint", f"{outer.format(2)}:51842")
        self.wait_for_ping(first.home, "10.77.0.2")
        self.wait_for_ping(first.home, "10.79.0.2")

    def test_what_goes_around_over_ipv4_is_bounded(self):
        self.assert_bounded("10.90.0.{}", "10.79.1.9", "10.77.1.9")

    def test_what_goes_around_over_ipv6_is_bounded(self):
        self.assert_bounded("[fd90::{}]", "[fd79::9]", "[fd77::9]")


@harness.for_each_program
class Onion:
    def test_three_tunnels_within_each_other_carry_transfers_at_full_speed(self):
        ends = self.tunnel((self.program, self.program))
        for layer, mtu in ((8, 1340), (9, 1260)):
            ends = [harness.Device(self, self.program, end.home) for end in ends]
            for i, (end, other) in enumerate((ends, ends[::-1]), 1):
                end.configure(port=51820 + 10 * layer + i, addresses=[f"10.7{layer}.0.{i}/24"], mtu=mtu)
                end.add_peer(other, [f"10.7{layer}.0.{3 - i}/32"],
                             f"10.7{layer - 1}.0.{3 - i}:{51823 + 10 * layer - i}")
        left, right = ends
        self.assert_pings(left.home, "10.79.0.2", 5)
        for options in ((), ("-R",)):
            moved = self.transfer(left.home, right.home, "10.79.0.2", *options, seconds=2)
            self.assertGreater(moved["sum_received"]["bytes"], 8 << 20)


if __name__ == "__main__":
    harness.main()
