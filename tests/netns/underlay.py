"""A host and what is around it, for tests of what its traffic is led into."""

import re
import socket
import time

import gateway
import harness
from nodes import Node

OUTSIDE = {4: "198.51.100.1", 6: "2001:db8:ffff::1"}


class Underlay(harness.NetnsTest):
    """A host with two links to a gateway, and behind that a node that the whole Internet is at.

    host 10.90.0.1, 10.91.0.1 -- gateway 10.90.0.254, 10.91.0.254, 203.0.113.254 -- exit 203.0.113.1
    host fd90::1, fd91::1     -- gateway fd90::254, fd91::254, 2001:db8:1::254   -- exit 2001:db8:1::1
    """

    def setUp(self):
        super().setUp()
        self.host, self.outside = (self.namespace(label) for label in "hx")
        self.gateway = gateway.open_gateway(self)
        for number in (0, 1):
            gateway.put_behind(self, self.gateway, self.host, f"10.9{number}.0.{{}}", f"fd9{number}::{{}}", own=1,
                               gate=254, link=f"net{number}", gate_link=f"net{number}")
        gateway.put_behind(self, self.gateway, self.outside, "203.0.113.{}", "2001:db8:1::{}", own=1, gate=254,
                           gate_link="out0")
        for address in OUTSIDE.values():
            self.outside.add_address(address, "lo")
        self.gateway.ip("route", "add", "198.51.100.0/24", "via", "203.0.113.1")
        self.gateway.ip("-6", "route", "add", "2001:db8:ffff::/48", "via", "2001:db8:1::1")
        self.use_gateway(0)
        self.watch()
        harness.wait_until(lambda: gateway.is_settled(self.host, 2), "the host's links have all their addresses")
        self.exit = Node(self, self.outside, 2)
        self.node = Node(self, self.host, 1)
        self.knows_exit(self.node)
        self.node.write(cluster_networks=[], addresses=["10.200.1.1/24", "fd00:200:1::1/64"])

    def use_gateway(self, number):
        self.host.ip("route", "replace", "default", "via", f"10.9{number}.0.254")
        self.host.ip("-6", "route", "replace", "default", "via", f"fd9{number}::254")

    def knows_exit(self, node, endpoint="203.0.113.1:51820", **more):
        node.peers = []
        node.knows(self.exit, endpoint, **{"allowed_ips": [], "default_route": True, **more})
        if not any(peer["public_key"] == node.public_key for peer in self.exit.peers):
            self.exit.knows(node, False)

    def watch(self):
        """The gateway notes whatever of the host is no datagram of the tunnel."""
        self.gateway.nft(
            "add table inet seen", "add set inet seen v4 { type ipv4_addr . inet_proto; flags dynamic; }",
            "add set inet seen v6 { type ipv6_addr . inet_proto; flags dynamic; }",
            "add chain inet seen ahead { type filter hook forward priority 0; }",
            'add rule inet seen ahead iifname "out0" accept',
            "add rule inet seen ahead udp dport 51820 accept",
            "add rule inet seen ahead ip daddr 203.0.113.1 ip frag-off & 0x1fff != 0 accept",  # the rest of such a one
            "add rule inet seen ahead ip6 daddr 2001:db8:1::1 frag frag-off != 0 accept",
            "add rule inet seen ahead add @v4 { ip daddr . ip protocol }",
            "add rule inet seen ahead add @v6 { ip6 daddr . meta l4proto }")

    def leaked(self):
        listing = self.gateway.run("nft", "list", "table", "inet", "seen").stdout
        return re.findall(r"elements = \{([^}]*)\}", listing)

    def forget_leaks(self):
        for name in ("v4", "v6"):
            self.gateway.nft(f"flush set inet seen {name}")

    def routing(self):
        """All rules and routes of the host, as ip(8) prints them."""
        return "".join(self.host.ip(*command).stdout for command in (
            ("rule",), ("-6", "rule"), ("route", "show", "table", "all"), ("-6", "route", "show", "table", "all")))

    def assert_everything_passes(self, families=(4, 6)):
        for family in families:
            self.wait_for_ping(self.host, OUTSIDE[family], 30)
            self.assertTrue(self.sends(OUTSIDE[family]), "TCP passes")

    def sends(self, address):
        """Whether the node outside gets what is sent to it over TCP."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = harness.in_namespace(self.outside, lambda: socket.create_server((address, 0), family=family))
        client = harness.in_namespace(self.host, lambda: socket.socket(family))
        with listener, client:
            client.settimeout(20)
            client.connect(listener.getsockname()[:2])
            client.sendall(b"hello")
            with listener.accept()[0] as connection:
                connection.settimeout(20)
                return connection.recv(5) == b"hello"

    def start(self):
        self.exit.start()
        self.before = self.routing()
        self.node.start()
        self.assert_everything_passes()
        self.assertEqual(self.leaked(), [])

    def stop(self, node=None):
        self.assertEqual((node or self.node).process.terminate(), 0)

    def items(self, node=None):
        """What the status says of the host: (kind, value) and whether it is in place."""
        return {(item["kind"], item["value"]): item["in_place"] for item in (node or self.node).status()["host"]}

    def missing(self):
        return {item for item, in_place in self.items().items() if not in_place}

    def rules(self):
        """(family, priority) of the rules that weft has made."""
        return [(family, int(line.split(":")[0])) for family in ("-4", "-6")
                for line in self.host.ip("-d", family, "rule").stdout.splitlines() if "proto 119" in line]

    def wait_for_repair(self, what, seconds=20.0):
        """Until nothing is missing.  That this is begun within a second is shown by the clock of
        tests/actors/host_plan.cpp; how long it took here is printed."""
        began = time.monotonic()
        harness.wait_until(lambda: not self.missing(), f"{what} is put back", seconds)
        print(f"{what}: back after {time.monotonic() - began:.2f} s")
