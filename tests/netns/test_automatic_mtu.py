#!/usr/bin/python3
"""`mtu: auto`: what the routes to the peers have room for; and what the way says that it carries."""

import re

import harness
import nodes


def link_mtu(host, interface):
    return int(re.search(r" mtu (\d+)", host.ip("link", "show", interface).stdout).group(1))


class Automatic(harness.NetnsTest):
    def start(self, link_mtu=1500):
        self.left, self.right = (nodes.Node(self, host, number)
                                 for number, host in enumerate(self.hosts(mtu=link_mtu), 1))
        self.left.knows(self.right)
        self.right.knows(self.left)
        self.left.write(mtu="auto")
        for node in (self.left, self.right):
            node.start()
        nodes.wait_for_ping(self.left, self.right)

    def assert_mtu(self, mtu, seconds=15):
        """Of the host's interface, and in the status."""
        def fits():
            return link_mtu(self.left.home, self.left.name) == mtu == self.left.status()["mtu"]
        harness.wait_until(fits, f"the MTU is {mtu}", seconds)

    def test_it_begins_with_the_room_of_the_route(self):
        self.start(link_mtu=1400)
        self.assertEqual(self.left.status()["mtu"], 1320)
        self.assert_mtu(1320)

    def test_it_follows_links_and_routes(self):
        self.start()
        self.assert_mtu(1420)
        self.left.home.ip("link", "set", "net0", "mtu", "1400")
        self.assert_mtu(1320)
        self.left.logs("MTU 1420 -> 1320: the route to 10.90.0.2 has 1400")
        self.left.home.ip("route", "add", "10.90.0.2/32", "dev", "net0", "mtu", "1380")
        self.assert_mtu(1300)
        self.left.home.ip("route", "change", "10.90.0.2/32", "dev", "net0", "mtu", "1000")
        self.assert_mtu(1280)  # there is IPv6 in the tunnel
        self.left.home.ip("route", "del", "10.90.0.2/32", "dev", "net0")
        self.left.home.ip("link", "set", "net0", "mtu", "1500")
        self.assert_mtu(1420)
        self.assertEqual(nodes.ping(self.left, self.right, 5, size=1392), 5)

    def test_it_follows_peers_and_endpoints(self):
        self.start()
        self.left.home.ip("route", "add", "10.90.0.99/32", "dev", "net0", "mtu", "1390")
        key = harness.pubkey(harness.genkey())
        self.left.weft("peer", "add", key, "--endpoint", "10.90.0.99:7")
        self.assert_mtu(1310)
        self.left.weft("peer", "set", key, "--endpoint", "10.90.0.98:7")
        self.assert_mtu(1420)

    def test_a_reload_switches_it_on_and_off(self):
        self.start(link_mtu=1400)
        self.left.write(mtu=1300)
        self.left.reload()
        self.assert_mtu(1300)
        self.left.write(mtu="auto")
        self.left.reload()
        self.assert_mtu(1320)
        with open(self.left.file, encoding="utf-8") as file:
            before = file.read()
        self.left.weft("save")
        with open(self.left.file, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)  # what was chosen is not written


class NarrowWay(harness.NetnsTest):
    """Behind a router, whose other link carries less."""

    def test_what_a_router_says_is_counted_and_nothing_is_lost(self):
        near, router, far = (self.namespace(label) for label in "nrf")
        self.link(near, router, ["fd91::1/64"], ["fd91::9/64"])
        self.link(router, far, ["fd92::9/64"], ["fd92::2/64"], name="net1", mtu=1400)
        router.sysctl(ipv6__conf__all__forwarding=1)
        near.ip("-6", "route", "add", "default", "via", "fd91::9")
        far.ip("-6", "route", "add", "default", "via", "fd92::9")
        left, right = (nodes.Node(self, host, number) for number, host in ((1, near), (2, far)))
        left.knows(right, endpoint="[fd92::2]:51820")
        right.knows(left, endpoint="[fd91::1]:51820")
        for node in (left, right):
            node.start()
        nodes.wait_for_ping(left, right)
        self.assertIsNone(left.peer(right)["path_mtu"])

        def heard():
            nodes.ping(left, right, size=1392, wait=0.3)
            return left.peer(right)["too_big"] > 0
        harness.wait_until(heard, "the router's message is counted")
        peer = left.peer(right)
        self.assertEqual((peer["path_mtu"], peer["state"], peer["reason"]), (1400, "up", None))
        # From then on this host sends fragments.
        self.assertEqual(nodes.ping(left, right, 10, size=1392), 10)
        found = left.weft("explain", "node2", code=None, timeout=30)
        self.assertIn("says that it carries 1400 bytes", found)


if __name__ == "__main__":
    harness.main()
