#!/usr/bin/python3
"""docs/full-tunnel.md, followed line by line.

`systemctl` of the document starts and stops weftd here; tests/packaging has the unit.
"""

import re
import shlex

import capture
import gateway
import harness
import nodes

DOCUMENT = f"{harness.ROOT}/docs/full-tunnel.md"


class Machine:
    """A host that does what the document says."""

    def __init__(self, test, namespace, number):
        self.test, self.home = test, namespace
        self.node = nodes.Node(test, namespace, number)
        self.words = {"weft0": self.node.name, "/etc/weft/": f"{test.folder}/"}
        self.text = ""

    def translate(self, text):
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text

    def write(self, text, section):
        """The whole file, or more lines of a section's last entry."""
        if section is None:
            self.text = text
        elif section == "interface":
            self.text = self.text.replace("peers:\n", f"{text}peers:\n")
        else:
            self.text += text
        self.test.text_file(f"{self.node.name}.yaml", self.translate(self.text))

    def start(self):
        self.node.process = harness.Process(self.test, [harness.WEFTD, "--config", self.node.file], self.home)
        self.node.wait_ready()

    def do(self, line):
        words = shlex.split(self.translate(line))
        if words[0] == "systemctl":
            if words[1] in ("disable", "restart"):
                self.node.process.terminate()
            if words[1] in ("enable", "restart"):
                self.start()
            return
        if words[0] == "ping":  # the first may come before the handshake
            self.test.wait_for_ping(self.home, words[-1])
            return
        if words[0] == "weft":
            words[0] = harness.WEFT
        self.home.run(*words)


class FullTunnel(harness.NetnsTest):
    def test_the_document_leads_to_a_full_tunnel_with_a_lock_and_out_again(self):
        host, outside = (self.namespace(label) for label in "he")
        router = gateway.open_gateway(self, "r")
        gateway.put_behind(self, router, host, "10.90.1.{}", "fd90:1::{}", own=2, gate=1, link="eth0", gate_link="in0")
        gateway.put_behind(self, router, outside, "192.0.2.{}", "2001:db8::{}", own=1, gate=254, link="eth0",
                           gate_link="out0")
        router.add_address("198.51.100.7/32", "lo")  # somebody on the Internet
        harness.wait_until(lambda: gateway.is_settled(host), "the link has all its addresses")
        before = self.state(host)
        machines = {"exit": Machine(self, outside, 1), "host": Machine(self, host, 2)}
        for machine in machines.values():
            machine.words |= {f"KEY_OF_{name.upper()}": other.node.public_key for name, other in machines.items()}
        seen = capture.Capture(self, router, "in0")
        with open(DOCUMENT) as file:
            blocks = re.findall(r"```(sh|yaml) (\w+) ?(\w+)?\n(.*?)```", file.read(), re.DOTALL)
        self.assertGreater(len(blocks), 8)
        confined = False
        for language, name, section, text in blocks:
            machine = machines[name]
            if language == "yaml":
                machine.write(text, section or None)
                confined = "default_route" in machine.text  # and later by the lock
                continue
            for line in text.splitlines():
                machine.do(line)
                if name == "host" and confined and "unlock" not in text:
                    own = machine.node.log().rpartition("UDP port ")[2].split(",")[0]
                    self.assertEqual(seen.leaks(int(own)), [], line)
                else:
                    seen.packets()
        self.assertEqual(self.state(host), before, "nothing is left")

    @staticmethod
    def state(host):
        return [host.run("nft", "-s", "list", "ruleset").stdout,
                *(host.ip(*words).stdout for words in (("rule",), ("-6", "rule"), ("route", "show", "table", "all"),
                                                       ("-6", "route", "show", "table", "all")))]


if __name__ == "__main__":
    harness.main()
