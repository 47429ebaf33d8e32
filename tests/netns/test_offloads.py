#!/usr/bin/python3
"""What the kernel does for many packets at once: by file, by command, while traffic flows; and checksums."""

import json
import os
import socket
import struct

import harness
import nodes

ALL = ("tun", "uring", "udp send", "udp receive")


def uses(node):
    return {name: use["in_use"] for name, use in node.status()["offloads"].items()}


class Offloads(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)

    def start(self):
        for node in (self.left, self.right):
            node.start()
        nodes.wait_for_ping(self.left, self.right)

    def test_all_that_there_are_stand_in_the_status(self):
        self.start()
        self.assertEqual(set(uses(self.left)), set(ALL))
        self.assertTrue(uses(self.left)["tun"])
        for name, use in self.left.status()["offloads"].items():
            self.assertTrue(use["in_use"] or use["reason"], name)
        shown = self.left.weft("offloads", self.left.name)
        for name in ALL:
            self.assertIn(name, shown)
        self.assertIn("offloads", self.left.weft("status"))
        self.assertEqual(json.loads(self.left.weft("offloads", "--json")), self.left.status()["offloads"])

    def test_the_file_switches_them_and_so_does_a_reload(self):
        self.left.rest = "offloads: {tun: off, udp: off, uring: off}\n"
        self.start()
        self.assertEqual(uses(self.left), {name: False for name in ALL})
        self.assertIn("offloads are switched off", self.left.log())
        self.left.rest = "offloads: {tun: auto, udp: on, uring: auto}\n"
        self.left.write()
        self.left.reload()
        self.assertEqual(uses(self.left), uses_of_kernel(self.right))
        self.left.logs("offloads.tun: off -> auto; offloads.udp: off -> on; offloads.uring: off -> auto")

    def test_a_command_switches_them_one_by_one_and_saves(self):
        self.start()
        uring = uses(self.left)["uring"]  # the host may forbid it
        said = self.left.weft("offloads", self.left.name, "--udp", "off", "--save")
        self.assertIn("offloads.udp: auto -> off", said)
        self.assertEqual(uses(self.left), {"tun": True, "uring": uring, "udp send": False, "udp receive": False})
        with open(self.left.file, encoding="utf-8") as file:
            self.assertIn("offloads: {tun: auto, udp: off, uring: auto}", file.read())
        self.assertIn("offloads.tun: auto -> off", self.left.weft("offloads", "--tun", "off"))
        self.assertIn("offloads.uring: auto -> off", self.left.weft("offloads", "--uring", "off"))
        self.assertEqual(uses(self.left), {name: False for name in ALL})
        self.assertIn("'sometimes' is no answer", self.left.weft("offloads", "--udp", "sometimes", code=2))
        self.left.weft("reload")  # what was not saved is gone
        self.assertEqual(uses(self.left), {"tun": True, "uring": uring, "udp send": False, "udp receive": False})

    def test_a_transfer_goes_on_while_they_are_switched_to_and_fro(self):
        self.start()
        here = nodes.address_of(self.right)
        service = harness.Process(self, ["iperf3", "-s", "-1", "-B", here, "--forceflush"], self.right.home)
        harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        client = harness.Process(self, ["iperf3", "-J", "-c", here, "-t", "6"], self.left.home)
        for turn in range(10):
            for node in (self.left, self.right):
                mode = ("off", "on")[turn % 2]
                plain = "off" if mode == "off" else "auto"
                node.weft("offloads", node.name, "--tun", plain, "--udp", mode, "--uring", plain)
        self.assertEqual(client.wait(), 0, client.output())
        intervals = [part["sum"]["bytes"] for part in json.loads(client.output())["intervals"]]
        self.assertTrue(all(moved > 0 for moved in intervals), intervals)
        for node in (self.left, self.right):
            self.assertEqual(uses(node), uses_of_kernel(node))


def uses_of_kernel(node):
    """What is in use when all is switched on."""
    node.weft("offloads", node.name, "--tun", "auto", "--udp", "on", "--uring", "auto")
    return uses(node)


class Checksums(harness.NetnsTest):
    WARNING = "UDP datagrams come with wrong checksums"

    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self)
        nodes.wait_for_ping(self.left, self.right)

    def send_mangled(self, port, count=20):
        """Transport messages as of the right node, whose checksums cannot be right."""
        raw = harness.in_namespace(self.right.home,
                                   lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP))
        with raw:
            for _ in range(count):
                data = b"\4\0\0\0" + os.urandom(1000)
                raw.sendto(struct.pack("!HHHH", 51820, port, 8 + len(data), 1) + data, ("10.90.0.1", 0))

    def counted_by_kernel(self):
        names, numbers = [line.split() for line in self.left.home.run("cat", "/proc/net/snmp").stdout.splitlines()
                          if line.startswith("Udp:")]
        return int(numbers[names.index("InCsumErrors")])

    def test_those_of_the_nodes_own_port_are_counted_and_told_of(self):
        self.send_mangled(51820)
        self.left.logs(self.WARNING)
        self.assertGreater(self.left.status()["bad_checksums"], 0)
        self.assertIn("checksum", self.left.weft("status"))
        self.assertEqual(self.left.peer(self.right)["state"], "up")
        found = json.loads(self.left.weft("explain", "node2", "--json", code=None, timeout=30))
        self.assertIn("offloads.udp: off", json.dumps(found["findings"]))

    def test_those_of_another_program_are_not_told_of(self):
        other = self.left.home.udp_socket()
        with other:
            other.bind(("10.90.0.1", 9999))
            other.setblocking(False)
            self.send_mangled(9999)
            with self.assertRaises(BlockingIOError):
                other.recv(100)
            harness.wait_until(lambda: self.counted_by_kernel() >= 20, "they are counted")
        self.assertEqual(self.left.status()["bad_checksums"], 0)
        self.assertNotIn(self.WARNING, self.left.log())


if __name__ == "__main__":
    harness.main()
