#!/usr/bin/python3
"""Allowed IPs decide where packets go and whose packets are let in."""

import errno
import re
import socket

import harness


@harness.for_each_pair
class CryptokeyRouting:
    def receiver(self, device, address, port=1111):
        sock = device.home.udp_socket()
        self.addCleanup(sock.close)
        sock.bind((address, port))
        sock.settimeout(60)
        return sock

    def send(self, device, payload, source, target, port=1111):
        sender = device.home.udp_socket()
        sender.bind((source, 0))
        sender.sendto(payload, (target, port))
        sender.close()

    def test_a_more_specific_prefix_of_another_key_shuts_a_sender_out_but_moves_its_endpoint(self):
        left, right = self.tunnel()
        left.home.add_address("10.77.0.99/24", left.name)
        right.set("peer", left.public_key, "allowed-ips", "10.77.0.0/24")
        inbox = self.receiver(right, "10.77.0.2")
        self.send(left, b"first", "10.77.0.99", "10.77.0.2")
        self.assertEqual(inbox.recv(100), b"first")
        # the /32 moves to a key that is nobody's
        right.add_peer(harness.pubkey(harness.genkey()), ["10.77.0.99/32"])
        left.set("listen-port", 51999)
        self.send(left, b"shut out", "10.77.0.99", "10.77.0.2")
        harness.wait_until(lambda: right.peer(left).endpoint == "10.90.0.1:51999",
                           "the endpoint of the authenticated sender")
        self.send(left, b"let in", "10.77.0.1", "10.77.0.2")
        self.assertEqual(inbox.recv(100), b"let in", "the packet of the other source was dropped")

    def test_a_prefix_belongs_to_one_peer_and_moves_between_them(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        stranger = harness.pubkey(harness.genkey())
        left.add_peer(stranger, ["10.77.0.2/32"])
        self.assertEqual(left.peer(right).allowed_ips, {"fd77::2/128"})
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=0.5), 0)
        self.assert_pings(left.home, "fd77::2", 2)
        left.add_peer(right, ["10.77.0.2/32", "fd77::2/128"])
        self.assertEqual(left.peer(stranger).allowed_ips, set())
        self.assert_pings(left.home, "10.77.0.2", 2)

    def test_an_allowed_ip_that_is_taken_away_stops_both_directions_at_once(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        right.set("peer", left.public_key, "allowed-ips", "fd77::1/128")
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=0.5), 0)
        self.assert_pings(left.home, "fd77::2", 2)
        right.set("peer", left.public_key, "allowed-ips", "10.77.0.1/32,fd77::1/128")
        self.assert_pings(left.home, "10.77.0.2", 2)

    def test_a_removed_peer_is_cut_off_and_comes_back_when_it_is_added_again(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        right.remove_peer(left)
        self.assertIsNone(right.peer(left))
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=0.5), 0)
        right.remove_peer(left)  # removing an absent one succeeds
        right.add_peer(left, ["10.77.0.1/32", "fd77::1/128"], "10.90.0.1:51821")
        # the responder knows the endpoint and starts a session of its own
        self.wait_for_ping(right.home, "10.77.0.1")

    def test_updating_a_known_peer_keeps_its_session(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        handshake, (received, sent) = left.peer(right).handshake, left.counters(right)
        for _ in range(3):
            left.add_peer(right, ["10.77.0.2/32", "fd77::2/128", "10.78.0.0/16"], "10.90.0.2:51822", keepalive=25)
            left.add_peer(right, ["10.77.0.2/32", "fd77::2/128"], "10.90.0.2:51822", keepalive=0)
            self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(left.peer(right).handshake, handshake)
        self.assertGreaterEqual(left.counters(right)[0], received + 6 * 128)
        self.assertGreaterEqual(left.counters(right)[1], sent + 6 * 128)


@harness.for_each_program
class Unreachable:
    def assert_refused_at_once(self, home, address, family):
        caller = harness.in_namespace(home, lambda: socket.socket(family, socket.SOCK_STREAM))
        self.addCleanup(caller.close)
        caller.settimeout(60)  # Linux tries for two minutes if it hears nothing
        with self.assertRaises(OSError) as refused:
            caller.connect((address, 80))
        self.assertEqual(refused.exception.errno, errno.EHOSTUNREACH)

    def test_who_calls_an_address_that_no_peer_has_hears_so_at_once(self):
        left, right = self.tunnel()
        self.assert_refused_at_once(left.home, "10.77.0.9", socket.AF_INET)
        self.assert_refused_at_once(left.home, "fd77::9", socket.AF_INET6)
        self.assertEqual(right.counters(left)[0], 0, "the peer hears nothing of it")
        self.assert_pings(left.home, "10.77.0.2", 2)


@harness.for_each_program
class Padding:
    def test_payloads_are_padded_to_sixteen_bytes_or_to_the_mtu_where_that_is_less(self):
        left, right = self.tunnel(mtu=1300)
        self.assert_pings(left.home, "10.77.0.2", 1)
        left.home.nft("add table ip sizes", "add chain ip sizes out { type filter hook output priority 0; }",
                      *(f"add rule ip sizes out udp dport 51822 ip length {size} counter comment \"{size}\""
                        for size in (156, 160, 172, 1360)),
                      "add rule ip sizes out udp dport 51822 ip length > 1360 counter comment \"longer\"")

        def counts():
            listing = left.home.run("nft", "list", "table", "ip", "sizes").stdout
            return {name: int(packets) for packets, name
                    in re.findall(r'counter packets (\d+) bytes \d+ comment "(\w+)"', listing)}

        self.assert_pings(left.home, "10.77.0.2", 3, size=56)  # 84 -> 96, + 60
        self.assertEqual(counts()["156"], 3)
        self.assert_pings(left.home, "10.77.0.2", 3, size=69)  # 97 -> 112, + 60
        self.assertEqual(counts()["172"], 3)
        self.assert_pings(left.home, "10.77.0.2", 3, size=1272)  # 1300: the whole MTU
        self.assertEqual(counts()["1360"], 3)
        self.assert_pings(left.home, "10.77.0.2", 3, size=1269)  # 1297: must not become 1312
        self.assertEqual(counts()["1360"], 6, "to the MTU")
        self.assertEqual(counts()["longer"], 0)
        # the device's MTU is what counts, also when it changes
        for end in (left, right):
            end.home.ip("link", "set", end.name, "mtu", 1280)
        before = counts()
        self.wait_for_ping(left.home, "10.77.0.2")
        self.assert_pings(left.home, "10.77.0.2", 3, size=1252)
        self.assertEqual(counts()["1360"], before["1360"])
        self.assertEqual(counts()["longer"], 0)


if __name__ == "__main__":
    harness.main()
