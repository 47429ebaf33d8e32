#!/usr/bin/python3
"""wg(8) against a running program: show, set, setconf, addconf, syncconf, and the protocol under them."""

import os
import re
import socket
import threading
import time

import harness


def section(device, peers):
    """A wg(8) file: `peers` are (device, allowed IPs, endpoint or None)."""
    text = f"[Interface]\nPrivateKey = {device.private_key}\nListenPort = {device.port}\n"
    for other, allowed_ips, endpoint in peers:
        text += f"[Peer]\nPublicKey = {getattr(other, 'public_key', other)}\nAllowedIPs = {allowed_ips}\n"
        if endpoint:
            text += f"Endpoint = {endpoint}\n"
    return text


@harness.for_each_program
class Tools:
    def other_key(self):
        return harness.pubkey(harness.genkey())

    def test_show_prints_what_was_set(self):
        left, right = self.tunnel()
        left.set("fwmark", "0x2a", "peer", right.public_key, "persistent-keepalive", "25")
        self.assert_pings(left.home, "10.77.0.2", 3)
        text = harness.run("wg", "show", left.name).stdout
        for line in (f"interface: {left.name}", f"public key: {left.public_key}", "private key: (hidden)",
                     "listening port: 51821", "fwmark: 0x2a", f"peer: {right.public_key}",
                     "endpoint: 10.90.0.2:51822", "allowed ips: 10.77.0.2/32, fd77::2/128",
                     "persistent keepalive: every 25 seconds"):
            self.assertIn(line, text)
        self.assertRegex(text, r"latest handshake: (Now|\d+ seconds? ago)")
        self.assertRegex(text, r"transfer: [\d.]+ (KiB|B) received, [\d.]+ (KiB|B) sent")
        self.assertIn(left.name, harness.run("wg", "show", "interfaces").stdout.split())
        self.assertEqual(left.show("allowed-ips"), f"{right.public_key}\t10.77.0.2/32 fd77::2/128")

    def test_a_configuration_that_is_shown_can_be_set_again(self):
        left, right = self.tunnel(psk=harness.genpsk())
        before = harness.run("wg", "showconf", left.name).stdout
        self.assertIn("PresharedKey", before)
        harness.run("wg", "setconf", left.name, self.text_file("shown.conf", before))
        self.assertEqual(harness.run("wg", "showconf", left.name).stdout, before)
        self.assert_pings(left.home, "10.77.0.2", 3)

    def test_setconf_replaces_addconf_adds_and_syncconf_leaves_the_rest_alone(self):
        left, right = self.tunnel()
        left.port = 51821
        one, two, three = self.other_key(), self.other_key(), self.other_key()
        peer = (right, "10.77.0.2/32, fd77::2/128", "10.90.0.2:51822")
        harness.run("wg", "setconf", left.name,
                    self.text_file("a.conf", section(left, [peer, (one, "10.1.0.0/16", None)])))
        self.assertEqual(set(left.show("peers").split()), {right.public_key, one})
        harness.run("wg", "addconf", left.name,
                    self.text_file("b.conf", f"[Peer]\nPublicKey = {two}\nAllowedIPs = 10.2.0.0/16,10.3.0.0/16\n"))
        self.assertEqual(set(left.show("peers").split()), {right.public_key, one, two})
        self.assertEqual(left.peer(two).allowed_ips, {"10.2.0.0/16", "10.3.0.0/16"})
        self.assert_pings(left.home, "10.77.0.2", 3)
        handshake, (received, _) = left.peer(right).handshake, left.counters(right)
        harness.run("wg", "syncconf", left.name,
                    self.text_file("c.conf", section(left, [peer, (one, "10.9.0.0/16", None),
                                                            (three, "10.4.0.0/16", "192.0.2.1:7")])))
        self.assertEqual(set(left.show("peers").split()), {right.public_key, one, three})
        self.assertEqual(left.peer(one).allowed_ips, {"10.9.0.0/16"})
        self.assertEqual(left.peer(three).endpoint, "192.0.2.1:7")
        self.assertEqual(left.peer(right).handshake, handshake, "the session goes on")
        self.assertGreaterEqual(left.counters(right)[0], received)

    def test_syncconf_loses_no_ping_of_an_unchanged_peer(self):
        left, right = self.tunnel()
        left.port = 51821
        peer = (right, "10.77.0.2/32, fd77::2/128", "10.90.0.2:51822")
        self.assert_pings(left.home, "10.77.0.2", 3)
        handshake = left.peer(right).handshake
        answers = []
        pings = threading.Thread(target=lambda: answers.append(left.home.ping("10.77.0.2", 150, interval=0.01)))
        pings.start()
        for number in range(10):
            harness.run("wg", "syncconf", left.name, self.text_file(
                f"{number}.conf", section(left, [peer, (self.other_key(), f"10.{number}.0.0/16", None)])))
            time.sleep(0.1)
        pings.join()
        self.assertEqual(answers, [150])
        self.assertEqual(left.peer(right).handshake, handshake)

    def test_the_port_and_the_mark_change_without_losing_the_session(self):
        left, right = self.tunnel(both_endpoints=True)
        self.assert_pings(left.home, "10.77.0.2", 3)
        handshake = left.peer(right).handshake
        for port in (50001, 50002):
            left.set("listen-port", port)
            self.assertEqual(left.show("listen-port"), str(port))
            self.assert_pings(left.home, "10.77.0.2", 3)
        left.set("fwmark", "7")
        self.assert_pings(left.home, "10.77.0.2", 3)
        left.set("listen-port", 0)
        self.assertNotIn(left.show("listen-port"), ("0", "50002"))
        self.assert_pings(left.home, "fd77::2", 3)
        self.assertEqual(left.peer(right).handshake, handshake)

    def test_a_port_that_is_taken_is_an_error_and_the_former_one_stays(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 3)
        blocker = left.home.udp_socket()
        self.addCleanup(blocker.close)
        blocker.bind(("0.0.0.0", 50007))
        result = left.set("listen-port", 50007, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("in use", result.stderr)
        if self.program == "weftd":
            self.assertEqual(left.show("listen-port"), "51821")
            self.assert_pings(left.home, "10.77.0.2", 3)

    def test_a_port_that_is_taken_in_one_family_is_passed_over_when_any_will_do(self):
        host = self.namespace()
        host.sysctl(ipv4__ip_local_port_range="40000 40002")
        blocker = host.udp_socket(socket.AF_INET6)
        self.addCleanup(blocker.close)
        blocker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        blocker.bind(("::", 40000))
        device = harness.Device(self, self.program, host)
        device.configure()
        for _ in range(12):
            device.set("listen-port", 0)
            self.assertIn(device.show("listen-port"), ("40001", "40002"))

    def test_an_interface_that_does_not_exist_fails_with_a_clear_error(self):
        result = harness.run("wg", "show", f"no{self.interface_name()[2:]}", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("Unable to access interface", result.stderr)

    def test_long_answers_are_read_whole(self):
        device = harness.Device(self, self.program, self.namespace())
        device.configure()
        # 1 peer with 255 x 64 x 2 prefixes
        prefixes = [f"10.{a}.{b}.0/24" for a in range(255) for b in range(64)]
        prefixes += [f"fd00:{a:x}:{b:x}::/48" for a in range(1, 256) for b in range(1, 65)]
        many = self.other_key()
        path = self.text_file("many.conf", f"[Peer]\nPublicKey = {many}\n" + "".join(
            f"AllowedIPs = {', '.join(prefixes[i:i + 100])}\n" for i in range(0, len(prefixes), 100)))
        harness.run("wg", "addconf", device.name, path, timeout=60)
        shown = device.show("allowed-ips").split("\t")[1].split()
        self.assertEqual(len(shown), len(prefixes))
        self.assertTrue(set(shown) == set(prefixes), "the prefixes that were set")
        # 40 peers with 52 each, 29 + 1 peers, 197 IPv6 entries
        device.set("peer", many, "remove")
        groups = [[f"10.{n}.{i}.0/24" for i in range(52)] for n in range(40)]
        groups += [[] for _ in range(30)]
        groups += [[f"fd00:{i:x}::/32" for i in range(1, 198)]]
        keys = [self.other_key() for _ in groups]
        harness.run("wg", "addconf", device.name, self.text_file("groups.conf", "".join(
            f"[Peer]\nPublicKey = {k}\n" + (f"AllowedIPs = {','.join(g)}\n" if g else "")
            for k, g in zip(keys, groups))))
        for key, group in zip(keys, groups):
            self.assertEqual(device.peer(key).allowed_ips, set(group))


@harness.for_each_program
class Protocol:
    """The protocol of the socket, where wg(8) does not reach."""

    def setUp(self):
        super().setUp()
        self.device = harness.Device(self, self.program, self.namespace())
        self.device.configure(port=51821)
        self.key = bytes(range(32)).hex()

    def test_an_error_leaves_the_former_state_untouched(self):
        before = self.device.uapi("get=1\n\n")
        self.assertTrue(before.endswith("errno=0\n\n"))
        for bad in ("listen_port=70000", "nonsense=1", "public_key=abc", f"public_key={self.key}\nendpoint=nowhere",
                    f"public_key={self.key}\nallowed_ip=10.0.0.0/33", "no equals sign",
                    f"public_key={self.key}\npersistent_keepalive_interval=70000",
                    f"public_key={self.key}\nprotocol_version=2", "fwmark=x"):
            answer = self.device.uapi(f"set=1\nfwmark=77\n{bad}\n\n")
            self.assertRegex(answer, r"^errno=-?[1-9]\d*\n\n$", bad)
            self.assertEqual(self.device.uapi("get=1\n\n"), before, bad)

    def test_several_requests_share_one_connection(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(60)
            client.connect(self.device.socket_path)
            client.sendall(f"set=1\npublic_key={self.key}\nallowed_ip=10.1.0.0/16\n\nget=1\n\n".encode())
            answer = b""
            while answer.count(b"\n\n") < 2:
                answer += client.recv(65536)
            self.assertTrue(answer.startswith(b"errno=0\n\n"))
            self.assertIn(b"allowed_ip=10.1.0.0/16\n", answer)
            client.sendall(b"get=")
            time.sleep(0.1)
            client.sendall(b"1\n")
            client.sendall(b"\n")
            self.assertIn(b"errno=0", client.recv(65536))

    def test_an_allowed_ip_with_a_minus_is_taken_away(self):
        self.device.uapi(f"set=1\npublic_key={self.key}\nallowed_ip=10.1.0.0/16\nallowed_ip=10.2.0.0/16\n\n")
        answer = self.device.uapi(f"set=1\npublic_key={self.key}\nallowed_ip=-10.1.0.0/16\n\n")
        self.assertEqual(answer, "errno=0\n\n")
        dump = self.device.uapi("get=1\n\n")
        self.assertEqual(re.findall(r"^allowed_ip=(.*)$", dump, re.M), ["10.2.0.0/16"])

    def test_update_only_makes_no_peer_and_replace_peers_removes_all(self):
        self.device.uapi(f"set=1\npublic_key={self.key}\nupdate_only=true\nallowed_ip=10.1.0.0/16\n\n")
        self.assertNotIn("public_key=", self.device.uapi("get=1\n\n").replace("own_public_key", ""))
        self.device.uapi(f"set=1\npublic_key={self.key}\n\n")
        self.assertIn(f"public_key={self.key}", self.device.uapi("get=1\n\n"))
        self.device.uapi("set=1\nreplace_peers=true\n\n")
        self.assertNotIn(f"public_key={self.key}", self.device.uapi("get=1\n\n"))

    def test_clients_that_stop_half_way_or_send_garbage_do_no_harm(self):
        clients = []
        for payload in (b"", b"get=1", b"set=1\npublic_key=", os.urandom(4096), b"\n" * 1000, b"get=1\n\n" * 200):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(client.close)
            client.settimeout(60)
            client.connect(self.device.socket_path)
            try:
                client.sendall(payload)
            except OSError:
                pass  # the program may hang up on garbage
            clients.append(client)
        self.assertTrue(self.device.uapi("get=1\n\n").endswith("errno=0\n\n"))
        for client in clients:
            client.close()
        self.assertTrue(self.device.uapi("get=1\n\n").endswith("errno=0\n\n"))

    def test_the_socket_is_for_its_owner_alone(self):
        self.assertEqual(os.stat(self.device.socket_path).st_mode & 0o077, 0)


if __name__ == "__main__":
    harness.main()
