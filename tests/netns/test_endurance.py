#!/usr/bin/python3
"""Everything at once, and every byte of a long transfer over a bad line: sizes for each run of the tests.

WEFT_ENDURANCE multiplies them: 15 is a quarter of an hour.
"""

import hashlib
import os
import random
import signal
import socket
import threading
import time

import harness
import nodes
from nodes import address_of, wait_for_ping

SCALE = float(os.environ.get("WEFT_ENDURANCE", "1"))


class Bytes(harness.NetnsTest):
    MEGABYTES = int(64 * SCALE)

    def lose(self, namespace, percent):
        """Has the namespace lose so many of the datagrams that come in."""
        namespace.nft("add table inet bad", "add chain inet bad in { type filter hook input priority 0; }",
                      f"add rule inet bad in udp dport 51820 numgen random mod 100 < {percent} drop")

    def carry(self, sender, receiver, megabytes):
        """Sends random bytes over TCP; both sides' SHA-256."""
        listener = harness.in_namespace(receiver.home, lambda: socket.create_server((address_of(receiver), 5005)))
        listener.settimeout(60)
        sums = {}

        def receive():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                digest, count = hashlib.sha256(), 0
                while part := connection.recv(1 << 20):
                    digest.update(part)
                    count += len(part)
                sums["received"] = (digest.hexdigest(), count)
        thread = threading.Thread(target=receive, daemon=True)
        thread.start()

        def connect():
            made = socket.socket()
            made.settimeout(60)
            made.connect((address_of(receiver), 5005))
            return made
        digest = hashlib.sha256()
        source = random.Random(7)
        with harness.in_namespace(sender.home, connect) as connection, listener:
            for _ in range(megabytes):
                part = source.randbytes(1 << 20)
                digest.update(part)
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            thread.join(120)
        self.assertEqual(sums.get("received"), (digest.hexdigest(), megabytes << 20))

    def test_tcp_arrives_byte_for_byte_over_a_line_that_loses_one_percent_each_way(self):
        left, right = nodes.pair(self)
        wait_for_ping(left, right)
        for end in (left, right):
            self.lose(end.home, 1)
        self.carry(left, right, self.MEGABYTES)
        self.carry(right, left, self.MEGABYTES // 4)
        for end in (left, right):
            self.assertEqual(end.drops("invalid_tag"), 0)
            self.assertEqual(end.peer(left if end is right else right)["restarts"], 0)


class EverythingAtOnce(harness.NetnsTest):
    SECONDS = 20 * SCALE

    def test_traffic_reloads_clients_signals_and_garbage_at_once(self):
        left, right = nodes.pair(self)
        wait_for_ping(left, right)
        random_source = random.Random(3)
        end = time.monotonic() + self.SECONDS
        traffic = [
            harness.Process(self, ["iperf3", "-s", "-B", address_of(right), "--forceflush"], right.home),
            harness.Process(self, ["ping", "-n", "-q", "-i", "0.002", "-s", "1300", address_of(left)], right.home),
            harness.Process(self, ["ping", "-n", "-q", "-i", "0.01", "10.200.77.7"], left.home),
        ]
        harness.wait_until(lambda: "listening" in traffic[0].output(), "iperf3 listens")
        traffic.append(harness.Process(
            self, ["sh", "-c", f"while iperf3 -c {address_of(right)} -t 3 -b 200M; do :; done"], left.home))
        watcher = harness.Process(self, [harness.WEFT, "watch", "--json", "-i", left.name], left.home)
        stranger = left.home.udp_socket()
        self.stack.callback(stranger.close)
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
            for target in (left, right):
                self.assertIsNone(target.process.code, target.log())
            for _ in range(200):
                kind = random_source.choice((b"\1\0\0\0" + random_source.randbytes(144),
                                             b"\2\0\0\0" + random_source.randbytes(88),
                                             b"\4\0\0\0" + random_source.randbytes(random_source.randrange(28, 1400)),
                                             random_source.randbytes(random_source.randrange(0, 300))))
                stranger.sendto(kind, ("10.90.0.2", 51820))
            choice = rounds % 6
            if choice == 0:
                left.write(mtu=random_source.choice((1280, 1400, 1420)))
                left.process.signal(signal.SIGHUP)
            elif choice == 1:
                key = harness.pubkey(harness.genkey())
                left.weft("peer", "add", key, "--allowed-ip", f"10.201.{rounds % 250}.0/24")
                left.weft("peer", "remove", key)
            elif choice == 2:
                left.weft("status", "-v")
                left.home.run("wg", "show", left.name)
            elif choice == 3:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                    client.connect(f"{harness.CONTROL_SOCKETS}/{left.name}.sock")
                    client.sendall(random_source.randbytes(random_source.randrange(1, 200)))
            elif choice == 4:
                left.home.ip("addr", "add", "10.99.0.1/24", "dev", "net0")
                left.home.ip("addr", "del", "10.99.0.1/24", "dev", "net0")
            else:
                left.home.ip("link", "set", left.name, "mtu", random_source.choice((1300, 1420)))
        self.assertGreater(rounds, 6)
        self.assertIsNone(watcher.code, watcher.output())
        for process in (*traffic, watcher):
            process.kill()
        wait_for_ping(left, right)
        wait_for_ping(right, left)
        for node, other in ((left, right), (right, left)):
            self.assertEqual(node.peer(other)["restarts"], 0)
            self.assertEqual(node.process.terminate(), 0, "it ends as ever")
            self.assertNotIn("critical", node.log())


if __name__ == "__main__":
    harness.main()
