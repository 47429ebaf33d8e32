#!/usr/bin/python3
"""wg-quick(8) with the program as its userspace implementation."""

import os
import signal
import unittest

import harness


@harness.for_each_program
class WgQuick:
    def setUp(self):
        super().setUp()
        self.hosts_ = self.hosts()
        probe = self.hosts_[0].ip("link", "add", "probe", "type", "wireguard", check=False)
        if probe.returncode == 0:
            self.hosts_[0].ip("link", "del", "probe")
            raise unittest.SkipTest("the kernel has WireGuard, and wg-quick prefers it")
        # wg-quick looks for the program by name
        self.bin = f"{self.folder}/bin"
        os.mkdir(self.bin)
        os.symlink(harness.PROGRAMS[self.program][0], f"{self.bin}/{self.program}")
        self.private = [harness.genkey(), harness.genkey()]
        self.public = [harness.pubkey(key) for key in self.private]
        self.psk = harness.genpsk()

    def quick(self, host, verb, name):
        return host.run("wg-quick", verb, f"{self.folder}/{name}.conf", timeout=60, env={
            **os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}",
            "WG_QUICK_USERSPACE_IMPLEMENTATION": self.program, "WG_I_PREFER_BUGGY_USERSPACE": "1"})

    def write(self, i, allowed, endpoint=None):
        name = self.interface_name()
        self.stack.callback(lambda: os.path.exists(f"{harness.SOCKETS}/{name}.sock")
                            and os.unlink(f"{harness.SOCKETS}/{name}.sock"))
        self.text_file(f"{name}.conf", f"""
[Interface]
PrivateKey = {self.private[i]}
Address = 10.77.0.{i + 1}/24, fd77::{i + 1}/64
ListenPort = {51821 + i}
MTU = 1420

[Peer]
PublicKey = {self.public[1 - i]}
PresharedKey = {self.psk}
AllowedIPs = {allowed}
""" + (f"Endpoint = {endpoint}\n" if endpoint else ""))
        return name

    def test_up_and_down_with_networks_of_their_own(self):
        names = [self.write(0, "10.77.0.2/32, fd77::2/128", "10.90.0.2:51822"),
                 self.write(1, "10.77.0.1/32, fd77::1/128")]
        for host, name in zip(self.hosts_, names):
            self.quick(host, "up", name)
        self.assert_pings(self.hosts_[0], "10.77.0.2", 10)
        self.assert_pings(self.hosts_[1], "fd77::1", 10)
        for host, name in zip(self.hosts_, names):
            self.quick(host, "down", name)
            self.assertFalse(host.has_link(name))
            harness.wait_until(lambda: not host.processes(), "the end of the program")
            self.assertFalse(os.path.exists(f"{harness.SOCKETS}/{name}.sock"))

    def test_a_default_route_through_the_tunnel_with_policy_routing(self):
        left, right = self.hosts_
        left.ip("route", "add", "default", "via", "10.90.0.2")
        left.ip("-6", "route", "add", "default", "via", "fd90::2")
        for address in ("203.0.113.9/32", "2001:db8:9::9/128"):
            right.add_address(address, "lo")
        names = [self.write(0, "0.0.0.0/0, ::/0", "10.90.0.2:51822"), self.write(1, "10.77.0.1/32, fd77::1/128")]
        self.quick(right, "up", names[1])
        self.quick(left, "up", names[0])
        rules = left.ip("rule", "show").stdout
        self.assertIn("suppress_prefixlength 0", rules)
        self.assertNotEqual(harness.run("wg", "show", names[0], "fwmark").stdout.strip(), "off")
        before = int(harness.run("wg", "show", names[0], "transfer").stdout.split()[2])
        # everything goes through the tunnel, and the tunnel's own packets do not
        self.assert_pings(left, "203.0.113.9", 100, interval=0.005)
        self.assert_pings(left, "2001:db8:9::9", 100, interval=0.005)
        after = int(harness.run("wg", "show", names[0], "transfer").stdout.split()[2])
        self.assertGreaterEqual(after - before, 200 * 128)
        self.quick(left, "down", names[0])
        self.assertNotIn("suppress_prefixlength", left.ip("rule", "show").stdout)
        for pid in right.processes():
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    harness.main()
