#!/usr/bin/python3
"""Containers behind nodes, on a bridge of their host: as docs/operations.md has it."""

import errno
import socket

import harness
import nodes


class Containers(harness.NetnsTest):
    def container(self, node):
        """A container at 10.200.NUMBER.10, on the bridge that has the host's /24."""
        inside = self.namespace("c")
        node.home.ip("link", "add", "br0", "type", "bridge")
        node.home.add_address(f"10.200.{node.number}.1/24", "br0")
        self.link(node.home, inside, name="port0", peer_name="eth0")
        node.home.ip("link", "set", "port0", "master", "br0")
        for link in ("br0", "port0"):
            node.home.ip("link", "set", link, "up")
        inside.ip("link", "set", "eth0", "up")
        inside.add_address(f"10.200.{node.number}.10/24", "eth0")
        inside.ip("route", "add", "default", "via", f"10.200.{node.number}.1")
        node.home.sysctl(ipv4__ip_forward=1)
        return inside

    def test_containers_of_two_hosts_reach_each_other_and_wrong_addresses_fail_at_once(self):
        ends = nodes.pair(self, start=False)
        containers = [self.container(node) for node in ends]
        for node in ends:
            node.write(addresses=[f"10.200.{node.number}.1/32"], cluster_networks=["10.200.0.0/16"])
            node.start()
        self.wait_for_ping(containers[0], "10.200.2.10")
        self.wait_for_ping(containers[1], "10.200.1.1")
        self.assert_pings(ends[0].home, "10.200.2.10", 2)
        caller = harness.in_namespace(containers[0], lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        self.addCleanup(caller.close)
        caller.settimeout(60)
        with self.assertRaises(OSError) as refused:
            caller.connect(("10.200.77.1", 80))  # no peer has it
        self.assertEqual(refused.exception.errno, errno.EHOSTUNREACH)


if __name__ == "__main__":
    harness.main()
