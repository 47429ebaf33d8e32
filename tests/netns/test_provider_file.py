#!/usr/bin/python3
"""A file as providers hand it out, for wg-quick: imported, it makes a node that does the same."""

import os
import re
import signal

import harness
import resolvconf

PROVIDERS = """# Provider: Amsterdam 7
[Interface]
PrivateKey = {private}
Address = 10.77.0.1/32, fd77::1/128
DNS = 10.64.0.1
PostUp = touch {folder}/ran-%i
PreDown = touch {folder}/ran-%i

[Peer]
# ams-wg-007
PublicKey = {public}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 10.90.0.2:51822
"""


def plain(text, *words):
    """Lines in their order, without what is chosen: numbers of tables, marks, rules and `words`."""
    text = re.sub(r"^\d+:\s*", "", text, flags=re.MULTILINE)
    text = re.sub(r"(lookup|table) \d+", r"\1 OWN", text)
    text = re.sub(r"fwmark 0x[0-9a-f]+(/0x[0-9a-f]+)?", "fwmark MARK", text)
    text = re.sub(r"\b(proto|metric|pref) \S+", "", text)
    for word in words:
        text = text.replace(word, "NAME")
    return sorted(" ".join(line.split()) for line in text.splitlines())


class ProviderFile(harness.NetnsTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.left, self.right = self.hosts(mtu=1440)
        self.left.ip("route", "add", "default", "via", "10.90.0.2")
        self.left.ip("-6", "route", "add", "default", "via", "fd90::2")
        self.far = harness.Device(self, "weftd", self.right)
        self.far.configure(port=51822, addresses=["10.64.0.1/32"])
        key = harness.genkey()
        self.far.add_peer(harness.pubkey(key), ["10.77.0.1/32", "fd77::1/128"])
        self.right.ip("route", "add", "10.77.0.1", "dev", self.far.name)
        self.name = self.interface_name()
        self.file = self.text_file(f"{self.name}.conf", PROVIDERS.format(
            private=key, public=self.far.public_key, folder=self.folder))
        self.stack.callback(self.remove_socket)

    def remove_socket(self):
        harness.remove_sockets_of(self.name)

    def imported(self):
        yaml = f"{self.folder}/{self.name}.yaml"
        harness.run(harness.WEFT, "import", self.file, "--output", yaml)
        return yaml

    def host_now(self, inside):
        """What the host is like with the interface up."""
        shown = {
            "mtu": re.search(r"mtu (\d+)", self.left.ip("link", "show", self.name).stdout).group(1),
            "addresses": plain(self.left.ip("-o", "addr", "show", "dev", self.name, "scope", "global").stdout
                               .replace(" nodad", ""), self.name),
            "dns": resolvconf.servers(*inside),
        }
        for family in ("-4", "-6"):
            shown[f"rules {family}"] = plain(self.left.ip(family, "rule").stdout)
            shown[f"routes {family}"] = plain(
                self.left.ip(family, "route", "show", "table", "all", "dev", self.name).stdout, self.name)
        return shown

    def keeper(self):
        """A process that goes on in the view of a host with openresolv."""
        keeper = harness.Process(self, [*resolvconf.view(self), "sleep", "300"], self.left)
        harness.wait_until(lambda: os.readlink(f"/proc/{keeper.pid}/exe").endswith("/sleep"), "a view")
        return ("nsenter", f"--target={keeper.pid}", "--mount")

    def test_it_is_imported_with_all_but_its_commands(self):
        refused = harness.run(harness.WEFT, "import", "--strict", self.file, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertEqual(refused.stdout, "")
        self.assertIn("Interface.PostUp: the command is left out: weft runs none that came with somebody", refused.stderr)
        with open(self.imported(), encoding="utf-8") as file:
            text = file.read()
        for line in ("  mtu: auto\n", "  routes: auto\n", '  dns: ["10.64.0.1"]\n', "  on_up: []\n",
                     '  - name: "ams-wg-007"\n', "somebody else's file",
                     f"#   PostUp = touch {self.folder}/ran-%i\n", f"#   PreDown = touch {self.folder}/ran-%i\n"):
            self.assertIn(line, text)

    def test_the_node_does_what_wg_quick_does_with_the_file(self):
        if self.left.ip("link", "add", "probe", "type", "wireguard", check=False).returncode == 0:
            self.left.ip("link", "del", "probe")
            self.skipTest("the kernel has WireGuard, and wg-quick prefers it")
        inside = self.keeper()
        os.mkdir(f"{self.folder}/bin")
        os.symlink(harness.WEFTD, f"{self.folder}/bin/weftd")
        quick = ("env", f"PATH={self.folder}/bin:{os.environ['PATH']}", "WG_QUICK_USERSPACE_IMPLEMENTATION=weftd",
                 "WG_I_PREFER_BUGGY_USERSPACE=1", "wg-quick")
        before = self.left.ip("rule").stdout
        self.left.run(*inside, *quick, "up", self.file)
        expected = self.host_now(inside)
        self.assertIn("nameserver 10.64.0.1", expected["dns"])
        self.left.run(*inside, *quick, "down", self.file)
        harness.wait_until(lambda: not self.left.has_link(self.name), "wg-quick has ended it")
        os.unlink(f"{self.folder}/ran-{self.name}")

        process = harness.Process(self, [*inside, harness.WEFTD, "--config", self.imported()], self.left)
        harness.wait_until(lambda: "is up" in process.output(), "the node is up")
        # DNS comes last.
        harness.wait_until(lambda: resolvconf.servers(*inside) == expected["dns"], "the server is asked")
        self.assertEqual(self.host_now(inside), expected)
        self.wait_for_ping(self.left, "10.64.0.1", 20)
        process.signal(signal.SIGTERM)
        process.wait()
        self.assertEqual(self.left.ip("rule").stdout, before)
        self.assertEqual(resolvconf.servers(*inside), ["nameserver 192.0.2.53"])
        self.assertFalse(os.path.exists(f"{self.folder}/ran-{self.name}"), "its commands were not run")


if __name__ == "__main__":
    harness.main()
