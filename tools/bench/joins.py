#!/usr/bin/python3
"""Measures how many nodes can join a network in a minute, by one directory node over a file and over etcd.

The directory node with its issuer, a member that looks on, --hosts from which others join and, with etcd, its three
nodes are hosts (namespaces) of one machine.  The nodes that join are threads of a program (tools/bench/joining/), so
many at a time in all; they ask as `weft network join` does, with TLS and all proofs, but have no disk, and do not start
afterwards.  A directory takes 40 new connections a second of one address: of one host more than 2,400 a minute wait.

  joins a minute     all joins by the time that they took together
  a join             from the connection until its certificate is there and was looked at
  known              from the last join until the member has all of them as peers
  CPU                of each program, the whole time until then, for 1,000 joins

  tools/bench/joins.py -n 1000 --hosts 8 --at-once 8 -o joins.json

The report is a table in Markdown.  The programs are those of tests/netns (WEFT_WEFTD, WEFT_WEFT) and weft_join_storm
of $WEFT_BUILD.  Needs root, and etcd-server for the second half.
"""

import argparse
import concurrent.futures
import json
import os
import statistics
import sys
import time
import unittest

import lab

sys.path.insert(0, f"{lab.ROOT}/tests/netns")
import directories  # noqa: E402
import etcd  # noqa: E402
import harness  # noqa: E402
import nodes  # noqa: E402

given = None  # the command line
found = {}  # store: what was measured
COLUMNS = ("store", "joins a minute", "a join, half are below, ms", "99 %", "slowest", "known, s", "CPU for 1,000 joins, s:"
           " node with directory", "issuer", "etcd, all three", "the other member", "those who join")


class Joins(directories.OverEtcd):
    def issuer(self):
        """Its processes, on the host of the directory."""
        def is_one(pid):
            with open(f"/proc/{pid}/comm") as file:
                return file.read().strip() == "weft-issuer"
        return list(filter(is_one, self.network.members[0].home.processes()))

    def join_from(self, host, count, token):
        result = host.run(lab.program("weft_join_storm"), count, "--at-once", at_once_of_each(),
                          input=token + "\n", check=False, timeout=600)
        self.assertTrue(result.stdout, result.stderr)
        return json.loads(result.stdout)

    def join_all(self, token):
        """From all hosts at once; what came of it in all."""
        hosts = [self.network.host(100 + number) for number in range(given.hosts)]
        counts = [given.count // given.hosts + (number < given.count % given.hosts) for number in range(given.hosts)]
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(given.hosts) as threads:
            reports = list(threads.map(lambda each: self.join_from(*each, token), zip(hosts, counts)))
        whole = {"seconds": time.monotonic() - begin}
        for name in ("seconds_of_each", "failures", "names", "prefixes"):
            whole[name] = [value for report in reports for value in report[name]]
        return whole

    def measure(self, store, databases=()):
        first, second = self.network.members
        programs = {"node": [first.process.pid], "issuer": self.issuer(), "etcd": [each.pid for each in databases],
                    "member": [second.process.pid]}
        token = first.invite("--uses", given.count)
        before = {name: sum(map(nodes.processor_seconds, pids)) for name, pids in programs.items()}
        own = os.times()
        report = self.join_all(token)
        spent, begin = os.times(), time.monotonic()
        joined = len(report["names"])
        harness.wait_until(lambda: len(second.peers()) == joined + 1,
                           "the other member has all as peers", 120, pause=0.2)
        report["known_s"] = time.monotonic() - begin
        report["cpu"] = {name: sum(map(nodes.processor_seconds, pids)) - before[name]
                         for name, pids in programs.items()}
        report["cpu"]["guests"] = (spent.children_user + spent.children_system
                                   - own.children_user - own.children_system)
        found[store] = report
        self.assertEqual((report["failures"], joined), ([], given.count))
        for what in ("names", "prefixes"):
            self.assertEqual(len(set(report[what])), len(report[what]), "nothing was given twice")

    def test_file(self):
        self.network.mesh(2)
        self.measure("SQLite")

    def test_etcd(self):
        first = self.network.mesh(2)[0]
        cluster = etcd.Cluster(self.network)
        self.move_to_etcd(first, cluster)
        self.network.wait_for_all()
        harness.wait_until(lambda: self.network.members[1].is_connected(), "the other member is connected", 60, pause=0.2)
        self.measure("etcd", cluster.processes)


def at_once_of_each():
    return max(1, given.at_once // given.hosts)


def row(store, report):
    times = sorted(report["seconds_of_each"])
    thousands = len(times) / 1000
    cpu = report["cpu"]
    return [store, lab.short(60 * len(times) / report["seconds"]), lab.short(1000 * statistics.median(times)),
            lab.short(1000 * times[len(times) * 99 // 100]), lab.short(1000 * times[-1]), lab.short(report["known_s"]),
            *(lab.short(cpu[name] / thousands) if name != "etcd" or store == "etcd" else "-"
              for name in ("node", "issuer", "etcd", "member", "guests"))]


def main():
    global given
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--count", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=8, help="from which they join")
    parser.add_argument("--at-once", type=int, default=8, help="so many, of all hosts")
    parser.add_argument("--store", choices=("file", "etcd"), help="only over this one")
    parser.add_argument("-o", "--output", help="JSON of all that was measured, in seconds")
    given = parser.parse_args()
    os.environ.setdefault("WEFT_NETNS_DEADLINE", "1200")
    machine = lab.machine()
    harness.prepare()
    stores = [given.store] if given.store else ["file", "etcd"]
    if "etcd" in stores and not etcd.is_there():
        lab.say("etcd is not there (package etcd-server): not measured")
        stores.remove("etcd")
    done = unittest.TextTestRunner(stream=sys.stderr).run(unittest.TestSuite(Joins(f"test_{each}") for each in stores))
    if given.output:
        lab.write_json(given.output, {"machine": machine, "hosts": given.hosts, "at_once": given.at_once, "results": found})
    print("\n".join(lab.markdown_table(COLUMNS, [row(*each) for each in found.items() if each[1]["seconds_of_each"]])))
    print(f"\n{given.count} joins from {given.hosts} hosts, {given.hosts * at_once_of_each()} at a time; {lab.machine_line(machine)}")
    return 0 if stores and done.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
