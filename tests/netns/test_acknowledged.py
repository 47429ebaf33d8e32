#!/usr/bin/python3
"""What was acknowledged is in force: for the very next packet, out and in."""

import base64
import json
import re
import socket
import threading
import time

import harness

PREFIX = "10.99.0.1/32"
ADDRESS = PREFIX.split("/", maxsplit=1)[0]


def to_hex(key):
    return base64.b64decode(key).hex()


class Acknowledged(harness.NetnsTest):
    """One node, and two others that a prefix moves between."""

    ROUNDS = 300

    def setUp(self):
        super().setUp()
        left = self.namespace("l")
        left.sysctl(ipv6__conf__default__disable_ipv6=1)  # no packets but the test's
        self.node = harness.Device(self, "weftd", left)
        self.node.configure(port=51820, addresses=["10.77.0.1/16"])
        left.ip("route", "add", "10.99.0.0/16", "dev", self.node.name)
        self.others = []
        for i in (1, 2):
            right = self.namespace(f"r{i}")
            right.sysctl(ipv6__conf__default__disable_ipv6=1)
            self.link(left, right, [f"10.90.{i}.1/24"], [f"10.90.{i}.2/24"], name=f"net{i}")
            other = harness.Device(self, "weftd", right)
            other.configure(port=51820, addresses=[f"10.77.{i}.1/16", PREFIX])
            other.add_peer(self.node, ["10.77.0.1/32"], f"10.90.{i}.1:51820")
            self.node.add_peer(other, [f"10.77.{i}.1/32"], f"10.90.{i}.2:51820")
            self.others.append(other)
        for i in (1, 2):
            self.wait_for_ping(left, f"10.77.{i}.1")

    def socket_of(self, device, address=""):
        """A UDP socket that uses nothing but the device."""
        made = device.home.udp_socket()
        self.stack.callback(made.close)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.name.encode())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.settimeout(60)
        made.bind((address, 5000))
        return made

    def by_uapi(self, other):
        answer = self.node.uapi(f"set=1\npublic_key={to_hex(other.public_key)}\nallowed_ip={PREFIX}\n\n")
        self.assertEqual(answer, "errno=0\n\n")

    def by_wg(self, other):
        number = self.others.index(other) + 1
        self.node.set("peer", other.public_key, "allowed-ips", f"10.77.{number}.1/32,{PREFIX}")

    def by_weft(self, other):
        number = self.others.index(other) + 1
        harness.run(harness.WEFT, "peer", "set", other.public_key, "-i", self.node.name,
                    "--allowed-ip", f"10.77.{number}.1/32", "--allowed-ip", PREFIX)

    def rx_bytes(self, other):
        wanted, at = to_hex(other.public_key), None
        for line in self.node.uapi("get=1\n\n").splitlines():
            key, _, value = line.partition("=")
            if key == "public_key":
                at = value
            elif key == "rx_bytes" and at == wanted:
                return int(value)
        raise AssertionError("there is no such peer")

    def dropped(self, reason):
        status, = json.loads(harness.run(harness.WEFT, "status", self.node.name, "--json").stdout)
        return status["drops"].get(reason, 0)

    def check_outgoing(self, change, rounds):
        """One packet at once after each change; the packets go where the last change said."""
        ends = [self.socket_of(other, ADDRESS) for other in self.others]
        sender = self.socket_of(self.node)
        before = self.dropped("no_route")
        for i in range(rounds):
            change(self.others[i % 2])
            sender.sendto(i.to_bytes(4, "big"), (ADDRESS, 5000))
        for number, end in enumerate(ends):
            got = [int.from_bytes(end.recv(100), "big") for _ in range(rounds // 2)]
            self.assertEqual(sorted(got), list(range(number, rounds, 2)))
        self.assertEqual(self.dropped("no_route"), before)
        for end in ends:
            end.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                end.recv(100)

    def test_packets_go_where_the_last_change_said(self):
        self.check_outgoing(self.by_uapi, self.ROUNDS)

    def test_packets_go_where_the_last_change_said_of_wg(self):
        self.check_outgoing(self.by_wg, 60)

    def test_packets_go_where_the_last_change_said_of_weft(self):
        self.check_outgoing(self.by_weft, 30)

    def test_packets_come_from_whom_the_last_change_said(self):
        sources = [self.socket_of(other, ADDRESS) for other in self.others]
        end = self.socket_of(self.node)
        before = self.dropped("wrong_source")
        for i in range(self.ROUNDS):
            loser = self.others[(i + 1) % 2]
            count = self.rx_bytes(loser)
            self.by_uapi(self.others[i % 2])
            sources[(i + 1) % 2].sendto(b"wrong", ("10.77.0.1", 5000))
            sources[i % 2].sendto(i.to_bytes(4, "big"), ("10.77.0.1", 5000))
            self.assertEqual(end.recv(100), i.to_bytes(4, "big"))
            harness.wait_until(lambda: self.rx_bytes(loser) > count, "the other packet has come, too")
        self.assertEqual(self.dropped("wrong_source"), before + self.ROUNDS)

    def test_a_burst_after_new_peers_reaches_all_of_them(self):
        before = self.dropped("no_route")
        sender = self.socket_of(self.node)
        for i in range(self.ROUNDS):
            key, address = bytes([i % 256, i // 256, *range(30)]).hex(), f"10.99.{i // 200 + 1}.{i % 200 + 1}"
            answer = self.node.uapi(f"set=1\npublic_key={key}\nendpoint=10.90.1.2:9\nallowed_ip={address}/32\n\n")
            self.assertEqual(answer, "errno=0\n\n")
            sender.sendto(b"first", (address, 5000))
        self.assertEqual(self.dropped("no_route"), before)

    def test_nothing_is_sent_to_a_peer_that_was_removed_while_a_flood_goes_on(self):
        other = self.others[0]
        self.node.remove_peer(self.others[1])
        self.node.home.nft('add table inet count { chain out { type filter hook output priority 0; '
                           'oifname "net1" udp sport 51820 counter; }; }')
        end = self.socket_of(other, "10.77.1.1")
        sender = self.socket_of(self.node)
        going_on = threading.Event()

        def flood():
            sent = 0
            while not going_on.is_set():
                sender.sendto(sent.to_bytes(4, "big"), ("10.77.1.1", 5000))
                sent += 1
                if sent % 20 == 0:
                    time.sleep(0.002)

        key = to_hex(other.public_key)
        for _ in range(20):
            going_on.clear()
            thread = threading.Thread(target=flood)
            thread.start()
            try:
                end.recv(100)
                self.assertEqual(self.node.uapi(f"set=1\npublic_key={key}\nremove=true\n\n"), "errno=0\n\n")
                sent = self.sent_by_cable()
                time.sleep(0.02)  # the flood goes on
                self.assertEqual(self.sent_by_cable(), sent)
            finally:
                going_on.set()
                thread.join()
            self.node.uapi(f"set=1\npublic_key={key}\nendpoint=10.90.1.2:51820\nallowed_ip=10.77.1.1/32\n\n")
            self.wait_for_ping(self.node.home, "10.77.1.1")

    def sent_by_cable(self):
        """Datagrams that the node has sent, in all."""
        text = self.node.home.run("nft", "list", "chain", "inet", "count", "out").stdout
        return int(re.search(r"packets (\d+)", text).group(1))


if __name__ == "__main__":
    harness.main()
