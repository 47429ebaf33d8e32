#!/usr/bin/python3
"""Where datagrams come from and go to: roaming, NAT, source addresses, firewall marks."""

import re
import time

import harness


@harness.for_each_pair
class Roaming:
    def test_the_other_side_learns_a_new_address_and_port_from_the_first_packet(self):
        left, right = self.tunnel()
        left.home.add_address("10.90.0.7/24", "net0")
        left.home.add_address("fd90::7/64", "net0")
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.1:51821")
        # another port
        left.set("listen-port", 51900)
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.1:51900")
        # another address
        left.home.ip("addr", "del", "10.90.0.1/24", "dev", "net0")
        if not left.home.ip("-4", "addr", "show", "dev", "net0").stdout.count("10.90.0.7"):
            left.home.add_address("10.90.0.7/24", "net0")  # went with its primary
        if self.left == "wireguard-go":  # holds on to a source address that is gone
            left.set("peer", right.public_key, "endpoint", "10.90.0.2:51822")
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.7:51900")
        # the other family
        left.set("peer", right.public_key, "endpoint", "[fd90::2]:51822")
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertRegex(right.peer(left).endpoint, r"^\[fd90::[17]\]:51900$")
        handshake = left.peer(right).handshake
        # and the answers follow: the responder speaks first
        self.assert_pings(right.home, "10.77.0.1", 2)
        # back to the first family
        left.set("peer", right.public_key, "endpoint", "10.90.0.2:51822")
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.7:51900")
        self.assertEqual(left.peer(right).handshake, handshake, "all in one session")

    def test_forged_and_replayed_datagrams_move_no_endpoint(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        before = right.peer(left).endpoint
        sender = left.home.udp_socket()
        self.addCleanup(sender.close)
        receiver_index = bytes(4)
        for message in (bytes([1, 0, 0, 0]) + bytes(144), bytes([2, 0, 0, 0]) + bytes(88),
                        bytes([3, 0, 0, 0]) + bytes(60), bytes([4, 0, 0, 0]) + receiver_index + bytes(24),
                        bytes([4, 0, 0, 0]) + bytes(1400), b"", b"\x01", bytes([9, 0, 0, 0]) + bytes(200)):
            sender.sendto(message, ("10.90.0.2", 51822))
        self.assert_pings(left.home, "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, before)

    def test_datagrams_of_every_size_up_to_the_largest_do_not_stop_reception(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 2)
        sender = left.home.udp_socket()
        self.addCleanup(sender.close)
        for size in (0, 1, 3, 31, 32, 147, 148, 149, 1500, 2048, 9001, 65507):
            for kind in (1, 2, 3, 4, 5):
                sender.sendto((bytes([kind, 0, 0, 0]) + bytes(size))[:size], ("10.90.0.2", 51822))
        self.assert_pings(left.home, "10.77.0.2", 5)
        self.assert_pings(right.home, "fd77::1", 5)


@harness.for_each_pair
class Nat:
    def test_a_keepalive_holds_the_mapping_of_a_source_nat_open(self):
        inside, outside, router = self.namespace("i"), self.namespace("o"), self.namespace("n")
        self.link(inside, router, ["192.168.1.100/24"], ["192.168.1.1/24"], peer_name="in0")
        self.link(outside, router, ["10.0.0.100/24"], ["10.0.0.1/24"], peer_name="out0")
        inside.ip("route", "add", "default", "via", "192.168.1.1")
        router.sysctl(ipv4__ip_forward=1, netfilter__nf_conntrack_udp_timeout=2,
                      netfilter__nf_conntrack_udp_timeout_stream=2)
        router.nft("add table ip nat", "add chain ip nat post { type nat hook postrouting priority 100; }",
                   "add rule ip nat post ip saddr 192.168.1.0/24 oifname out0 masquerade")
        left, right = (harness.Device(self, p, h) for p, h in ((self.left, inside), (self.right, outside)))
        left.configure(port=51821, addresses=["10.77.0.1/24"])
        right.configure(port=51822, addresses=["10.77.0.2/24"])
        right.add_peer(left, ["10.77.0.1/32"])
        left.add_peer(right, ["10.77.0.2/32"], "10.0.0.100:51822", keepalive=1)
        self.assert_pings(inside, "10.77.0.2", 1)
        self.assertRegex(right.peer(left).endpoint, r"^10\.0\.0\.1:\d+$")
        self.assert_pings(outside, "10.77.0.1", 1)
        time.sleep(3.2)
        self.assert_pings(outside, "10.77.0.1", 1)
        # without keepalives the mapping is gone and only the inside can open it again
        left.set("peer", right.public_key, "persistent-keepalive", "off")
        time.sleep(3.2)
        self.assertEqual(outside.ping("10.77.0.1", 1, wait=1), 0)
        self.assert_pings(inside, "10.77.0.2", 1)
        self.assert_pings(outside, "10.77.0.1", 1)


@harness.for_each_program
class SourceAddresses:
    def sources(self, host, port=51822):
        """Counts what leaves `host` from `port` by source address."""
        host.nft("add table inet seen", "delete table inet seen", "add table inet seen",
                 "add set inet seen v4 { type ipv4_addr; flags dynamic; }",
                 "add set inet seen v6 { type ipv6_addr; flags dynamic; }",
                 "add chain inet seen out { type filter hook output priority 0; }",
                 f"add rule inet seen out udp sport {port} add @v4 {{ ip saddr }}",
                 f"add rule inet seen out udp sport {port} add @v6 {{ ip6 saddr }}")

    def seen(self, host):
        listing = host.run("nft", "list", "table", "inet", "seen").stdout
        return {a for part in re.findall(r"elements = \{([^}]*)\}", listing) for a in part.replace(",", " ").split()}

    def test_replies_leave_from_the_address_that_the_packet_came_to(self):
        hosts = self.hosts()
        extra = [f"10.90.0.{n}" for n in (20, 21, 22)] + [f"fd90::{n}" for n in (20, 21, 22)]
        for address in extra:
            hosts[1].add_address(f"{address}/{64 if ':' in address else 24}", "net0")
        left, right = self.tunnel(hosts=hosts)
        for address in ["10.90.0.2", *extra, "fd90::2"]:
            self.sources(hosts[1])
            left.set("peer", right.public_key, "endpoint", f"[{address}]:51822" if ":" in address
                     else f"{address}:51822")
            self.assert_pings(hosts[0], "10.77.0.2", 2)
            self.assertEqual(self.seen(hosts[1]), {address}, "source of the replies")
            # and the initiator stays with the address it was told, without roaming
            self.assertIn(address, left.peer(right).endpoint)

    def test_replies_leave_from_the_right_address_when_it_lies_on_another_interface(self):
        hosts = self.hosts()
        hosts[1].ip("link", "add", "other0", "type", "veth", "peer", "name", "other1")
        for interface in ("other0", "other1"):
            hosts[1].ip("link", "set", interface, "up")
        hosts[1].add_address("10.91.0.1/24", "other0")
        hosts[1].add_address("fd91::1/64", "other0")
        hosts[0].ip("route", "add", "10.91.0.0/24", "via", "10.90.0.2")
        hosts[0].ip("route", "add", "fd91::/64", "via", "fd90::2")
        left, right = self.tunnel(hosts=hosts)
        for address in ("10.91.0.1", "fd91::1"):
            self.sources(hosts[1])
            left.set("peer", right.public_key, "endpoint", f"[{address}]:51822" if ":" in address
                     else f"{address}:51822")
            self.assert_pings(hosts[0], "10.77.0.2", 3)
            self.assertEqual(self.seen(hosts[1]), {address}, "source of the replies")

    def test_a_new_source_is_chosen_when_the_address_disappears(self):
        hosts = self.hosts()
        hosts[1].sysctl(ipv4__conf__net0__promote_secondaries=1)
        hosts[1].add_address("10.90.0.20/24", "net0")
        hosts[1].add_address("fd90::20/64", "net0")
        left, right = self.tunnel(hosts=hosts)
        for old, length, new in (("10.90.0.20", 24, "10.90.0.2"), ("fd90::20", 64, "fd90::2")):
            left.set("peer", right.public_key, "endpoint", f"[{old}]:51822" if ":" in old else f"{old}:51822")
            self.assert_pings(hosts[0], "10.77.0.2", 2)
            hosts[1].ip("addr", "del", f"{old}/{length}", "dev", "net0")
            self.sources(hosts[1])
            # the responder speaks first, so nothing tells it the new source but the missing address
            self.wait_for_ping(hosts[1], "10.77.0.1")
            self.assertEqual(self.seen(hosts[1]), {new})
            self.assertIn(new, left.peer(right).endpoint)

    def test_the_source_stays_when_routes_change_that_have_nothing_to_do_with_it(self):
        hosts = self.hosts()
        hosts[1].add_address("10.90.0.20/24", "net0")
        hosts[1].add_address("fd90::20/64", "net0")
        left, right = self.tunnel(hosts=hosts)
        for number, address in enumerate(("10.90.0.20", "fd90::20")):
            left.set("peer", right.public_key, "endpoint", f"[{address}]:51822" if ":" in address
                     else f"{address}:51822")
            self.assert_pings(hosts[0], "10.77.0.2", 2)
            self.sources(hosts[1])
            hosts[1].ip("link", "add", f"other{number}", "type", "bridge")
            hosts[1].ip("link", "set", f"other{number}", "up")
            hosts[1].add_address(f"203.0.113.{number}/32", f"other{number}")
            # the node hears of it and lets a group of changes settle; each ping may be the first one after
            for _ in range(5):
                self.assert_pings(hosts[1], "10.77.0.1", 1)
            self.assertEqual(self.seen(hosts[1]), {address}, "source of the requests")

    def test_a_source_address_does_not_survive_a_switch_of_the_family(self):
        left, right = self.tunnel(both_endpoints=True)
        self.assert_pings(left.home, "10.77.0.2", 2)
        for endpoint in ("[fd90::1]:51821", "10.90.0.1:51821", "[fd90::1]:51821"):
            right.set("peer", left.public_key, "endpoint", endpoint)
            self.assert_pings(right.home, "10.77.0.1", 2)
            self.assertEqual(right.peer(left).endpoint, endpoint)

    def test_the_source_follows_a_route_with_a_better_metric(self):
        hosts = self.hosts()
        self.link(*hosts, ["10.92.0.1/24"], ["10.92.0.2/24"], name="net1")
        hosts[1].add_address("10.93.0.2/32", "lo")
        hosts[0].ip("route", "add", "10.93.0.2/32", "via", "10.90.0.2", "metric", "20")
        left, right = self.tunnel(hosts=hosts)
        left.set("peer", right.public_key, "endpoint", "10.93.0.2:51822")
        self.assert_pings(hosts[0], "10.77.0.2", 2)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.1:51821")
        hosts[0].ip("route", "add", "10.93.0.2/32", "via", "10.92.0.2", "src", "10.92.0.1", "metric", "10")
        hosts[0].ip("addr", "del", "10.90.0.1/24", "dev", "net0")
        self.wait_for_ping(hosts[0], "10.77.0.2")
        self.assertEqual(right.peer(left).endpoint, "10.92.0.1:51821")


@harness.for_each_program
class FirewallMark:
    def test_every_datagram_has_the_mark_that_is_set(self):
        left, right = self.tunnel()
        left.home.nft("add table inet marked", "add chain inet marked out { type filter hook output priority 0; }",
                      "add rule inet marked out udp dport 51822 meta mark != 0x1234 drop")
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=0.5), 0, "without a mark nothing gets out")
        left.set("fwmark", "0x1234")
        self.assertEqual(left.show("fwmark"), "0x1234")
        self.wait_for_ping(left.home, "10.77.0.2")
        handshake = left.peer(right).handshake
        left.set("peer", right.public_key, "endpoint", "[fd90::2]:51822")
        self.assert_pings(left.home, "10.77.0.2", 3)
        left.set("fwmark", "0")
        self.assertEqual(left.show("fwmark"), "off")
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=0.5), 0)
        left.set("fwmark", "0x1234")
        self.assert_pings(left.home, "10.77.0.2", 3)
        self.assertEqual(left.peer(right).handshake, handshake, "the session outlives changes of the mark")

    def test_a_ping_bound_to_the_interface_passes_when_a_firewall_mark_reroutes_it(self):
        left, _ = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 3, source=left.name)
        left.home.nft("add table inet reroute", "add chain inet reroute out { type route hook output priority -150; }",
                      "add rule inet reroute out meta mark set 0x1")
        self.assert_pings(left.home, "10.77.0.2", 3, source=left.name)
        self.assert_pings(left.home, "fd77::2", 3, source=left.name)


if __name__ == "__main__":
    harness.main()
