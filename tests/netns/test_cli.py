#!/usr/bin/python3
"""The command line as an operator has it: on a terminal, in a pipe, and with mistakes."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

import harness
import nodes


class Terminal:
    """A program on a terminal of its own, in a namespace."""

    def __init__(self, test, namespace, *argv, rows=24, columns=80):
        self.test = test
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(["ip", "netns", "exec", namespace.name, *argv], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)
        os.close(slave)
        test.stack.callback(self.close)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """What comes within this time; less, if the program ends."""
        text, deadline = b"", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                text += os.read(self.master, 65536)
            except OSError:  # it has ended
                break
        return text.decode(errors="replace")

    def shows(self, *words):
        """Waits for a screen with all of these."""
        seen = ""

        def complete():
            nonlocal seen
            seen = (seen + self.read(0.2))[-20000:]
            screen = seen.rpartition("\x1b[H")[2]
            return all(word in screen for word in words) and screen
        return harness.wait_until(complete, f"the screen shows {words}")

    def output(self):
        """All that it prints until it ends."""
        text = ""
        while self.process.poll() is None:
            text += self.read(0.2)
        return text + self.read(0.2)


class CommandLine(harness.NetnsTest):
    def lonely_node(self, peers=1, **settings):
        """A node whose peers do not exist: the first one has an endpoint."""
        node = nodes.Node(self, self.hosts()[0], 1)
        for number in range(peers):
            peer = {"public_key": harness.pubkey(harness.genkey()), "allowed_ips": [f"10.200.{number + 2}.0/24"],
                    "name": f"customer-network-{number:02}-gateway"}
            if number == 0:
                peer["endpoint"] = "10.90.0.2:51820"
            node.peers.append(peer)
        node.write(**settings)
        return node.start()

    def test_status_tells_at_once_who_is_not_well(self):
        node = self.lonely_node()
        node.home.ping("10.200.2.1", 1, wait=0.2)
        harness.wait_until(lambda: node.status()["peers"][0]["tries"] > 0, "it has tried")
        text = node.weft("status")
        for part in ("link up, 0 of 1 peer up, running for ", "version ", "addresses   10.200.1.1/24, fd00:200:1::1/64",
                     "routes      10.200.0.0/16, fd00:200::/32", "state   connecting for "):
            self.assertIn(part, text)
        status = node.status()
        self.assertEqual(status["link"], "up")
        self.assertEqual(status["routes"], ["10.200.0.0/16", "fd00:200::/32"])
        self.assertEqual(status["peers"][0]["state"], "connecting")
        node.home.ip("link", "set", node.name, "down")
        harness.wait_until(lambda: node.status()["link"] == "down", "the link is down")
        self.assertIn("link down", node.weft("status"))

    def test_a_pipe_gets_everything_and_a_terminal_lines_that_fit(self):
        node = self.lonely_node(3)
        long = "[2001:db8:1111:2222:3333:4444:5555:6666]:51820"
        node.weft("peer", "set", node.peers[1]["name"], "--endpoint", long)
        piped = node.weft("peers")
        self.assertIn(long, piped)
        self.assertIn(node.peers[2]["name"], piped)
        lines = Terminal(self, node.home, harness.WEFT, "peers", "-i", node.name).output().splitlines()
        rows = [line for line in lines if not line.startswith(" ")]  # troubles are below their peers
        self.assertEqual(len(rows), 4)
        for column in ("STATE", "ENDPOINT"):  # what there is no room for is left out
            self.assertIn(column, rows[0])
        self.assertTrue(all(len(line) <= 80 for line in lines), lines)
        self.assertEqual(len({line.split()[0] for line in rows}), 4, "no two names look alike")

    def test_top_scrolls_sorts_and_filters_fifty_peers_on_24_lines(self):
        node = self.lonely_node(50)
        top = Terminal(self, node.home, harness.WEFT, "top", "-i", node.name, "--interval", "0.2")
        top.shows("1-18 of 50 peers; ? for help", "00-gateway", "17-gateway")
        top.type("j")
        top.shows("2-19 of 50 peers")
        top.type("\x1b[F")
        top.shows("33-50 of 50 peers", "49-gateway")
        top.type("/network-4\n")
        screen = top.shows("only 'network-4'", "40-gateway")
        self.assertNotIn("30-gateway", screen)
        top.type("\x1bs")
        top.shows("by state", "1-18 of 50")
        top.type("?")
        top.shows("this help, and back")
        top.type("?")
        top.shows("PEER")
        top.type("q")
        harness.wait_until(lambda: top.read(0.1) is not None and top.process.poll() is not None, "top ends")
        self.assertEqual(top.process.returncode, 0)

    def test_a_peer_without_a_name_is_called_by_what_is_shown(self):
        node = self.lonely_node()
        key = harness.pubkey(harness.genkey())
        added = node.weft("peer", "add", key, "--allowed-ips", "10.200.99.0/24", "--persistent-keepalive", "off")
        self.assertEqual(added, "1 peer added\n")
        shown = next(line.split()[0] for line in node.weft("peers").splitlines() if line.startswith(key[:8]))
        self.assertEqual(shown, key[:8] + "...")
        node.weft("peer", "set", shown, "--keepalive", "25s")
        self.assertEqual(node.status()["peers"][-1]["persistent_keepalive"], 25)
        node.weft("peer", "remove", shown)
        self.assertEqual(len(node.status()["peers"]), 1)

    def test_who_asks_for_allowed_ips_without_a_route_is_told(self):
        node = self.lonely_node()
        key = harness.pubkey(harness.genkey())
        told = json.loads(node.weft("peer", "add", key, "--allowed-ip", "172.16.9.0/24", "--json"))
        self.assertEqual(told["peers_added"], 1)
        self.assertEqual(told["notes"],
                         ["no route leads to 172.16.9.0/24: add it to interface.cluster_networks"])
        self.assertIn("no route leads to fd99::/64", node.weft("allow", "add", key, "fd99::/64"))

    def test_one_cause_has_one_exit_code(self):
        node = self.lonely_node()
        key = harness.pubkey(harness.genkey())
        self.assertIn("name", node.weft("peer", "add", key, "--name", node.peers[0]["name"], code=2))
        for command in (("status", node.name), ("peers", node.name), ("watch", node.name)):
            result = node.home.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", harness.WEFT,
                                   *command, check=False)
            self.assertEqual(result.returncode, 4, f"{command}: {result.stderr}")
        for command in (("peers", node.name), ("status", "-i", node.name), ("-i", node.name, "status"),
                        ("--json", "peers", node.name)):
            node.home.run(harness.WEFT, *command)

    def test_check_warns_and_is_strict_if_told(self):
        node = self.lonely_node()
        self.assertEqual(harness.run(harness.WEFT, "check", "--strict", node.file).stderr, "")
        node.peers[0]["allowed_ips"].append("172.16.0.0/12")
        node.write()
        checked = harness.run(harness.WEFT, "check", node.file)
        self.assertRegex(checked.stderr, rf"^{node.file}:2:\d+: warning: peers\[0\].allowed_ips\[1\]: no route leads")
        for program in ((harness.WEFT, "check", node.file), (harness.WEFTD, "--config", node.file, "--check")):
            strict = harness.run(*program, "--strict", check=False)
            self.assertEqual(strict.returncode, 2)
            self.assertIn("no route leads to 172.16.0.0/12", strict.stderr)


if __name__ == "__main__":
    harness.main()
