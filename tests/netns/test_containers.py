#!/usr/bin/python3
"""Containers behind nodes: docs/containers.md, followed line by line on two hosts.

A block of the document says behind its language where it belongs: `sh host1`, `yaml host2` (the node's file), `sh both`,
`sh firewall` (for a host that drops what it forwards), `sh docker host1`.  Each host is a network namespace with folders
of its own in the place of /etc/weft and /run.  Of the lines these cannot be followed here: the unit is started as systemd
would, by its program, and of Docker there is no daemon.
"""

import contextlib
import errno
import os
import re
import subprocess

import harness

PAGE = f"{harness.ROOT}/docs/containers.md"
START_UNIT = "systemctl enable --now weft@weft0"


def blocks():
    """(language, places, text) of each block that says where it belongs."""
    with open(PAGE, encoding="utf-8") as page:
        for language, places, text in re.findall(r"^```(\w+) ([^\n]+)\n(.*?)^```$", page.read(), re.M | re.S):
            yield language, places.split(), text


class Host:
    """A host as the document has it: its namespaces last as long as the test."""

    def __init__(self, test, namespace, number):
        self.test, self.home, self.name = test, namespace, f"host{number}"
        self.node = None
        own = f"{test.folder}/{self.name}"
        os.makedirs(own)
        # Others see nothing of what is mounted: ip-netns(8) makes a namespace for it.
        script = (f"mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/weft /run/wireguard && mount --bind {own} "
                  "/etc/weft && echo ready && exec sleep infinity")
        self.keeper = harness.Process(test, ["sh", "-c", script], namespace)
        harness.wait_until(lambda: "ready" in self.keeper.output(), f"{self.name} has its folders")
        self.folder = own

    def command(self, *words):
        """What runs these words on the host."""
        place = os.path.dirname(os.path.abspath(harness.WEFT))
        return ["nsenter", "-t", str(self.keeper.pid), "-m", "-n", "env", f"PATH={place}:{os.environ['PATH']}", *words]

    def run(self, script, check=True):
        return harness.run(*self.command("bash", "-euo", "pipefail", "-c", script), check=check,
                           stderr=subprocess.STDOUT)

    def start_unit(self):
        self.node = harness.Process(self.test, self.command(os.path.abspath(harness.WEFTD), "--config",
                                                            "/etc/weft/weft0.yaml"))
        harness.wait_until(lambda: "is up" in self.node.output(), f"the node of {self.name} is up")

    def follow(self, text):
        """Line after line, each of which has to succeed."""
        before, unit, behind = text.partition(START_UNIT + "\n")
        for part in (before, behind):
            if part:
                self.run(part)
            if unit and part is before:
                self.start_unit()

    def public_key(self):
        return self.run("weft pubkey < /etc/weft/weft0.key").stdout.strip()


class Containers(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        with contextlib.suppress(FileExistsError):
            os.mkdir("/etc/weft")
            self.stack.callback(os.rmdir, "/etc/weft")
        left, right = self.namespace("l"), self.namespace("r")
        self.link(left, right, ["192.0.2.1/24"], ["192.0.2.2/24"])
        self.hosts = {"host1": Host(self, left, 1), "host2": Host(self, right, 2)}

    def write(self, host, text):
        for name, other in self.hosts.items():
            placeholder = f"PUBLIC KEY OF {name[:-1].upper()} {name[-1]}"
            if placeholder in text:
                text = text.replace(placeholder, other.public_key())
        self.text_file(f"{host.name}/weft0.yaml", text)

    def test_the_document_can_be_followed_line_by_line(self):
        firewall = None
        followed = 0
        for language, places, text in blocks():
            if places == ["firewall"]:
                firewall = text
            elif places[0] != "docker":
                names = list(self.hosts) if places == ["both"] else places
                for host in (self.hosts[name] for name in names):
                    if language == "yaml":
                        self.write(host, text)
                    else:
                        host.follow(text)
                    followed += 1
        self.assertEqual(followed, 2 * 3 + 2 + 4)  # so that none is overlooked
        first, second = self.hosts.values()
        self.assertIn("host1 answers, and nothing is wrong", second.run("weft explain host1").stdout)
        self.a_firewall_lets_containers_pass(first, firewall)
        self.large_streams_pass(first, second)
        self.nobody_is_told_at_once(first)

    def a_firewall_lets_containers_pass(self, host, rules):
        call = "ip netns exec box ping -c 1 -W 1 10.201.2.10"
        host.run("nft add table inet filter\n"
                 "nft add chain inet filter forward '{ type filter hook forward priority 0; policy drop; }'\n")
        self.assertNotEqual(host.run(call, check=False).returncode, 0)
        host.run(rules)
        host.run("ip netns exec box ping -c 3 -w 30 10.201.2.10")

    def large_streams_pass(self, first, second):
        size = 5_000_000
        listener = harness.Process(self, second.command(
            "ip", "netns", "exec", "box", "python3", "-c",
            "import socket\nserver = socket.create_server(('', 8000))\nprint('listens', flush=True)\n"
            "connection, address = server.accept()\nsize = 0\nwhile part := connection.recv(1 << 16):\n"
            "    size += len(part)\nprint(address[0], size, flush=True)\n"))
        harness.wait_until(lambda: "listens" in listener.output(), "the container listens")
        first.run("ip netns exec box python3 -c \"import socket; "
                  f"socket.create_connection(('10.201.2.10', 8000)).sendall(bytes({size}))\"")
        self.assertEqual(listener.wait(), 0)
        self.assertIn(f"10.201.1.10 {size}\n", listener.output())

    def nobody_is_told_at_once(self, host):
        """An address that no peer has: ICMP says so."""
        said = host.run("ip netns exec box python3 -c \"import socket\ntry:\n"
                        "    socket.create_connection(('10.201.77.1', 80), 60)\nexcept OSError as error:\n"
                        "    print(error.errno)\"").stdout
        self.assertEqual(said.strip(), str(errno.EHOSTUNREACH))


if __name__ == "__main__":
    harness.main()
