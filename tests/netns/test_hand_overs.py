#!/usr/bin/python3
"""Many hand-overs in a row under traffic, and of nodes of a network (weftd --replace)."""

import os
import re
import socket
import threading
import time

import directories
import harness
import nodes
import replacing

# A session is renewed after 120 s.
SECONDS_OF_A_SESSION = 100


class Transfer:
    """A TCP connection that carries numbers, 20 Mbit/s of them at most, and whose other end checks each."""

    BLOCK = 3125  # numbers: 25 KB

    def __init__(self, test, client, server, address):
        def listen():
            made = socket.socket()
            made.settimeout(60)
            made.bind((address, 7000))
            made.listen()
            return made

        def connect():
            made = socket.socket()
            # What comes at once after a hand-over has to fit into the socket of wireguard-go, which is small.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
            made.settimeout(60)
            made.connect((address, 7000))
            return made
        listener = harness.in_namespace(server.home, listen)
        self.sending = harness.in_namespace(client.home, connect)
        self.receiving, _ = listener.accept()
        listener.close()
        self.received, self.failure = 0, None
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()
        test.stack.callback(self.end)

    def block(self, number):
        return b"".join((number * self.BLOCK + i).to_bytes(8, "big") for i in range(self.BLOCK))

    def send(self):
        self.sending.settimeout(60)
        number = 0
        try:
            while not self.ends.wait(0.01):
                self.sending.sendall(self.block(number))
                number += 1
            self.sending.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.failure = error

    def receive(self):
        self.receiving.settimeout(60)
        number, data = 0, b""
        size = 8 * self.BLOCK
        try:
            while part := self.receiving.recv(1 << 16):
                data += part
                while len(data) >= size:
                    if data[:size] != self.block(number):
                        raise ValueError(f"block {number} is another one")
                    data = data[size:]
                    number += 1
                    self.received = number * size
        except (OSError, ValueError) as error:
            self.failure = error

    def wait_for_more(self):
        """It goes on from here."""
        before = self.received
        harness.wait_until(lambda: self.failure or self.received > before, "the transfer goes on")
        if self.failure:
            raise AssertionError(f"the transfer has failed: {self.failure}")

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join(60)
        for each in (self.sending, self.receiving):
            each.close()


class ManyHandOvers(replacing.Replacing, harness.NetnsTest):
    def replace_often(self, replaced, handshakes, drops):
        """Takes turns among the nodes `replaced`, under pings and a transfer from the first one."""
        first = replaced[0]
        began = time.monotonic()
        self.wait_for_ping(first.home, "10.200.2.1")
        before = handshakes()
        pings = self.pings(first, "10.200.2.1", 10000)
        transfer = Transfer(self, first, self.other_end, "10.200.2.1")
        done = 0
        while done < 50 and time.monotonic() - began < SECONDS_OF_A_SESSION:
            self.replace(replaced[done % len(replaced)])
            transfer.wait_for_more()
            done += 1
        after = handshakes()
        pings.signal(2)  # SIGINT: it sends no more, and says what came
        self.assert_all_answered(pings, on_their_way=500)
        print(f"{done} hand-overs took {time.monotonic() - began:.1f} s, "
              f"{transfer.received / 1e6:.0f} MB went over the connection", flush=True)
        self.assertGreaterEqual(done, 5)
        self.assertEqual(after, before)
        self.assertEqual(drops(), 0)

    def test_fifty_in_a_row_lose_no_ping_and_begin_no_session(self):
        left, self.other_end = nodes.pair(self)
        both = (left, self.other_end)
        self.replace_often(both, lambda: [left.peer(self.other_end)["last_handshake"],
                                          self.other_end.peer(left)["last_handshake"]],
                           lambda: sum(node.drops("replayed") for node in both))

    def test_wireguard_go_sees_one_session_through_fifty_in_a_row(self):
        left, right = self.hosts()
        node, other = nodes.Node(self, left, 1), harness.Device(self, "wireguard-go", right)
        self.other_end = other
        other.number = 2
        other.configure(port=51820, addresses=["10.200.2.1/24"])
        right.ip("route", "add", "10.200.1.0/24", "dev", other.name)
        other.add_peer(node, ["10.200.1.0/24"], "10.90.0.1:51820")
        node.knows(other)
        node.start()
        self.replace_often((node,), lambda: [node.peer(other)["last_handshake"], other.peer(node).handshake],
                           lambda: node.drops("replayed"))


class Networks(replacing.Replacing, directories.DirectoriesTest):
    def peers_of_all(self):
        return [(node.peers(), {peer["name"]: peer["last_handshake"] for peer in node.status()["peers"]})
                for node in self.network.members]

    def run_issuer_alone(self, first):
        """By itself, as with a service manager: else it would end with its node."""
        first.stop()
        harness.wait_until(lambda: not first.home.processes(), "its issuer has ended, too")
        place = f"{harness.ISSUER_SOCKETS}/{self.network.name}"
        first.edit(lambda text: re.sub(r"^  issuer: .*$", f"  issuer: {place}.directory.sock", text, flags=re.M))
        harness.Process(self, [f"{os.path.dirname(harness.WEFTD)}/weft-issuer", f"{os.path.dirname(first.folder)}/issuer",
                               "--socket", f"{place}.sock", "--directory-socket", f"{place}.directory.sock"],
                        first.home)
        harness.wait_until(lambda: os.path.exists(f"{place}.sock"), "the issuer is there")
        first.start()
        self.network.wait_for_all()

    def test_a_member_and_a_directory_go_on_in_their_network(self):
        members = list(self.network.mesh(3))
        first, second, third = members
        self.run_issuer_alone(first)
        for node in members:
            for other in members:
                if node is not other:
                    node.wait_for_ping(other)
        before = self.peers_of_all()
        for node in (first, second, first, second):
            pings = self.pings(third, node.addresses[0].split("/")[0], 300)
            self.replace(node)
            self.assert_all_answered(pings)
            harness.wait_until(node.is_connected, f"{node.member} is connected to a directory")
        self.assertEqual(self.peers_of_all(), before)
        # Who is let in now is known to those that went on.
        fourth = self.network.grow(first.invite())
        self.network.wait_for_all()
        for node in members:
            node.wait_for_ping(fourth)
        # And what is taken away is.
        first.network_command("remove", fourth.member)
        for node in (first, second):
            node.wait_for_peers(members)

    def test_a_member_whose_certificate_cannot_be_read_any_more_is_not_replaced(self):
        first, second = self.network.mesh(2)
        first.wait_for_ping(second)
        with open(second.file) as file:
            certificate = re.search(r"certificate: \"?([^\"\n]*)", file.read()).group(1)
        with open(certificate, "r+") as file:
            file.write("no certificate")
        process = self.successor(second)
        self.assertEqual(process.wait(), 1, process.output())
        self.assertIn(certificate, process.output())
        self.assertIn("goes on itself", process.output())
        first.wait_for_ping(second)
        second.status()


if __name__ == "__main__":
    harness.main()
