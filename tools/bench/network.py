#!/usr/bin/python3
"""Measures what a network of weft takes to agree, five nodes in namespaces on one host.

  joined     seconds from the start of a sixth node, whose token is used before, until all ping it
  removed    seconds from the start of `weft network remove`, during a transfer of TCP from a member to the one that
             is removed, until no member has that one as a peer any more: its sessions have ended
  restarted  seconds from the start of a member, without any directory, until it pings the others by what it has kept
  agreed     seconds from the start of a directory that was away, while a member was restarted, until all are connected

  tools/bench/network.py -n 5 -o network.json

Each is measured -n times, in a network of its own.  The report is a table in Markdown: the median, and the lowest and
the highest.  The programs are those of tests/netns (WEFT_WEFTD, WEFT_WEFT).  Needs root.
"""

import argparse
import json
import os
import statistics
import sys
import time
import unittest

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../../tests/netns")
import harness  # noqa: E402
import nodes  # noqa: E402

NODES = 5
TITLES = {
    "joined": "a sixth node pings all",
    "removed": "a member that is removed during a transfer is dropped by all",
    "restarted": "a member started again without a directory pings all",
    "agreed": "all are connected to a directory that is back",
}
found = {name: [] for name in TITLES}


class Network(harness.NetnsTest):
    """One round."""

    def measure(self, name, condition, begin=None):
        begin = begin or time.monotonic()
        harness.wait_until(condition, TITLES[name], 120, pause=0.02)
        found[name].append(time.monotonic() - begin)

    def transfer(self, source, to):
        """Begins one, and returns once it is under way."""
        address = to.addresses[0]
        service = harness.Process(self, ["iperf3", "-s", "-1", "-B", address, "--forceflush"], to.home)
        harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        harness.Process(self, ["iperf3", "-c", address, "-t", "60"], source.home)
        harness.wait_until(lambda: any(peer["rx_bytes"] > 1_000_000 for peer in to.status()["peers"]), "a transfer")

    def test_round(self):
        network = nodes.Network(self)
        members = list(network.mesh(NODES))
        first, second = members[:2]
        for member in members:
            for other in members:
                if member is not other:
                    member.wait_for_ping(other)
        token = first.invite()
        sixth = network.add()
        sixth.join(token)
        sixth.launch()
        self.measure("joined", lambda: all(member.ping(sixth, wait=0.2) for member in members))

        self.transfer(second, sixth)
        begin = time.monotonic()
        first.network_command("remove", sixth.member)
        self.measure("removed", lambda: all(sixth.member not in member.peers() for member in members), begin)
        sixth.stop()
        network.members.remove(sixth)

        first.stop()
        second.stop()
        second.launch()
        self.measure("restarted", lambda: all(second.ping(other, wait=0.2) for other in members[2:]))
        first.launch()
        self.measure("agreed", lambda: all(member.is_connected() for member in members))


def report():
    lines = ["| | median, s | lowest | highest |", "|---|---|---|---|"]
    for name, title in TITLES.items():
        values = found[name]
        if values:
            lines.append(f"| {title} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", help="JSON of all that was measured, in seconds")
    given = parser.parse_args()
    os.environ.setdefault("WEFT_NETNS_DEADLINE", str(300 * given.rounds))
    harness.prepare()
    all_rounds = unittest.TestSuite(Network("test_round") for _ in range(given.rounds))
    done = unittest.TextTestRunner(stream=sys.stderr).run(all_rounds)
    if given.output:
        with open(given.output, "w") as file:
            json.dump(found, file, indent=2)
    print(report())
    return 0 if done.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
