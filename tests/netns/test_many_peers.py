#!/usr/bin/python3
"""Ten thousand peers from one file.  The figures are printed; the bounds are generous."""

import base64
import os
import re
import time

import harness

PEERS = 10_000


class ManyPeers(harness.NetnsTest):
    def test_ten_thousand_peers_are_up_small_idle_and_reachable(self):
        left, right = self.hosts()
        name, key = self.interface_name(), harness.genkey()
        beta = harness.Device(self, "wireguard-go", right)
        beta.configure(port=51822, addresses=["10.77.0.2/24"])
        beta.add_peer(harness.pubkey(key), ["10.77.0.1/32"])
        peers = [(base64.b64encode(os.urandom(32)).decode(), f"10.{1 + n // 256}.{n % 256}.0/24")
                 for n in range(PEERS - 1)]
        lines = [f"  - {{public_key: {public}, allowed_ips: [{network}]}}\n" for public, network in peers]
        lines.append(f"  - {{public_key: {beta.public_key}, allowed_ips: [10.77.0.2/32],"
                     " endpoint: '10.90.0.2:51822'}\n")
        file = self.text_file("many.yaml", f"interface:\n  name: {name}\n  private_key: {key}\n"
                              "  addresses: [10.77.0.1/24]\npeers:\n" + "".join(lines))

        alpha = harness.Device(self, "weftd", left, start=False)
        alpha.name = name
        self.stack.callback(alpha.remove_socket)
        start = time.monotonic()
        alpha.process = harness.Process(self, [harness.WEFTD, "--config", file], left)
        alpha.wait_ready(60)
        self.wait_for_ping(left, "10.77.0.2")
        up = time.monotonic() - start

        start = time.monotonic()
        listed = harness.run("wg", "show", name, "peers", timeout=60).stdout.split()
        shown = time.monotonic() - start
        self.assertEqual(len(listed), PEERS)

        status = open(f"/proc/{alpha.process.pid}/status").read()
        megabytes = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
        before = self.cpu(alpha.process.pid)
        time.sleep(2)
        idle = (self.cpu(alpha.process.pid) - before) / 2 * 100
        print(f"{PEERS} peers: up {up:.2f} s, wg show {shown:.2f} s, peak {megabytes:.0f} MB, idle {idle:.1f} %",
              flush=True)
        self.assertLess(up, 30)
        self.assertLess(shown, 10)
        self.assertLess(megabytes, 400)
        self.assertLess(idle, 10)

        self.assertEqual(alpha.process.terminate(30), 0)
        self.assertFalse(left.has_link(name))

    def cpu(self, pid):
        """Seconds of processor time."""
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    harness.main()
