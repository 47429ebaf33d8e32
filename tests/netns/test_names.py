#!/usr/bin/python3
"""Endpoints that are host names, with a name server of the test's own."""

import json
import os
import shutil
import socket
import struct
import threading

import harness


class NameServer:
    """Answers questions for addresses from a table that changes (RFC 1035)."""

    TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}

    def __init__(self, test, namespace, address="127.0.0.1"):
        self.addresses = {}  # name -> [address]
        self.asked = 0
        self.socket = harness.in_namespace(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.stack.callback(self.close)

    def close(self):
        self.socket.close()

    def serve(self):
        while True:
            try:
                question, sender = self.socket.recvfrom(512)
                if answer := self.answer(question):
                    self.socket.sendto(answer, sender)
            except OSError:
                return

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += question[at] + 1
        kind, = struct.unpack_from("!H", question, at + 1)
        end = at + 5
        name = ".".join(labels)
        self.asked += 1
        if name.startswith("silent"):
            return None
        known = self.addresses.get(name)
        records = b""
        count = 0
        for address in known or []:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if self.TYPES.get(kind) == family:
                data = socket.inet_pton(family, address)
                records += struct.pack("!HHHIH", 0xc00c, kind, 1, 0, len(data)) + data
                count += 1
        flags = 0x8180 if known is not None else 0x8183
        return question[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question[12:end] + records


class Forwarder(NameServer):
    """A program of the host that asks another server, by packets like any program's."""

    def __init__(self, test, namespace, upstream):
        self.upstream = upstream
        self.asking = harness.in_namespace(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.asking.settimeout(1)
        super().__init__(test, namespace, "127.0.0.2")

    def close(self):
        super().close()
        self.asking.close()

    def answer(self, question):
        try:
            self.asking.sendto(question, (self.upstream, 53))
            while (answer := self.asking.recv(512))[:2] != question[:2]:
                pass
            return answer
        except OSError:
            return question[:2] + struct.pack("!HHHHH", 0x8182, 1, 0, 0, 0) + question[12:]  # SERVFAIL


class Names(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.left, self.right = self.hosts()
        self.left.ip("link", "set", "lo", "up")
        folder = f"/etc/netns/{self.left.name}"  # ip netns exec puts it in place of /etc
        self.stack.callback(harness.remove_netns_folder)
        os.makedirs(folder)
        self.stack.callback(shutil.rmtree, folder)
        self.write_servers("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.names = NameServer(self, self.left)
        self.far = harness.Device(self, "weftd", self.right)
        self.far.configure(port=51821, addresses=["10.200.0.2/24"])
        self.key = harness.genkey()
        self.far.set("peer", harness.pubkey(self.key), "allowed-ips", "10.200.0.1/32")

    def write_servers(self, text):
        with open(f"/etc/netns/{self.left.name}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, more="", peer="", interface=""):
        self.name = self.interface_name()
        self.text_file("near.key", self.key + "\n")
        self.text_file("near.yaml", f"""interface:
  name: {self.name}
  private_key_file: near.key
  listen: "[::]:51820"
  addresses: [10.200.0.1/24]
{interface}
peers:
  - public_key: {self.far.public_key}
    endpoint: far.example.net:51821
    allowed_ips: [10.200.0.2/32]
    persistent_keepalive: 1s
{peer}
{more}""")
        self.daemon = harness.Process(self, [harness.WEFTD, "--config", f"{self.folder}/near.yaml"], self.left)
        harness.wait_until(lambda: "is up" in self.daemon.output(), "weftd starts")

    def endpoint(self):
        return self.left.run("wg", "show", self.name, "endpoints").stdout.split()[1]

    def test_a_name_that_is_not_found_at_the_start_is_looked_up_again(self):
        self.start()
        harness.wait_until(lambda: "far.example.net:51821 not found" in self.daemon.output(), "the failure is logged")
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.wait_for_ping(self.left, "10.200.0.2")
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")

    def test_a_name_that_moves_is_followed_within_one_retry_of_the_handshake(self):
        self.names.addresses["far.example.net"] = ["10.90.0.77"]  # nobody
        self.start()
        harness.wait_until(lambda: self.names.asked >= 1, "the name is looked up")
        asked = self.names.asked
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        # The first initiation goes in vain; the look-up comes with its repetition after 5 s.
        self.wait_for_ping(self.left, "10.200.0.2")
        self.assertGreater(self.names.asked, asked)
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")

    def test_names_that_nobody_answers_for_hold_up_none_of_the_others(self):
        self.write_servers("nameserver 127.0.0.1\noptions timeout:30 attempts:2\n")
        self.names.addresses["far.example.net"] = ["10.90.0.77"]  # nobody
        self.start("".join(f"  - {{public_key: {harness.pubkey(harness.genkey())}, endpoint: 'silent{i}.test:1'}}\n"
                           for i in range(40)))
        harness.wait_until(lambda: self.names.asked >= 41, "all names are looked up", 20)
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.wait_for_ping(self.left, "10.200.0.2", 20)
        harness.wait_until(lambda: "no name server answers" in self.daemon.output(), "that is told", 20)
        self.assertEqual(self.daemon.terminate(), 0)

    def test_the_families_take_turns(self):
        # The system prefers IPv6, where nobody is.
        self.names.addresses["far.example.net"] = ["fd90::77", "10.90.0.2"]
        self.start()
        harness.wait_until(lambda: self.names.asked >= 1, "the name is looked up")
        self.wait_for_ping(self.left, "10.200.0.2")
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")

    def test_the_other_family_is_tried_also_when_nobody_answers_for_the_name_any_more(self):
        self.names.addresses["far.example.net"] = ["fd90::2", "10.90.0.2"]
        self.start()
        self.wait_for_ping(self.left, "10.200.0.2")
        before = self.endpoint()
        self.names.close()
        family = "ipv6" if before.startswith("[") else "ipv4"
        for direction, port in (("input", "dport"), ("output", "sport")):
            self.right.nft("add table inet lost",
                           f"add chain inet lost {direction} {{ type filter hook {direction} priority 0; }}",
                           f"add rule inet lost {direction} meta nfproto {family} udp {port} 51821 drop")
        self.wait_for_ping(self.left, "10.200.0.2", 120)
        self.assertNotEqual(self.endpoint(), before)

    def test_a_session_that_works_is_not_disturbed_by_the_name_server(self):
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.start()
        self.wait_for_ping(self.left, "10.200.0.2")
        asked = self.names.asked
        self.names.addresses["far.example.net"] = ["10.90.0.77"]
        self.assert_pings(self.left, "10.200.0.2", 20)
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")
        self.assertEqual(self.names.asked, asked)

    def have_names_beside_the_tunnel(self):
        """A server of the underlay, which only packets with the mark get to."""
        self.names.close()
        self.names = NameServer(self, self.right, "10.90.0.2")
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.write_servers("nameserver 10.64.0.1\nnameserver 10.90.0.2\n")
        self.left.nft("add table ip beside", "add chain ip beside out { type filter hook output priority 0; }",
                      "add rule ip beside out ip daddr 10.90.0.2 meta mark != 77 reject")

    def test_with_a_full_tunnel_names_are_asked_for_beside_it(self):
        self.have_names_beside_the_tunnel()
        self.start(interface="  fwmark: 77\n  dns: [10.64.0.1]", peer="    default_route: true")
        self.wait_for_ping(self.left, "10.200.0.2", 30)
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")

    def test_a_name_that_is_taken_away_is_told_of_in_a_full_tunnel_too(self):
        self.have_names_beside_the_tunnel()
        self.names.addresses["far.example.net"] = ["10.90.0.77"]  # nobody, so it is asked for again and again
        self.start(interface="  fwmark: 77\n  dns: [10.64.0.1]", peer="    default_route: true")
        harness.wait_until(lambda: self.endpoint() == "10.90.0.77:51821", "the name is found")
        del self.names.addresses["far.example.net"]
        harness.wait_until(lambda: "far.example.net:51821 does not exist any more" in self.daemon.output(), "that is told")
        asked = self.names.asked
        harness.wait_until(lambda: self.names.asked >= asked + 4, "it is asked for again")
        self.assertEqual(self.daemon.output().count("does not exist any more"), 1)
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.wait_for_ping(self.left, "10.200.0.2", 60)

    def test_servers_of_the_tunnel_alone_are_not_asked_for_the_way_into_it(self):
        self.have_names_beside_the_tunnel()
        self.write_servers("nameserver 10.64.0.1\n")
        self.start(interface="  fwmark: 77\n  dns: [10.64.0.1]", peer="    default_route: true")
        harness.wait_until(lambda: "this host has no name server but those in the tunnel" in self.daemon.output(),
                           "that is told")
        self.write_servers("nameserver 10.64.0.1\nnameserver 10.90.0.2\n")
        self.wait_for_ping(self.left, "10.200.0.2", 30)

    def test_without_a_full_tunnel_the_host_resolves_as_it_does(self):
        self.have_names_beside_the_tunnel()
        self.start(interface="  fwmark: 77")
        harness.wait_until(lambda: "far.example.net:51821 not found" in self.daemon.output(), "the failure is logged")
        self.assertEqual(self.names.asked, 0)

    def have_a_forwarder(self):
        """All of the host's names are asked for by a program of its own, at a server that is far away."""
        self.names.close()
        far = "192.0.2.53"
        self.right.add_address(f"{far}/32", "lo")
        self.left.ip("route", "add", "default", "via", "10.90.0.2")
        self.names = NameServer(self, self.right, far)
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        Forwarder(self, self.left, far)
        self.write_servers("nameserver 127.0.0.2\n")
        return far

    def check(self):
        checked = self.left.run(harness.WEFT, "check", f"{self.folder}/near.yaml", check=False)
        return checked.stdout + checked.stderr

    def test_a_program_of_the_host_is_asked_for_names_before_all_goes_into_the_tunnel(self):
        self.have_a_forwarder()
        self.start(peer="    default_route: true")
        self.assertIn("far.example.net may not be found: the only name server of this host", self.check())
        self.wait_for_ping(self.left, "10.200.0.2", 30)
        self.assertEqual(self.endpoint(), "10.90.0.2:51821")

    def test_with_a_lock_who_has_only_a_program_of_the_host_is_told_what_to_do(self):
        far = self.have_a_forwarder()
        self.start(interface="  kill_switch: true", peer="    default_route: true")
        self.assertIn("far.example.net may not be found: the only name server of this host", self.check())
        harness.wait_until(lambda: "give the endpoint's address, put its name into /etc/hosts" in self.daemon.output(),
                           "that is told")
        self.assertEqual(self.names.asked, 0)
        self.write_servers(f"nameserver 127.0.0.2\nnameserver {far}\n")
        self.wait_for_ping(self.left, "10.200.0.2", 60)
        self.assertNotIn("far.example.net may not be found", self.check())

    def dns_items(self):
        status = json.loads(self.left.run(harness.WEFT, "status", self.name, "--json").stdout)[0]
        return {item["value"]: item["in_place"] for item in status["host"] if item["kind"] == "dns"}

    def test_servers_that_the_host_does_not_ask_are_told_of(self):
        self.names.addresses["far.example.net"] = ["10.90.0.2"]
        self.start(interface="  dns: [10.64.0.1, 10.64.0.2, example.net]")
        self.assertEqual(self.dns_items(), {}, "whom a program of this host asks is not known")
        self.write_servers("nameserver 10.64.0.1\n")
        self.assertEqual(self.dns_items(), {"10.64.0.1": True, "10.64.0.2": False})
        harness.wait_until(lambda: f"the DNS servers 10.64.0.2 of {self.name} are missing" in self.daemon.output(),
                           "the log tells")
        self.assertIn("the DNS server 10.64.0.2 is missing", self.left.run(harness.WEFT, "status", self.name).stdout)
        explained = self.left.run(harness.WEFT, "explain", self.far.public_key, "-i", self.name, check=False)
        self.assertIn("the DNS server 10.64.0.2 is missing", explained.stdout + explained.stderr)
        self.write_servers("nameserver 10.64.0.1\nnameserver 10.64.0.2\n")
        self.assertEqual(self.dns_items(), {"10.64.0.1": True, "10.64.0.2": True})
        harness.wait_until(lambda: "is in place again" in self.daemon.output(), "the log tells")

    def test_where_a_peer_was_last_is_tried_before_anybody_is_asked(self):
        self.have_names_beside_the_tunnel()
        self.start(interface="  fwmark: 77", peer="    default_route: true")
        self.wait_for_ping(self.left, "10.200.0.2", 30)
        self.daemon.terminate()
        self.names.close()
        self.daemon = harness.Process(self, [harness.WEFTD, "--config", f"{self.folder}/near.yaml"], self.left)
        self.wait_for_ping(self.left, "10.200.0.2", 30)


if __name__ == "__main__":
    harness.main()
