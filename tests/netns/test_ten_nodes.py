#!/usr/bin/python3
"""Ten nodes that one program steers over TLS."""

import os
import signal

import harness


class TenNodes(harness.NetnsTest):
    """Ten nodes on one switch, and a controller that gives each all others for peers."""

    NODES = 10

    def test_a_node_that_is_killed_is_noticed_and_comes_back_by_itself(self):
        switch = self.namespace("s")
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("link", "set", "br0", "up")
        desk = self.namespace("c")
        hosts = [self.namespace(f"n{i}") for i in range(self.NODES)]
        for i, host in enumerate([desk, *hosts], 1):
            self.link(switch, host, [], [f"10.95.0.{i}/24"], name=f"p{i}", peer_name="net0")
            switch.ip("link", "set", f"p{i}", "master", "br0")
        pki = f"{self.folder}/pki"
        harness.run(harness.WEFT, "pki", "init", "--folder", pki)
        harness.run(harness.WEFT, "pki", "issue", "controller", "--role", "operator", "--folder", pki)
        listing, daemons, names = [], [], []
        for i, host in enumerate(hosts, 2):
            name = self.interface_name()
            names.append(name)
            harness.run(harness.WEFT, "pki", "issue", f"node{i}", "--role", "node", "--host", f"10.95.0.{i}",
                        "--folder", pki)
            self.text_file(f"{name}.key", harness.genkey() + "\n")
            self.text_file(f"{name}.yaml", f"""interface:
  name: {name}
  private_key_file: {name}.key
  listen: "[::]:51820"
  addresses: [10.200.0.{i}/24]
control: {{socket_folder: {self.folder}, listen: "10.95.0.{i}:7447", certificate: pki/node{i}.pem,
          key: pki/node{i}.key, ca: pki/ca.pem}}
""")
            daemons.append(self.daemon(host, name))
            listing.append(f"node{i} 10.95.0.{i}:7447 10.95.0.{i}:51820 10.200.0.{i}/32\n")
        nodes = self.text_file("nodes", "".join(listing) + "end\n")
        controller = harness.Process(
            self, ["sh", "-c", f"(cat {nodes}; exec sleep 1000) | exec {os.environ['WEFT_CONTROLLER']} "
                   f"{pki}/controller.pem {pki}/controller.key {pki}/ca.pem"], desk)
        for i in range(2, self.NODES + 2):
            harness.wait_until(lambda: f"node{i}: connected as operator" in controller.output(), f"node{i} is connected")
        last = self.NODES + 1
        for i in range(3, last):
            self.wait_for_ping(hosts[0], f"10.200.0.{i}")
        for host in hosts[:-1]:
            self.wait_for_ping(host, f"10.200.0.{last}")
        # The last one is killed: the controller loses it within seconds, the others after 180 s.
        daemons[-1].kill()
        harness.wait_until(lambda: f"node{last}: not connected" in controller.output(), "the loss is noticed")
        for i in range(2, last):
            harness.wait_until(lambda: f"node{i}: peer_down node{last}" in controller.output(),
                               f"node{i} notices", 250)
        before = controller.output().count(f"node{last}: connected as operator")
        daemons[-1] = self.daemon(hosts[-1], names[-1])
        harness.wait_until(lambda: controller.output().count(f"node{last}: connected as operator") > before,
                           "it is connected again")
        for host in hosts[:-1]:
            self.wait_for_ping(host, f"10.200.0.{last}")
        controller.signal(signal.SIGTERM)

    def daemon(self, host, name):
        process = harness.Process(self, [harness.WEFTD, "--config", f"{self.folder}/{name}.yaml"], host)
        harness.wait_until(lambda: "is up" in process.output(), f"{name} starts")
        return process


if __name__ == "__main__":
    harness.main()
