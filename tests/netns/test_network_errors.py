#!/usr/bin/python3
"""Errors of the network: who is told of them, and whom they must not cost anything."""

import os

import harness
import nodes

FORGER = f"{os.path.dirname(os.path.abspath(__file__))}/forge_icmp.py"


class NetworkErrors(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.near, self.far = nodes.pair(self, start=False)
        self.ghost = nodes.Node(self, self.far.home, 3)  # never started

    def start(self, **ghost):
        """Two nodes, of which the near one also knows somebody who is not there, and talks to him."""
        self.near.knows(self.ghost, **ghost)
        for node in (self.near, self.far):
            node.start()
        nodes.wait_for_ping(self.near, self.far)
        harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(self.ghost)], self.near.home)

    def assert_says(self, *words, state="failing"):
        """What the peer that is not there comes to."""
        def says():
            peer = self.near.peer(self.ghost)
            return peer["state"] == state and all(word in (peer["reason"] or "") for word in words)
        harness.wait_until(says, f"{state}, {words}")

    def test_a_closed_port_is_told_and_costs_a_live_peer_nothing(self):
        self.start(endpoint="10.90.0.2:51999")
        count = 1200
        self.assertEqual(nodes.ping(self.near, self.far, count, interval=0.01), count)
        self.assert_says("refused at 10.90.0.2:51999")
        self.assertEqual(self.near.peer(self.far)["state"], "up")
        self.assertEqual(self.near.drops("send_failed"), 0)

    def test_forged_messages_change_no_state_and_cost_nothing(self):
        self.start(endpoint="10.90.0.77:51820")  # nobody
        self.assert_says("at 10.90.0.77:51820")
        before = [self.near.peer(other) for other in (self.far, self.ghost)]
        forgers = [harness.Process(self, ["/usr/bin/python3", "-B", FORGER, "10.90.0.1", "51820", quoted, "51820",
                                          "40000", "5000"], self.far.home)
                   for quoted in ("10.90.0.2", "10.90.0.77")]
        measured = self.transfer(self.near.home, self.far.home, nodes.address_of(self.far), "-b", "20M", seconds=3)
        self.assertGreater(measured["sum_received"]["bits_per_second"], 18e6)
        count = 300
        # IPv6 inside: ping's own socket for IPv4 would be flooded, too.
        self.assertEqual(self.near.home.ping(nodes.address_of(self.far, 6), count, interval=0.01), count)
        for forger in forgers:
            self.assertEqual(forger.wait(), 0, forger.output())
        after = [self.near.peer(other) for other in (self.far, self.ghost)]
        for key in ("state", "state_since", "endpoint"):
            self.assertEqual([peer[key] for peer in after], [peer[key] for peer in before], key)
        self.assertNotIn("refused", after[1]["reason"] or "")
        self.assertEqual(self.near.drops("send_failed"), 0)

    def test_an_ipv6_endpoint_without_ipv6_is_told(self):
        self.start(endpoint="[2001:db8::7]:51820")
        self.assert_says("cannot send to [2001:db8::7]:51820", "no IPv6 here")

    def test_an_address_that_nobody_has_is_told(self):
        self.start(endpoint="10.90.0.77:51820")
        self.assert_says("errno 113", "at 10.90.0.77:51820")

    def test_a_firewall_of_this_host_is_told(self):
        self.near.home.nft("add table inet test", "add chain inet test out { type filter hook output priority 0; }",
                           "add rule inet test out udp dport 51999 drop")
        self.start(endpoint="10.90.0.2:51999")
        self.assert_says("cannot send to 10.90.0.2:51999", "a firewall forbids it")

    def test_a_name_that_is_not_found_is_told(self):
        self.start(endpoint="nobody.invalid:51820")
        self.assert_says("not resolved: ", "nobody.invalid", state="waiting")


if __name__ == "__main__":
    harness.main()
