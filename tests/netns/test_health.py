#!/usr/bin/python3
"""What operators get wrong between two nodes: each mistake is in the log and in the state of the peer within 15 s."""

import glob
import time

import harness
import nodes

SOON = 60  # seconds after the first packet, on a machine however busy


class Mistakes(harness.NetnsTest):
    """`left` sends to `right` all the time."""

    def ends(self):
        left, right = nodes.pair(self, start=False)
        self.left, self.right = left, right
        return left, right

    def start(self):
        for end in (self.left, self.right):
            end.start()
        self.traffic = harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(self.right)],
                                       self.left.home)
        self.began = time.monotonic()

    def within(self, condition, what):
        harness.wait_until(condition, what, max(0.0, self.began + SOON - time.monotonic()))

    def assert_said(self, node, *, line, state=None, reason=None, peer=None):
        """The line is in the node's log, and its peer's state and reason are these, in time."""
        self.within(lambda: line in node.log(), f"{node.name} logs {line!r}")
        self.assertEqual(node.log().count(line), 1, node.log())
        other = peer or (self.right if node is self.left else self.left)

        def is_so():
            shown = node.peer(other)
            return shown["state"] == state and (reason or "") in (shown["reason"] or "")
        if state:
            self.within(is_so, f"{node.name} shows {state}: {reason}")

    def test_nobody_answers(self):
        left, right = self.ends()
        right.home.nft("table ip t { chain c { type filter hook input priority 0; udp dport 51820 drop; }; }")
        self.start()
        answer = "no answer from 10.90.0.2:51820, 3 tries"
        self.assert_said(left, line=f"peer_troubled: node2 at 10.90.0.2:51820: {answer}", state="failing",
                         reason="no answer from 10.90.0.2:51820")
        self.assertGreaterEqual(left.peer(right)["tries"], 3)
        right.home.nft("delete table ip t")
        harness.wait_until(lambda: left.peer(right)["state"] == "up", "the peer is up again")
        self.assertIsNone(left.peer(right)["reason"])

    def test_a_wrong_key_of_the_other_side(self):
        left, right = self.ends()
        wrong = harness.pubkey(harness.genkey())
        left.peers[0]["public_key"] = wrong
        self.start()
        self.assert_said(right, line="10.90.0.1:51820 (claimed) uses a wrong public key for this node",
                         state="idle", reason="uses a wrong public key")
        self.within(lambda: left.status()["peers"][0]["state"] == "failing", "the peer fails")
        self.assertIn("no answer from 10.90.0.2:51820", left.log())
        self.assertNotIn(wrong, left.log() + right.log(), "keys are shortened")

    def test_a_node_that_the_other_side_does_not_know(self):
        left, right = self.ends()
        right.peers.clear()
        self.start()
        self.assert_said(right, line=f"a stranger with the key {left.public_key} (claimed) asks for a "
                                     "handshake from 10.90.0.1:51820")
        self.assert_said(left, line="no answer from 10.90.0.2:51820, 3 tries", state="failing")

    def test_preshared_keys_that_differ(self):
        left, right = self.ends()
        left.peers[0]["preshared_key"] = harness.genpsk()
        self.start()
        differ = "the preshared keys differ, or one side has none"
        self.assert_said(left, line=differ, state="failing", reason=differ)
        self.assert_said(right, line=differ, state="failing", reason=differ)
        self.assertNotIn(left.peers[0]["preshared_key"], left.log())

    def test_an_address_that_the_other_side_does_not_allow(self):
        left, right = self.ends()
        right.peers[0]["allowed_ips"] = ["10.200.77.0/24"]
        self.start()
        refused = "packets from 10.200.1.1 in its tunnel are refused"
        self.assert_said(right, line=refused, state="up", reason=refused)

    def test_one_tunnel_address_on_both_sides(self):
        left, right = self.ends()
        right.write(addresses=left.addresses())
        for end in (left, right):
            end.start()
        nobody = "10.200.1.9"  # whose packets go to the other side
        self.traffic = harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nobody], right.home)
        self.began = time.monotonic()
        double = "packets from 10.200.1.1 in its tunnel are refused: this host has that address as well"
        self.assert_said(left, line=double, state="up", reason=double)
        self.assertEqual(left.peer(right)["cause"], "same_address")
        self.assertIn(f"on both sides: node2: {double}", left.weft("explain", "node2", code=1))

    def test_a_clock_that_was_set_back(self):
        library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not library:
            self.skipTest("there is no libfaketime")
        left, right = self.ends()
        for end in (left, right):
            end.start()
        nodes.wait_for_ping(right, left)
        right.process.kill()
        # What it remembers of its own stamps would keep them from going back.
        right.start(environment={"LD_PRELOAD": library[0], "FAKETIME": "-1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                 "STATE_DIRECTORY": "/proc/nowhere"})
        self.traffic = harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(left)], right.home)
        left.logs("s older than one before: set its clock", 60)
        self.assertEqual(left.peer(right)["cause"], "clock_behind")
        self.assertIn("on the other side: node2: its handshakes from 10.90.0.2:51820 are",
                      left.weft("explain", "node2", code=1))

    def test_two_machines_with_one_key(self):
        left, right = self.ends()
        third = nodes.Node(self, self.namespace("t"), 3)
        self.link(third.home, right.home, ["10.91.0.3/24"], ["10.91.0.2/24"], name="net1")
        third.private_key = left.private_key
        self.text_file(f"{third.name}.key", left.private_key + "\n")
        third.knows(right, "10.91.0.2:51820")
        third.write(addresses=["10.200.1.3/24"])
        self.start()
        third.start()
        harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(right)], third.home)
        self.began = time.monotonic()
        both = "two machines use its key: the endpoint goes to and fro between 10.9"
        self.assert_said(right, line=both, state="up", reason=both)
        for address in ("10.90.0.1:51820", "10.91.0.3:51820"):
            self.assertIn(address, right.peer(left)["reason"])

    def test_details_are_there_at_debug_and_trace(self):
        left, right = self.ends()
        right.peers[0]["allowed_ips"] = ["10.200.77.0/24"]
        for end in (left, right):
            end.rest = "log: {level: trace}\n"
        self.start()
        left.logs("peer node2: initiation sent to 10.90.0.2:51820")
        left.logs("peer node2: response received from 10.90.0.2:51820")
        right.logs("peer node1: initiation received from 10.90.0.1:51820")
        right.logs("peer node1: dropped 1 (wrong_source), 10.200.1.1 -> 10.200.2.1")
        self.assertNotIn(left.public_key, left.log() + right.log())


if __name__ == "__main__":
    harness.main()
