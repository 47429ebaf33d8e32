#!/usr/bin/python3
"""A host under the installed unit: its full tunnel and its lock through all that becomes of the node, and networkd."""

import contextlib
import datetime
import os
import re
import subprocess
import sys
import time

import installed
import support
from support import wait_until

sys.path.insert(0, f"{support.ROOT}/tests/netns")
import capture  # noqa: E402
import gateway  # noqa: E402
import harness  # noqa: E402
import nodes  # noqa: E402

PORT = 51820
EXIT = "203.0.113.1"
OUTSIDE = ("198.51.100.7", "2001:db8:7::7")

NODE = """
interface:
  name: a
  private_key_file: a.key
  listen: 51820
  addresses: [10.200.1.1/24, "fd00:200:1::1/64"]
  cluster_networks: [10.201.0.0/16]
  kill_switch: true
peers:
  - name: exit
    public_key: {exit}
    endpoint: {address}:51820
    default_route: true
    persistent_keepalive: 1s
"""

# Of each kind, to everywhere, again and again.
TALK = """
for target in "$@"; do
  while sleep 0.1; do ping -n -c 1 -W 1 "$target"; done &
  while sleep 0.1; do timeout 0.3 bash -c "echo > /dev/tcp/$target/9"; done &
  while sleep 0.1; do bash -c "echo leak > /dev/udp/$target/9"; done &
done >/dev/null 2>&1
wait
"""


class Host(harness.NetnsTest, installed.InstalledTest):
    """A machine with the packages, behind a gateway that is the tunnel's other end and the Internet as well.

    machine 10.90.1.2, fd90:1::2 (eth0) -- (in0) 10.90.1.1, fd90:1::1 gateway 203.0.113.1, 198.51.100.7, 2001:db8:7::7
    """

    def setUp(self):
        super().setUp()
        self.start_machine()
        self.install("weft")
        self.gateway = gateway.open_gateway(self)
        for address in (f"{EXIT}/32", f"{OUTSIDE[0]}/32", f"{OUTSIDE[1]}/128"):
            self.gateway.add_address(address, "lo")
        self.gateway.ip("link", "add", "in0", "type", "veth", "peer", "name", "eth0", "netns", str(self.machine.pid))
        self.gateway.ip("link", "set", "in0", "up")
        for address in ("10.90.1.1/24", "fd90:1::1/64"):
            self.gateway.add_address(address, "in0")
        # The machine cannot change the kernel's settings itself.
        support.run("nsenter", f"--target={self.machine.pid}", "--net", "sh", "-ec",
                    "cd /proc/sys/net/ipv4/conf; for link in all default eth0; do echo 0 > $link/rp_filter; done")
        self.exit = nodes.Node(self, self.gateway, 2)
        self.machine.write("/etc/weft/a.key", harness.genkey() + "\n", 0o600)
        self.machine.write("/etc/weft/a.yaml", NODE.format(exit=self.exit.public_key, address=EXIT), 0o600)
        self.exit.peers.append({"public_key": harness.pubkey(self.machine.read("/etc/weft/a.key")), "name": "host",
                                "allowed_ips": ["10.200.1.0/24", "fd00:200:1::/64"]})
        self.exit.start()
        self.keep_logs()

    def configure_link(self):
        for line in ("addr add 10.90.1.2/24 dev eth0", "addr add fd90:1::2/64 dev eth0 nodad", "link set eth0 up",
                     "route add default via 10.90.1.1", "-6 route add default via fd90:1::1"):
            self.machine.run("ip", *line.split())
        wait_until(lambda: self.addresses("eth0") and "tentative" not in self.addresses("eth0"), "eth0 is settled")

    def addresses(self, link):
        shown = self.machine.run("ip", "-6", "addr", "show", "dev", link).stdout
        return shown if " fe80::" in shown else ""

    def routing(self):
        """All rules, routes and filters of the machine."""
        return [self.machine.run(*command.split()).stdout for command in (
            "ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "nft -s list ruleset")]

    def answers(self):
        return [self.machine.run("ping", "-n", "-c", "1", "-W", "2", target, check=False).returncode == 0
                for target in OUTSIDE]

    def wait_for_answers(self):
        wait_until(lambda: all(self.answers()), f"answers through the tunnel\n{self.log('a')}")

    def talk(self):
        """Until the test ends."""
        talker = subprocess.Popen(
            ["nsenter", f"--target={self.machine.pid}", "--mount", "--pid", "--net", "--root", "--wd", "bash", "-c", TALK,
             "talk", *OUTSIDE], cwd="/", stdin=subprocess.DEVNULL, start_new_session=True)
        self.stack.callback(talker.wait)  # it ends with the machine
        self.stack.callback(self.machine.stop)

    def lines_since(self, start):
        return [line for line in self.log("a")[start:].splitlines() if "it was put back" in line]


class FullTunnel(Host):
    def test_nothing_leaks_by_a_restart_an_upgrade_a_kill_a_flush_and_a_stop(self):
        self.configure_link()
        before = self.routing()
        seen = capture.Capture(self, self.gateway, "in0")
        self.start("a")
        self.wait_for_answers()
        seen.packets()
        self.talk()
        pid = self.main_pid("a")
        for what in (lambda: self.machine.systemctl("restart", "weft@a"), lambda: self.install("weft"),
                     lambda: self.kill("a"), lambda: self.machine.run("nft", "flush", "ruleset")):
            what()
            self.wait_for_answers()
            self.assertEqual(seen.leaks(PORT), [])
        self.assertNotEqual(self.main_pid("a"), pid)
        wait_until(lambda: "weft_lock_a" in self.routing()[4], "the lock is put back", 10)
        self.machine.systemctl("stop", "weft@a")
        time.sleep(1)  # of traffic that goes nowhere
        self.assertEqual(self.answers(), [False, False])
        self.assertEqual(seen.leaks(PORT), [])
        # The gateway has nothing in its own way.
        self.machine.run("weft", "unlock", "a")
        self.assertEqual(self.routing(), before)
        wait_until(lambda: seen.leaks(PORT), "what leaves without a lock is seen")


class Networkd(Host):
    """systemd-networkd takes away what it knows nothing of: of its links, and rules and unreachable routes anyway."""

    def setUp(self):
        super().setUp()
        if not os.path.exists("/lib/systemd/systemd-networkd"):
            self.skipTest("there is no systemd-networkd")
        self.machine.write("/etc/systemd/network/50-eth0.network", "[Match]\nName=eth0\n[Network]\n"
                           "Address=10.90.1.2/24\nAddress=fd90:1::2/64\nGateway=10.90.1.1\nGateway=fd90:1::1\n"
                           "IPv6AcceptRA=no\nKeepConfiguration=no\n")
        # As a file that matches every link does.
        self.machine.write("/etc/systemd/network/60-a.network", "[Match]\nName=a\n[Network]\nLinkLocalAddressing=no\n"
                           "KeepConfiguration=no\n")
        self.machine.systemctl("start", "dbus", "systemd-networkd")
        wait_until(lambda: self.addresses("eth0"), "eth0 is set up")
        self.start("a")
        self.wait_for_answers()

    def lost(self, start):
        """What lines tell of since then: a line for each thing, by kind."""
        lines = [line.partition("had lost the ")[2].partition(": it was put back")[0] for line in self.lines_since(start)]
        self.assertEqual(len(set(lines)), len(lines), "one line each")
        return {kind: sum(line.startswith(kind) for line in lines) for kind in ("rule", "route", "address")}

    def after(self, *command):
        """What is lost by a command, when all is there again."""
        time.sleep(5)  # a rule is put back once in that time
        expected, start = self.routing()[:4], len(self.log("a"))
        with self.watched() as changes:
            self.machine.run(*command)
            wait_until(lambda: self.lines_since(start) and self.routing()[:4] == expected,
                       f"what {command} took away is back")
            time.sleep(1)
        print(f"{' '.join(command)}: the node's own is back {self.seconds_without(changes):.2f} s after it was taken away")
        return self.lost(start)

    @contextlib.contextmanager
    def watched(self):
        """All changes of addresses, routes and rules, as lines; they are there at the end."""
        monitor = subprocess.Popen(
            ["nsenter", f"--target={self.machine.pid}", "--net", "ip", "-ts", "monitor", "address", "route", "rule"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

        def listens():
            with open(f"/proc/{monitor.pid}/net/netlink") as sockets:
                return re.search(rf"^\S+ +0 +{monitor.pid} +(?!0+ )", sockets.read(), re.M)
        lines = []
        try:
            wait_until(listens, "ip monitor is told of changes")
            yield lines
        finally:
            monitor.terminate()
            lines += monitor.communicate()[0].splitlines()

    def seconds_without(self, changes):
        """From the first time that something of the node's was taken away to the last time that it came back.  (What is
        networkd's own takes longer: the kernel looks for a second or two whether somebody else has its IPv6 address.)"""
        own = [line for line in changes if re.search(r"proto 119$| dev a |: a |(lookup|table) 5\d{8}", line)]
        moments = lambda lines: [datetime.datetime.fromisoformat(line[1:line.index("]")]) for line in lines]
        gone = moments(line for line in own if "] Deleted " in line)
        return (max(moments(line for line in own if "] Deleted " not in line)) - min(gone)).total_seconds()

    def test_what_it_takes_away_is_put_back_with_one_line_each(self):
        self.assertEqual(self.after("networkctl", "reconfigure", "a"), {"rule": 4, "route": 5, "address": 2})
        # Of another link: what has none.
        self.assertEqual(self.after("networkctl", "reconfigure", "eth0"), {"rule": 4, "route": 2, "address": 0})
        self.assertIn("ManageForeignRoutingPolicyRules=no", self.log("a"))
        self.assertIn("ManageForeignRoutes=no", self.log("a"))
        self.machine.systemctl("restart", "systemd-networkd")
        self.wait_for_answers()

    def test_told_to_it_leaves_rules_and_routes_alone(self):
        self.machine.write("/etc/systemd/networkd.conf.d/weft.conf",
                           "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n")
        self.machine.write("/etc/systemd/network/60-a.network", "[Match]\nName=a\n[Link]\nUnmanaged=yes\n")
        self.machine.systemctl("restart", "systemd-networkd")
        start = len(self.log("a"))
        for link in ("eth0", "a"):
            self.machine.run("networkctl", "reconfigure", link, check=False)
        time.sleep(2)
        self.assertEqual(self.lines_since(start), [])
        self.wait_for_answers()


load_tests = installed.load_tests


if __name__ == "__main__":
    support.main()
