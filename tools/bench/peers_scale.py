#!/usr/bin/python3
"""Measures one weftd with more and more peers: until it works, what they cost, and what happens when all ask at once.

For each number of peers, in two network namespaces that a veth pair joins:
  configured   seconds from the start of weftd to the notification that it is ready, with all peers from YAML
  wg show      seconds that `wg show NAME dump` takes
  memory       resident memory, and its difference to one peer, a peer: configured, and with a session each
  TCP          throughput of one flow to the last of the peers, a weftd on the other side: median, lowest and highest of
               the rounds, in which the numbers of peers take turns
  idle         CPU while nothing happens
  storm        every peer sends an initiation in the same moment, each from an address of its own; who gets no answer
               asks again after 5 s, as the protocol demands, and who gets a cookie uses it
  in turn      handshakes a second with 32 peers asking at a time, below what weftd takes for load

  tools/bench/peers_scale.py -n 1 10 100 1000 10000 -o peers.json

The report is a table in Markdown. Needs root.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import sys
import time

import lab

TUNNEL = ("10.77.0.1", "10.77.0.2")
PORT = 51821
CLIENTS = "10.64.0.0/12"  # where the clients of the storm live
FIRST_CLIENT = "10.64.0.1"
IN_TURN = 32
FEWEST_FOR_MEMORY = 100  # fewer peers weigh less than two runs differ

# key, title
COLUMNS = (
    ("configured_s", "configured, s"),
    ("wg_show_s", "wg show, s"),
    ("memory_mb", "memory, MB"),
    ("peer_kb", "a peer, KB"),
    ("session_peer_kb", "a peer with a session, KB"),
    ("tcp", "TCP, Gbit/s"),
    ("idle_percent", "idle CPU, %"),
    ("storm_half_s", "storm: half done, s"),
    ("storm_all_s", "storm: all done, s"),
    ("storm_answered", "storm: done"),
    ("in_turn_per_s", "in turn, handshakes/s"),
)


class Keys:
    """Key pairs; the last one is the real peer's as long as it runs."""

    def __init__(self, place, storm_program, count):
        text = lab.run(storm_program, "keys", count).stdout
        self.file = place.text_file("keys", text)
        self.pairs = [line.split() for line in text.splitlines()]

    @property
    def public(self):
        return [public for _, public in self.pairs]

    @property
    def last_private(self):
        return self.pairs[-1][0]


class Daemon:
    """A weftd that runs from a YAML file."""

    def __init__(self, place, host, end, yaml):
        self.name = lab.interface_name(end)
        file = place.text_file("yaml", yaml.replace("name: NAME", f"name: {self.name}"))
        path = place.new_file("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(120)
            place.stack.callback(lab.remove_socket, self.name)
            start = time.monotonic()
            self.process = host.start(lab.program("weftd"), "--config", file,
                                      env={**os.environ, "NOTIFY_SOCKET": path})
            try:
                notify.recv(256)
            except TimeoutError:
                raise RuntimeError(f"weftd is not ready:\n{self.process.output()}") from None
            self.seconds = time.monotonic() - start


def server_yaml(private, public_keys):
    """The node with all peers. Each has a prefix; that of the last one is its tunnel address."""
    lines = [f"interface:\n  name: NAME\n  private_key: {private}\n  listen: {lab.CABLE[0]}:{PORT}\n"
             f"  addresses: [{TUNNEL[0]}/24]\nlog: {{level: warn}}\npeers:\n"]
    for number, key in enumerate(public_keys[:-1]):
        prefix = f"10.{128 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}/32"
        lines.append(f"  - {{public_key: {key}, allowed_ips: [{prefix}]}}\n")
    lines.append(f"  - {{public_key: {public_keys[-1]}, allowed_ips: [{TUNNEL[1]}/32]}}\n")
    return "".join(lines)


def last_peer_yaml(private, server_key):
    return (f"interface:\n  name: NAME\n  private_key: {private}\n  listen: {lab.CABLE[1]}:{PORT}\n"
            f"  addresses: [{TUNNEL[1]}/24]\nlog: {{level: warn}}\npeers:\n"
            f"  - {{public_key: {server_key}, endpoint: '{lab.CABLE[0]}:{PORT}', allowed_ips: [{TUNNEL[0]}/32]}}\n")


def measure_show(server, count):
    times = []
    for _ in range(3):
        start = time.monotonic()
        lines = lab.run("wg", "show", server.name, "dump").stdout.splitlines()
        times.append(time.monotonic() - start)
        if len(lines) != count + 1:
            raise RuntimeError(f"wg show: {len(lines) - 1} peers instead of {count}")
    return statistics.median(times)


def measure_idle(server, seconds):
    before = server.process.cpu_seconds()
    time.sleep(seconds)
    return (server.process.cpu_seconds() - before) / seconds * 100


def measure_tcp(place, private, server_key, seconds):
    """From the last peer's side, and then it is gone: the storm asks in its name."""
    peer = Daemon(place, place.right, "b", last_peer_yaml(private, server_key))
    lab.wait_until(lambda: place.right.run("ping", "-n", "-c", 1, "-W", 1, TUNNEL[0], check=False).returncode == 0,
                   "ping to the node", 20)
    listener = lab.iperf_server(place.right, TUNNEL[1])
    try:
        end = lab.iperf(place.left, TUNNEL[1], seconds)
    finally:
        listener.stop()
        peer.process.stop()
    return end["sum_received"]["bits_per_second"] / 1e9


def shake_hands(place, storm_program, keys, server_key, window):
    report = place.right.run(storm_program, "run", keys.file, f"{lab.CABLE[0]}:{PORT}", server_key,
                             "--first-source", FIRST_CLIENT, "--window", window, timeout=180)
    report = json.loads(report.stdout)
    if report["verified"] != report["answered"]:
        raise RuntimeError(f"responses that end no handshake: {report}")
    return report


def give_clients_addresses(place):
    """The right host takes a whole prefix for its own, and the left one finds it there."""
    place.right.ip("route", "add", "local", CLIENTS, "dev", "lo")
    place.left.ip("route", "add", CLIENTS, "via", lab.CABLE[1])


@contextlib.contextmanager
def node(count):
    """A weftd with so many peers: its place, their keys, its own public key, and itself."""
    with lab.Lab() as place:
        give_clients_addresses(place)
        keys = Keys(place, lab.program("weft_handshake_storm"), count)
        private, server_key = lab.key_pair()
        yield place, keys, server_key, Daemon(place, place.left, "a", server_yaml(private, keys.public))


def measure_only_tcp(count, seconds):
    with node(count) as (place, keys, server_key, _):
        return measure_tcp(place, keys.last_private, server_key, seconds)


def measure(count, seconds):
    storm_program = lab.program("weft_handshake_storm")
    with node(count) as (place, keys, server_key, server):
        figures = {"configured_s": server.seconds, "memory_mb": server.process.memory_mb(),
                   "idle_percent": measure_idle(server, 2), "wg_show_s": measure_show(server, count),
                   "tcp_gbps": [measure_tcp(place, keys.last_private, server_key, seconds)]}
        before = server.process.memory_mb()
        storm = shake_hands(place, storm_program, keys, server_key, 0)
        figures.update(storm=storm, storm_half_s=storm.get("seconds_p50"), storm_all_s=storm.get("seconds_all"),
                       storm_answered=storm["answered"], session_mb=server.process.memory_mb() - before)
        time.sleep(1.5)  # until load is over
        in_turn = shake_hands(place, storm_program, keys, server_key, IN_TURN)
        figures.update(in_turn=in_turn, in_turn_per_s=in_turn.get("per_second"))
        return figures


def add_memory_per_peer(results):
    """Compared with one peer, whose process is all the program's own."""
    base = results.get(1, {}).get("memory_mb")
    for count, figures in results.items():
        if base is not None and count >= FEWEST_FOR_MEMORY:
            each = (figures["memory_mb"] - base) * 1024 / (count - 1)
            figures["peer_kb"] = each
            figures["session_peer_kb"] = each + figures["session_mb"] * 1024 / count


def cell_of(value):
    if value is None:
        return "-"
    return value if isinstance(value, str) else lab.short(value)


def table(results):
    rows = []
    for count, figures in results.items():
        figures = {**figures, "tcp": lab.spread(figures["tcp_gbps"])}
        cells = [figures.get(key) for key, _ in COLUMNS]
        rows.append([f"{count:,}", *(cell_of(value) for value in cells)])
    return lab.markdown_table(["peers", *(title for _, title in COLUMNS)], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--numbers", type=int, nargs="+", default=[1, 10, 100, 1000, 10000])
    parser.add_argument("-r", "--rounds", type=int, default=5, help="of the transfer")
    parser.add_argument("-t", "--seconds", type=int, default=5, help="length of the transfer")
    parser.add_argument("-o", "--json", help="file for every value")
    arguments = parser.parse_args()
    facts, results, failed = lab.machine(), {}, False
    for count in arguments.numbers:
        try:
            results[count] = measure(count, arguments.seconds)
        except RuntimeError as error:
            lab.say(f"{count} peers: failed: {error}")
            failed = True
            continue
        lab.say(f"{count} peers: configured in {results[count]['configured_s']:.2f} s")
    for number in range(2, arguments.rounds + 1):
        for count, figures in results.items():
            try:
                figures["tcp_gbps"].append(measure_only_tcp(count, arguments.seconds))
            except RuntimeError as error:
                lab.say(f"{count} peers: failed: {error}")
                failed = True
        lab.say(f"round {number} of TCP")
    add_memory_per_peer(results)
    print(lab.machine_line(facts) + "\n")
    print("\n".join(table(results)))
    if arguments.json:
        lab.write_json(arguments.json, {"machine": facts, "seconds": arguments.seconds, "results": results})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
