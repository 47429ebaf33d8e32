#!/usr/bin/python3
"""Floods from strangers: handshake messages, sessions that nobody knows, and data that does not authenticate."""

import collections
import json
import socket
import sys

import harness

FLOODER = f"{harness.ROOT}/tests/netns/flooder.py"


class Flood(harness.NetnsTest):
    """A tunnel from left to right, and somebody who floods right from addresses behind left: 10.91.0.0/16.

    right's weft can be asked what it has dropped.  left has a second device, which right does not know yet.
    """

    RATE = 10_000

    def setUp(self):
        super().setUp()
        left, right = self.hosts()
        right.ip("route", "add", "10.91.0.0/16", "via", "10.90.0.1")
        self.right = harness.Device(self, "weftd", right, start=False)
        self.text_file("key", self.right.private_key + "\n")
        file = self.text_file("weft.yaml", f"""interface:
  name: {self.right.name}
  private_key_file: key
  listen: "0.0.0.0:51822"
  addresses: [10.77.0.2/24, 10.79.0.2/24]
control: {{socket_folder: {self.folder}}}
""")
        self.right.process = harness.Process(self, [harness.WEFTD, "--config", file], right)
        self.right.wait_ready()
        self.left, self.newcomer = (harness.Device(self, "weftd", left) for _ in range(2))
        self.left.configure(port=51821, addresses=["10.77.0.1/24"])
        self.left.add_peer(self.right, ["10.77.0.2/32"], "10.90.0.2:51822")
        self.right.add_peer(self.left, ["10.77.0.1/32"])
        self.newcomer.configure(port=51899, addresses=["10.79.0.1/24"])
        self.right.add_peer(self.newcomer, ["10.79.0.1/32"])
        self.assert_pings(left, "10.77.0.2", 3)

    def drops(self):
        """Of the device and of its peers, together."""
        status, = json.loads(harness.run(harness.WEFT, "status", "--json", "--interface", self.right.name,
                                        "--socket-folder", self.folder).stdout)
        return sum((collections.Counter(one["drops"]) for one in (status, *status["peers"])), collections.Counter())

    def flood(self, kind, *source):
        flooder = harness.Process(self, [sys.executable, "-B", FLOODER, kind, "10.90.0.2", 51822,
                                         self.right.public_key, self.RATE, *source], self.left.home)
        harness.wait_until(lambda: "flooding" in flooder.output(), "the flood begins")
        return flooder

    def assert_life_goes_on(self, flooder, reason):
        """While the flood is dropped for `reason`, the live peer is served and a new one comes in."""
        before = self.drops()
        harness.wait_until(lambda: self.drops()[reason] - before[reason] > 2000, f"drops for {reason}")
        answers = self.left.home.ping("10.77.0.2", 100, interval=0.01)
        self.newcomer.add_peer(self.right, ["10.79.0.2/32"], "10.90.0.2:51822")
        took = self.wait_for_ping(self.left.home, "10.79.0.2", 180)
        self.assertIsNone(flooder.code, "the flood outlasts all of it")
        counts = dict(self.drops() - before)
        print(f"{answers} of 100 pings answered, a handshake in {took:.1f} s, dropped: {counts}", flush=True)
        flooder.kill()
        self.assertGreaterEqual(answers, 95)
        self.assert_pings(self.left.home, "10.77.0.2", 10)
        self.assertEqual(self.right.peer(self.left).endpoint, "10.90.0.1:51821")

    def test_initiations_from_forged_addresses(self):
        self.assert_life_goes_on(self.flood("initiation"), "cookie_sent")

    def test_initiations_from_one_address(self):
        self.assert_life_goes_on(self.flood("initiation", "10.91.9.9", 999), "cookie_sent")

    def test_junk_asks_nobody_for_a_cookie(self):
        self.assert_life_goes_on(self.flood("junk"), "invalid_mac")
        self.assertEqual(self.drops()["cookie_sent"], 0)

    def test_data_of_sessions_that_nobody_knows(self):
        self.assert_life_goes_on(self.flood("transport"), "unknown_index")

    def test_data_of_sessions_that_nobody_knows_from_the_address_of_a_peer(self):
        self.assert_life_goes_on(self.flood("transport", "10.90.0.1", 51821), "unknown_index")

    def index_of_live_session(self):
        """As somebody on the way sees it."""
        wire = harness.in_namespace(self.left.home, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
        with wire:
            wire.bind(("net0", 3))
            wire.settimeout(10)
            self.assert_pings(self.left.home, "10.77.0.2", 1)
            while True:
                packet, (_, _, kind, *_) = wire.recvfrom(2048)
                if kind == socket.PACKET_OUTGOING and packet[28:32] == bytes([4, 0, 0, 0]):
                    return packet[32:36].hex()

    def test_data_with_bad_tags_for_a_live_session(self):
        self.assert_life_goes_on(self.flood(self.index_of_live_session()), "invalid_tag")

    def test_data_with_bad_tags_from_the_address_of_the_peer(self):
        self.assert_life_goes_on(self.flood(self.index_of_live_session(), "10.90.0.1", 51821), "invalid_tag")


if __name__ == "__main__":
    harness.main()
