#!/usr/bin/python3
"""`weft explain`: the mistakes that operators made, and the sentence that names each."""

import json
import os
import unittest.mock

import harness
import nodes


class Explain(harness.NetnsTest):
    """Two nodes, of which the left one asks; each test makes one mistake before they start, or after."""

    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)
        self.mine, self.theirs = self.left.peers[0], self.right.peers[0]

    def start(self):
        for node in (self.left, self.right):
            node.start()

    def talk(self):
        harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(self.right)], self.left.home)

    def explain(self, *more, node=None, peer="node2", code=1):
        return json.loads((node or self.left).weft("explain", peer, "--json", *more, code=code, timeout=30))

    def assert_concludes(self, *words, **how):
        """Soon; an explanation takes 6 s if nobody answers."""
        last = None

        def concludes():
            nonlocal last
            last = self.explain(code=None, **how)["conclusion"]  # it may be well until the mistake shows
            return all(word in last for word in words)
        try:
            harness.wait_until(concludes, f"{words}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the last conclusion: {last}") from None

    def test_of_nodes_without_a_mistake_all_is_well(self):
        self.start()
        found = self.explain(code=0)
        self.assertEqual(found["conclusion"], "node2 answers, and nothing is wrong")
        self.assertTrue(found["tried"] and found["answered"] and found["well"])
        self.assertEqual(self.explain("--other", self.right.name, code=0)["findings"], [])
        text = self.left.weft("explain", "node2")
        self.assertTrue(text.endswith("\n\nnode2 answers, and nothing is wrong.\n"), text)
        self.left.weft("explain", "node9", code=5)

    def test_the_other_side_is_asked_inside_the_tunnel_by_whoever_has_a_certificate(self):
        pki = f"{self.folder}/pki"
        for arguments in (("init",), ("issue", "node2", "--role", "node"), ("issue", "alice", "--role", "viewer")):
            harness.run(harness.WEFT, "pki", *arguments, "--folder", pki)
        self.mine["allowed_ips"] = ["10.200.2.1/32", "fd00:200:2::/48"]
        self.right.rest = "control:\n  listen: 10.200.2.1:7447\n  certificate: pki/node2.pem\n" \
                          "  key: pki/node2.key\n  ca: pki/ca.pem\n"
        # It has an address that we know nothing of.
        self.right.write(addresses=[*self.right.addresses(), "10.200.9.1/24"])
        self.start()
        nodes.wait_for_ping(self.left, self.right)
        self.assertEqual(self.explain(code=0)["findings"], [])
        contexts = self.text_file("contexts.yaml", "contexts:\n  elsewhere:\n    at: gw.example.net:7447\n"
                                  "    certificate: pki/alice.pem\n    key: pki/alice.key\n    ca: pki/ca.pem\n")
        self.enterContext(unittest.mock.patch.dict(os.environ, WEFT_CONTEXTS=contexts))
        harness.wait_until(lambda: "lack 10.200.9.1" in self.explain(code=None)["conclusion"],
                           "the other side is asked", 30)
        # Nobody else is, who has the address.
        self.left.weft("peer", "set", "node2", "--name", "somebody")
        self.assertEqual(self.explain(code=0, peer="somebody")["findings"], [])

    def test_a_peer_that_has_just_gone(self):
        self.start()
        nodes.wait_for_ping(self.left, self.right)
        self.right.process.kill()
        found = self.explain()
        self.assertEqual(found["state"], "up")  # anybody may say that it is gone
        self.assertIn("no answer from 10.90.0.2:51820", found["conclusion"])

    def test_a_wrong_key_of_the_peer(self):
        self.mine["public_key"] = harness.pubkey(harness.genkey())
        self.start()
        self.assert_concludes("no answer from 10.90.0.2:51820")
        found = self.explain("--other", self.right.name)
        self.assertIn("but its own is " + self.right.public_key, found["conclusion"])

    def test_a_peer_that_does_not_know_us(self):
        self.right.peers.clear()
        self.start()
        self.assert_concludes("no answer from 10.90.0.2:51820")
        found = self.explain("--other", self.right.name)
        self.assertIn("on the other side: node2 does not know this node: add the key " + self.left.public_key,
                      found["conclusion"])

    def test_a_firewall_that_drops_there(self):
        self.start()
        self.right.home.nft("add table inet test", "add chain inet test in { type filter hook input priority 0; }",
                            "add rule inet test in udp dport 51820 drop")
        self.talk()
        self.assert_concludes("no answer from 10.90.0.2:51820")

    def test_a_firewall_that_drops_here(self):
        self.left.home.nft("add table inet test", "add chain inet test out { type filter hook output priority 0; }",
                           "add rule inet test out udp dport 51820 drop")
        self.start()
        self.assert_concludes("on this side: nftables' chain inet test out refuses UDP to port 51820")

    def test_a_wrong_port(self):
        self.mine["endpoint"] = "10.90.0.2:51999"
        self.theirs.pop("endpoint")
        self.start()
        self.assert_concludes("on the other side: node2: refused at 10.90.0.2:51999")
        found = self.explain("--other", self.right.name)
        self.assertIn("we send to port 51999, and node2 listens on 51820", found["conclusion"])

    def test_allowed_ips_that_lack_an_address(self):
        self.theirs["allowed_ips"] = ["10.200.77.0/24", "fd00:200:1::/48"]
        self.start()
        found = self.explain("--other", self.right.name)
        self.assertIn("on the other side: the allowed IPs of this node at node2 lack 10.200.1.1", found["conclusion"])

    def test_no_route_into_the_tunnel(self):
        self.left.write(cluster_networks=["fd00:200::/32"])
        self.start()
        self.assert_concludes("on this side: no route leads 10.200.2.0/24 into " + self.left.name, "cluster_networks")

    def test_an_endpoint_behind_its_own_tunnel(self):
        self.left.write(cluster_networks=["10.200.0.0/16", "fd00:200::/32", "10.90.0.2/32"])
        self.start()
        self.assert_concludes("on this side: the route to 10.90.0.2", "leads into the tunnel itself")

    def test_an_ipv6_endpoint_without_ipv6(self):
        self.mine["endpoint"] = "[2001:db8::7]:51820"
        self.theirs.pop("endpoint")
        self.start()
        self.assert_concludes("on this side: this host has no route to 2001:db8::7")

    def test_a_name_that_is_not_found(self):
        self.mine["endpoint"] = "nobody.invalid:51820"
        self.theirs.pop("endpoint")
        self.start()
        self.assert_concludes("on this side: node2: not resolved: ")

    def test_nobody_at_the_address(self):
        self.mine["endpoint"] = "10.90.0.77:51820"
        self.theirs.pop("endpoint")
        self.start()
        self.assert_concludes("errno 113", "at 10.90.0.77:51820")

    def test_one_tunnel_address_on_both_sides(self):
        self.right.write(addresses=["10.200.1.1/24", "fd00:200:2::1/64"])
        self.start()
        found = self.explain("--other", self.right.name)
        self.assertIn("on both sides: 10.200.1.1 is the address of both", found["conclusion"])

    def test_a_way_that_large_packets_do_not_pass(self):
        self.start()
        self.right.home.nft("add table inet test", "add chain inet test in { type filter hook input priority 0; }",
                            "add rule inet test in udp length > 1440 drop")
        found = self.explain("--other", self.right.name)
        self.assertIn("between the two: packets of 1420 bytes do not come back from 10.200.2.1", found["conclusion"])
        self.assertIn("set mtu to 1380", found["conclusion"])

    def test_an_mtu_that_the_way_below_does_not_carry(self):
        self.left.home.ip("link", "set", "net0", "mtu", "1400")
        self.right.home.ip("link", "set", "net0", "mtu", "1400")
        self.start()
        found = self.explain(code=0)
        self.assertIn("net0 (1400)", found["findings"][0]["text"])
        self.assertTrue(found["findings"][0]["hint"])

    def test_preshared_keys_that_differ(self):
        self.text_file("psk", harness.genpsk() + "\n")
        self.mine["preshared_key_file"] = "psk"
        self.start()
        self.assert_concludes("the preshared keys differ")

    def test_an_address_that_is_refused(self):
        self.theirs["allowed_ips"] = ["10.200.77.0/24", "fd00:200:1::/48"]
        self.start()
        self.talk()
        self.assert_concludes("on this side: node1: packets from 10.200.1.1 in its tunnel are refused",
                              node=self.right, peer="node1")

    def test_two_machines_with_one_key(self):
        third = nodes.Node(self, self.namespace("t"), 3)
        self.link(third.home, self.right.home, ["10.91.0.3/24"], ["10.91.0.2/24"], name="net1")
        third.private_key = self.left.private_key
        self.text_file(f"{third.name}.key", third.private_key + "\n")
        third.knows(self.right, "10.91.0.2:51820")
        third.write(addresses=["10.200.1.3/24"])
        self.start()
        third.start()
        self.talk()
        harness.Process(self, ["ping", "-n", "-q", "-i", "0.2", nodes.address_of(self.right)], third.home)
        self.assert_concludes("on the other side: node1: two machines use its key: the endpoint goes to and fro",
                              node=self.right, peer="node1")


if __name__ == "__main__":
    harness.main()
