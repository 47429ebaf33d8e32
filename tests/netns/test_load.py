#!/usr/bin/python3
"""A flood to one peer starves no other; nothing arrives out of order while peers come and go under load."""

import json
import os
import pathlib
import re
import socket
import sys
import threading

import harness

DATAGRAMS = f"{harness.ROOT}/tests/netns/datagrams.py"
PORT = 9000


class Load(harness.NetnsTest):
    """Alpha in the middle, beta and gamma on a cable each: 10.77.0.1, .2 and .3 inside."""

    def setUp(self):
        super().setUp()
        here = self.namespace("a")
        self.alpha = self.configured(here)
        self.beta, self.gamma = (harness.Device(self, "weftd", self.namespace(label)) for label in "bc")
        for i, other in ((2, self.beta), (3, self.gamma)):
            self.link(here, other.home, [f"10.90.{i}.1/24"], [f"10.90.{i}.2/24"], name=f"net{i}", peer_name="net0")
            other.configure(port=51820, addresses=[f"10.77.0.{i}/24"])
            other.add_peer(self.alpha, ["10.77.0.1/32"])
            self.alpha.add_peer(other, [f"10.77.0.{i}/32"], f"10.90.{i}.2:51820")
            self.assert_pings(here, f"10.77.0.{i}", 2)

    def configured(self, host):
        """A device that `weft` can change, too."""
        device = harness.Device(self, "weftd", host, start=False)
        self.text_file("key", device.private_key + "\n")
        file = self.text_file("weft.yaml", f"""interface:
  name: {device.name}
  private_key_file: key
  listen: "0.0.0.0:51820"
  addresses: [10.77.0.1/24]
control: {{socket_folder: {self.folder}}}
""")
        device.process = harness.Process(self, [harness.WEFTD, "--config", file], host)
        device.wait_ready()
        return device

    def weft(self, *command):
        return harness.run(harness.WEFT, *command, "--interface", self.alpha.name,
                           "--socket-folder", self.folder).stdout

    def send(self, source, address, flows, count, *rate):
        sender = harness.Process(self, [sys.executable, "-B", DATAGRAMS, "send", address, PORT, flows, count, *rate],
                                 source.home)
        harness.wait_until(lambda: "sending" in sender.output(), "datagrams are sent")
        return sender

    def watch(self, device, address):
        watcher = harness.Process(self, [sys.executable, "-B", DATAGRAMS, "watch", address, PORT], device.home)
        harness.wait_until(lambda: "watching" in watcher.output(), "datagrams are awaited")
        return watcher

    def drops_of(self, device):
        """What alpha has dropped of a peer's packets, by reason, as far as it is more than none."""
        key = getattr(device, "public_key", device)
        peer, = (peer for peer in json.loads(self.weft("peers", "--json")) if peer["public_key"] == key)
        return {reason: count for reason, count in peer["drops"].items() if count}

    def wait_for_gamma(self):
        """Until it has answered 50 pings.

        The kernel's queue in front of the program is one for all peers, and what comes while it is full is lost,
        whosever it is.  So not every ping is answered, and the 50 have a deadline.
        """
        tries = answers = 0

        def enough():
            nonlocal tries, answers
            tries += 25
            answers += self.alpha.home.ping("10.77.0.3", 25, interval=0.01, wait=0.5)
            return answers >= 50
        harness.wait_until(enough, "50 answers of gamma")
        print(f"{answers} of {tries} pings answered", flush=True)


class Overload(Load):
    """A flood of datagrams goes through alpha, and gamma is served all the same."""

    FLOOD = 60_000_000  # more than are sent before the test is done
    MEGABYTES = 40
    TRANSFER = 8 << 20

    def assert_gamma_is_served(self, flood):
        """Gamma answers, and what it receives is what alpha has sent."""
        self.wait_for_gamma()
        self.assert_transfer()
        self.assertIsNone(flood.code, "the flood outlasts all of it")
        flood.kill()

    def assert_transfer(self):
        content = os.urandom(self.TRANSFER)
        server = harness.in_namespace(self.gamma.home, lambda: socket.create_server(("10.77.0.3", 0)))
        client = harness.in_namespace(self.alpha.home, socket.socket)
        with server, client:
            for one in (server, client):
                one.settimeout(30)
            client.connect(server.getsockname())
            sender = threading.Thread(target=lambda: (client.sendall(content), client.shutdown(socket.SHUT_WR)))
            sender.start()
            with server.accept()[0] as arriving:
                arriving.settimeout(30)
                arrived = b"".join(iter(lambda: arriving.recv(1 << 16), b""))
            sender.join()
        self.assertTrue(arrived == content, f"{len(arrived)} bytes arrived, {len(content)} were sent")

    def assert_small(self, *devices):
        """Peak memory.  A sanitizer needs more for itself."""
        for device in devices:
            process = pathlib.Path(f"/proc/{device.process.pid}")
            status = (process / "status").read_text()
            if "libasan" not in (process / "maps").read_text():
                self.assertLess(int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024, self.MEGABYTES)

    def test_a_flood_to_one_peer_leaves_room_for_another(self):
        self.assert_gamma_is_served(self.send(self.alpha, "10.77.0.2", 1, self.FLOOD))
        self.assert_small(self.alpha, self.beta, self.gamma)
        self.assertEqual(self.drops_of(self.gamma), {})

    def test_a_flood_from_one_peer_leaves_room_for_another(self):
        self.assert_gamma_is_served(self.send(self.beta, "10.77.0.1", 1, self.FLOOD))
        self.assert_small(self.alpha, self.beta, self.gamma)
        self.assertEqual(self.drops_of(self.gamma), {})

    def test_a_flood_to_a_peer_that_does_not_answer_is_dropped_and_counted(self):
        for endpoint, reason in (("10.90.2.2:9", "queue_full"), (None, "no_endpoint")):
            nobody = harness.pubkey(harness.genkey())
            self.alpha.add_peer(nobody, ["10.77.0.9/32"], endpoint)
            self.assert_gamma_is_served(self.send(self.alpha, "10.77.0.9", 1, self.FLOOD))
            drops = self.drops_of(nobody)
            self.assertEqual(list(drops), [reason])
            self.assertGreater(drops[reason], 1000)
            self.assertEqual(self.drops_of(self.gamma), {})
            self.alpha.remove_peer(nobody)
        self.assert_small(self.alpha)


class SlowWay(Load):
    """Beta is behind an interface that is slow and has a long queue: more than fits into a socket's buffer."""

    def test_a_way_that_is_full_holds_up_no_other(self):
        self.alpha.home.run("tc", "qdisc", "add", "dev", "net2", "root", "tbf",
                            "rate", "1mbit", "burst", "20kb", "limit", "40mb")
        flood = self.send(self.alpha, "10.77.0.2", 1, 60_000_000)

        def is_full():
            status, = json.loads(self.weft("status", "--json"))
            return status["drops"].get("send_overload", 0) > 1000
        harness.wait_until(is_full, "drops for send_overload")
        self.wait_for_gamma()
        self.assertIsNone(flood.code, "the flood outlasts all of it")
        flood.kill()


class Order(Load):
    """Four numbered flows each way between alpha and beta, every other one in super-packets."""

    FLOWS, COUNT, RATE = 4, 20_000, 4_000

    def setUp(self):
        super().setUp()
        self.strangers = [harness.pubkey(harness.genkey()) for _ in range(2)]

    def change_peers(self, number):
        """Strangers come and go: by `wg` and by `weft`, with the network of the flows and with another one."""
        first, second = self.strangers
        networks = ["10.77.0.0/24", f"10.78.{number % 256}.0/24"]
        self.alpha.add_peer(first, networks, "10.90.3.2:9")
        self.beta.add_peer(first, networks)
        self.weft("peer", "add", second, "--allowed-ip", f"10.79.{number % 256}.0/24", "--endpoint", "10.90.3.2:9")
        self.alpha.remove_peer(first)
        self.beta.remove_peer(first)
        self.weft("peer", "remove", second)

    def assert_order_while_peers_change(self, beside):
        """`beside` begins what goes on beside the flows."""
        ends = ((self.alpha, "10.77.0.1"), (self.beta, "10.77.0.2"))
        watchers = [self.watch(end, address) for end, address in ends]
        load = beside()
        senders = [self.send(end, to, self.FLOWS, self.COUNT, self.RATE)
                   for (end, _), (_, to) in zip(ends, reversed(ends))]
        changes = 0
        while any(sender.code is None for sender in senders):
            self.change_peers(changes)
            changes += 1
        self.assertEqual([sender.code for sender in senders], [0, 0])
        load.kill()
        for watcher in watchers:
            self.assertEqual(watcher.terminate(), 0)
            seen = json.loads(watcher.output().splitlines()[-1])
            print(f"{changes} changes, {seen['received']} datagrams arrived in {seen['flows']} flows", flush=True)
            self.assertEqual(seen["wrong"], [], "[port, newest number, a number after it]")
            self.assertGreaterEqual(seen["flows"], self.FLOWS)

    def test_no_datagram_overtakes_another_beside_a_transfer(self):
        def transfer():
            service = harness.Process(self, ["iperf3", "-s", "-1", "-B", "10.77.0.3", "--forceflush"], self.gamma.home)
            harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
            return harness.Process(self, ["iperf3", "-c", "10.77.0.3", "-n", "20G"], self.alpha.home)
        self.assert_order_while_peers_change(transfer)

    def test_no_datagram_overtakes_another_in_a_flood(self):
        self.assert_order_while_peers_change(lambda: self.send(self.alpha, "10.77.0.2", 1, 5_000_000))


if __name__ == "__main__":
    harness.main()
