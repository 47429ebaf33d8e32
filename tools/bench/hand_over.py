#!/usr/bin/python3
"""Measures hand-overs (weftd --replace) of a node with more and more peers, each of which has a session.

For each number of peers, in two network namespaces that a veth pair joins:
  hand-over seconds from the successor's start until it says that it goes on
  gap       longest time between two answers to pings that go through the node, 500 in a second, to one of the peers:
            median, lowest and highest of the hand-overs
  lost      pings without an answer
  memory    of the node before, and of both processes together at their highest, without programs and libraries, which
            they share

  tools/bench/hand_over.py -n 1 100 1000 10000 -o hand-over.json

The report is a table in Markdown. Needs root.
"""

import argparse
import contextlib
import os
import re
import statistics
import sys
import threading
import time

import lab
import peers_scale

COLUMNS = (
    ("took_s", "hand-over, s"),
    ("gap_ms", "gap, ms"),
    ("lost", "lost"),
    ("memory_mb", "memory before, MB"),
    ("highest_mb", "memory of both, MB"),
)


class Memory:
    """Samples what processes take together, by counters: who has each page looked at holds them up."""

    def __init__(self, *processes):
        self.pids = [process.pid for process in processes]
        self.highest = 0.0
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    @staticmethod
    def of(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/status") as file:
                return sum(int(size) for size in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", file.read(), re.M)) / 1024
        return 0.0

    def sample(self):
        while not self.ends.is_set():
            self.highest = max(self.highest, sum(self.of(pid) for pid in self.pids))
            time.sleep(0.003)

    def end(self):
        self.ends.set()
        self.thread.join()
        return self.highest


class Node:
    """The node that is replaced again and again."""

    def __init__(self, place, yaml):
        self.place = place
        self.name = lab.interface_name("a")
        place.stack.callback(lab.remove_socket, self.name)
        self.file = place.text_file("yaml", yaml.replace("name: NAME", f"name: {self.name}"))
        self.process = self.start("is up", "--config", self.file)

    def start(self, line, *words):
        # A service would not be replaced.
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("NOTIFY_SOCKET", "SYSTEMD_EXEC_PID")}
        process = self.place.left.start(lab.program("weftd"), *words, env=environment)
        self.memory = Memory(*([self.process, process] if hasattr(self, "process") else [process]))
        try:
            lab.wait_until(lambda: line in process.output() or not process.running, f"weftd says that it {line}", 120)
        finally:
            self.highest = self.memory.end()
        if not process.running:
            raise RuntimeError(f"weftd ended:\n{process.output()}")
        return process

    def replace(self):
        """Seconds that it took."""
        begin = time.monotonic()
        self.process = self.start("goes on in this process", "--replace", self.name, "--config", self.file)
        return time.monotonic() - begin


def answers(ping):
    """Times of the answers, and how many have not come."""
    ping.interrupt()
    text = ping.output()
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
    return [float(when) for when in re.findall(r"^\[([0-9.]+)\]", text, re.MULTILINE)], sent - received


def measure(count, rounds):
    with lab.Lab() as place:
        peers_scale.give_clients_addresses(place)
        storm = lab.program("weft_handshake_storm")
        keys = peers_scale.Keys(place, storm, count)
        private, server_key = lab.key_pair()
        yaml = peers_scale.server_yaml(private, keys.public).replace("level: warn", "level: info")
        node = Node(place, yaml)
        report = peers_scale.shake_hands(place, storm, keys, server_key, 0)
        if report["answered"] != count:
            raise RuntimeError(f"{report['answered']} of {count} peers have a session")
        peers_scale.Daemon(place, place.right, "b", peers_scale.last_peer_yaml(keys.last_private, server_key))
        lab.wait_until(lambda: place.right.run("ping", "-n", "-c", 1, "-W", 1, peers_scale.TUNNEL[0],
                                               check=False).returncode == 0, "ping to the node", 20)
        figures = {"memory_mb": Memory.of(node.process.pid), "seconds": [], "gaps_ms": [], "lost": 0, "highest_mb": 0.0}
        for _ in range(rounds):
            ping = place.left.start("ping", "-n", "-D", "-i", "0.002", "-W", "10", peers_scale.TUNNEL[1])
            lab.wait_until(lambda: "time=" in ping.output(), "answers to pings", 20)
            figures["seconds"].append(node.replace())
            figures["highest_mb"] = max(figures["highest_mb"], node.highest)
            time.sleep(0.5)
            times, lost = answers(ping)
            figures["gaps_ms"].append(1000 * max(after - before for before, after in zip(times, times[1:])))
            figures["lost"] += lost
        figures["took_s"] = statistics.median(figures["seconds"])
        return figures


def table(results):
    rows = []
    for count, figures in results.items():
        figures = {**figures, "gap_ms": lab.spread(figures["gaps_ms"])}
        rows.append([f"{count:,}", *(peers_scale.cell_of(figures.get(key)) for key, _ in COLUMNS)])
    return lab.markdown_table(["peers", *(title for _, title in COLUMNS)], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--numbers", type=int, nargs="+", default=[1, 100, 1000, 10000])
    parser.add_argument("-r", "--rounds", type=int, default=5, help="hand-overs of each")
    parser.add_argument("-o", "--json", help="file for every value")
    arguments = parser.parse_args()
    facts, results = lab.machine(), {}
    for count in arguments.numbers:
        results[count] = measure(count, arguments.rounds)
        lab.say(f"{count} peers: gap {lab.spread(results[count]['gaps_ms'])} ms")
    print(lab.machine_line(facts) + "\n")
    print("\n".join(table(results)))
    if arguments.json:
        lab.write_json(arguments.json, {"machine": facts, "results": results})


if __name__ == "__main__":
    sys.exit(main())
