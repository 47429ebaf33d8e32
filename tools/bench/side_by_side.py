#!/usr/bin/python3
"""Measures whole programs side by side: a tunnel between two network namespaces that a veth pair joins.

Each NAME=COMMAND starts one end of a tunnel in the foreground, with {ifname} in place of the interface's name;
it is configured through its control socket with wg(8), as wireguard-go is, unless it has {port} and {far}, where its
own port and the far end's ADDRESS:PORT go (`floor='build-bench/tools/bench/weft_bench_floor {ifname} {port} {far}'`).
`raw=` (no command) is the veth pair without a tunnel. The programs take turns round by round, so that what the machine does meanwhile hits all alike.

  tools/bench/side_by_side.py -r 5 weft='build/tools/weftd -f {ifname}' wireguard-go='wireguard-go -f {ifname}' raw=

The report is a table in Markdown: medians, (lowest-highest), and the ratio to the first program. Needs root.
"""

import argparse
import base64
import contextlib
import os
import re
import shlex
import statistics
import sys
import time

import bars
import lab
import lossy_path

TUNNEL = ("10.77.0.1", "10.77.0.2")
PORTS = (51821, 51822)
MTU = 1420
PACKET = 100  # bytes of UDP payload in the test with small packets

# key, title, unit, and whether more is better
FIGURES = (
    ("tcp_forward", "TCP, one flow", "Gbit/s", True),
    ("tcp_reverse", "TCP, one flow, other direction", "Gbit/s", True),
    ("tcp_four", "TCP, 4 flows", "Gbit/s", True),
    ("tcp_both", "TCP, both directions at once, sum", "Gbit/s", True),
    ("tcp_forward_cpu", "CPU of both ends, one flow", "s/GB", False),
    ("tcp_reverse_cpu", "CPU of both ends, other direction", "s/GB", False),
    ("tcp_four_cpu", "CPU of both ends, 4 flows", "s/GB", False),
    ("tcp_both_cpu", "CPU of both ends, both directions", "s/GB", False),
    ("retransmissions", "TCP retransmissions, one flow", "per GB", False),
    ("udp_sent", f"UDP of {PACKET} bytes, sent", "kpps", True),
    ("udp_received", f"UDP of {PACKET} bytes, received", "kpps", True),
    ("udp_cpu", f"CPU of both ends, UDP {PACKET} bytes", "µs/packet", False),
    ("ping_p50", "ping, half are below", "µs", False),
    ("ping_p99", "ping, 99 % are below", "µs", False),
    ("idle_cpu", "CPU of both ends while idle", "%", False),
    ("peak_memory", "memory, peak of the larger end", "MB", False),
)
WITHOUT_RATIO = ("retransmissions",)  # a few, or many: it says nothing how many times as many
TRANSFERS = (("tcp_forward", ()), ("tcp_reverse", ("--reverse",)), ("tcp_four", ("--parallel", "4")),
             ("tcp_both", ("--bidir",)))


class Tunnel:
    """Two ends, of one program unless the far one has another command, configured and answering; or, without a
    command, the cable alone."""

    def __init__(self, place, command, more_peers, far_command=None):
        self.place = place
        self.processes = []
        self.near, self.far = lab.CABLE
        if not command:
            return
        self.near, self.far = TUNNEL
        self.names = [lab.interface_name(end) for end in "ab"]
        keys = [lab.key_pair(), lab.key_pair()]
        self.configured = "{far}" not in command
        for end, own in enumerate((command, far_command or command)):
            for name, text in (("ifname", self.names[end]), ("port", str(PORTS[end])),
                               ("far", f"{lab.CABLE[1 - end]}:{PORTS[1 - end]}")):
                own = own.replace(f"{{{name}}}", text)
            place.stack.callback(lab.remove_socket, self.names[end])
            self.processes.append(place.hosts[end].start(*shlex.split(own), env=drop_in_environment()))
        for end in (0, 1):
            self._wait_ready(end)
            if self.configured:
                self._configure(end, keys, more_peers)
            self._set_link(end)
        self._first_ping()

    def _wait_ready(self, end):
        name, process = self.names[end], self.processes[end]

        def ready():
            if not process.running:
                raise RuntimeError(f"the program ended:\n{process.output()}")
            return ((not self.configured or os.path.exists(f"{lab.SOCKETS}/{name}.sock"))
                    and self.place.hosts[end].has_link(name))

        lab.wait_until(ready, f"interface and control socket of {name}")

    def _configure(self, end, keys, more_peers):
        other = 1 - end
        text = (f"[Interface]\nPrivateKey = {keys[end][0]}\nListenPort = {PORTS[end]}\n"
                f"[Peer]\nPublicKey = {keys[other][1]}\nAllowedIPs = {TUNNEL[other]}/32\n"
                f"Endpoint = {lab.CABLE[other]}:{PORTS[other]}\n") + idle_peers(more_peers)
        self.place.hosts[end].run("wg", "setconf", self.names[end], self.place.text_file("conf", text))

    def _set_link(self, end):
        host, name = self.place.hosts[end], self.names[end]
        # some programs configure the address themselves
        host.ip("address", "add", f"{TUNNEL[end]}/24", "dev", name, check=False)
        host.ip("link", "set", name, "mtu", MTU, "up")

    def _first_ping(self):
        result = self.place.left.run("ping", "-n", "-c", 3, "-i", 0.2, "-W", 2, self.far, check=False)
        if result.returncode:
            logs = "".join(process.output() for process in self.processes)
            raise RuntimeError(f"no ping through the tunnel\n{result.stdout}{result.stderr}{logs}")

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes)

    def peak_memory(self):
        return max(process.memory_mb(peak=True) for process in self.processes)

    def close(self):
        for process in self.processes:
            process.stop()
        if self.processes:
            for host, name in zip(self.place.hosts, self.names):
                host.ip("link", "del", name, check=False)
                lab.remove_socket(name)


def drop_in_environment():
    """What several programs want to see before they stay in the foreground."""
    return {**os.environ, "WG_PROCESS_FOREGROUND": "1", "WG_SUDO": "1"}


def idle_peers(count):
    """`count` peers that are configured and never heard of."""
    lines = []
    for number in range(count):
        key = base64.b64encode(os.urandom(32)).decode()
        address = f"10.{128 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"
        lines.append(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {address}/32\n")
    return "".join(lines)


def measure_tcp(tunnel, seconds):
    figures = {}
    for key, arguments in TRANSFERS:
        before = tunnel.cpu_seconds()
        end = lab.iperf(tunnel.place.left, tunnel.far, seconds, *arguments)
        used = tunnel.cpu_seconds() - before
        sums = [end["sum_received"]]
        if "sum_received_bidir_reverse" in end:
            sums.append(end["sum_received_bidir_reverse"])
        gigabytes = sum(each["bytes"] for each in sums) / 1e9
        figures[key] = sum(each["bits_per_second"] for each in sums) / 1e9
        if tunnel.processes and gigabytes:
            figures[key + "_cpu"] = used / gigabytes
        if key == "tcp_forward" and gigabytes:
            figures["retransmissions"] = end["sum_sent"].get("retransmits", 0) / gigabytes
    return figures


def measure_udp(tunnel, seconds):
    before = tunnel.cpu_seconds()
    end = lab.iperf(tunnel.place.left, tunnel.far, seconds, "--udp", "--length", PACKET, "--bitrate", 0)
    used = tunnel.cpu_seconds() - before
    total = end["sum"]
    received = total["packets"] - total["lost_packets"]
    figures = {"udp_sent": total["packets"] / total["seconds"] / 1e3,
               "udp_received": received / total["seconds"] / 1e3}
    if tunnel.processes and received > 0:
        figures["udp_cpu"] = used / received * 1e6
    return figures


def measure_ping(tunnel):
    report = tunnel.place.left.run("ping", "-n", "-i", 0.01, "-c", 300, tunnel.far, check=False).stdout
    times = sorted(float(text) for text in re.findall(r"time=([\d.]+)", report))
    if not times:
        return {}
    return {"ping_p50": times[len(times) // 2] * 1e3, "ping_p99": times[len(times) * 99 // 100] * 1e3}


def measure_rest(tunnel, seconds):
    if not tunnel.processes:
        return {}
    before, start = tunnel.cpu_seconds(), time.monotonic()
    time.sleep(max(2, seconds))
    idle = (tunnel.cpu_seconds() - before) / (time.monotonic() - start) * 100
    return {"idle_cpu": idle, "peak_memory": tunnel.peak_memory()}


def measure(tunnel, seconds):
    server = lab.iperf_server(tunnel.place.right, tunnel.far)
    try:
        figures = {**measure_tcp(tunnel, seconds), **measure_udp(tunnel, seconds)}
    finally:
        server.stop()
    return {**figures, **measure_ping(tunnel), **measure_rest(tunnel, seconds)}


def one_round(command, arguments):
    """A fresh lab each time: nothing of one program is there for the next."""
    with lab.Lab(arguments.path) as place:
        tunnel = Tunnel(place, command, arguments.peers)
        with contextlib.closing(tunnel):
            return measure(tunnel, arguments.seconds)


def all_rounds(programs, arguments):
    results = {name: [] for name in programs}
    for number in range(arguments.rounds):
        for name, command in programs.items():
            try:
                figures = one_round(command, arguments)
            except RuntimeError as error:
                lab.say(f"round {number + 1}, {name}: failed: {error}")
                continue
            results[name].append(figures)
            lab.say(f"round {number + 1}, {name}: TCP {figures['tcp_forward']:.2f} Gbit/s, "
                    f"UDP {figures['udp_received']:.0f} kpps")
    return results


def summarize(results):
    """{figure: {program: (median, lowest, highest)}}"""
    summary = {}
    for key, *_ in FIGURES:
        values = {name: [one[key] for one in rounds if key in one] for name, rounds in results.items()}
        cells = {name: (statistics.median(list_), min(list_), max(list_)) for name, list_ in values.items() if list_}
        if cells:
            summary[key] = cells
    return summary


def table(results):
    summary, names = summarize(results), list(results)
    rows = []
    for key, title, unit, _ in FIGURES:
        if key not in summary:
            continue
        first = summary[key].get(names[0])
        row = [f"{title}, {unit}"]
        for name in names:
            if name not in summary[key]:
                row.append("-")
                continue
            median, low, high = summary[key][name]
            text = f"{lab.short(median)} ({lab.short(low)}-{lab.short(high)})"
            if name != names[0] and first and first[0] > 0 and key not in WITHOUT_RATIO:
                text += f" x{median / first[0]:.2f}"
            row.append(text)
        rows.append(row)
    return lab.markdown_table(["figure", *names], rows)


def panels(results):
    """The plot's panels, one a figure."""
    summary = summarize(results)
    return [bars.Panel(f"{title}, {unit}", "more is better" if more else "less is better", summary[key])
            for key, title, unit, more in FIGURES if key in summary]


def path_of(arguments):
    """What the path between the hosts does to packets, in words."""
    if not arguments.path:
        return ""
    return (f", path: loss {arguments.loss:g} %, delay {arguments.delay:g} ms, jitter {arguments.jitter:g} ms, "
            f"reordered {arguments.reorder:g} %")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--rounds", type=int, default=3)
    parser.add_argument("-t", "--seconds", type=int, default=5, help="length of each transfer")
    parser.add_argument("--peers", type=int, default=0, help="more peers that are configured on each side")
    lossy_path.add_options(parser)
    parser.add_argument("-o", "--json", help="file for every value of every round")
    parser.add_argument("--svg", help="file for a plot")
    parser.add_argument("programs", nargs="+", metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    programs = {}
    for text in arguments.programs:
        name, found, command = text.partition("=")
        if not found or not name or name in programs:
            parser.error(f"'{text}': expected NAME=COMMAND, each name once")
        programs[name] = command
    lossy = arguments.loss or arguments.delay or arguments.jitter or arguments.reorder
    arguments.path = lossy_path.options_of(arguments) if lossy else []
    return programs, arguments


def main():
    programs, arguments = parse_arguments()
    facts = lab.machine()
    results = all_rounds(programs, arguments)
    head = (f"rounds: {arguments.rounds}, {arguments.seconds} s a transfer, MTU {MTU}, "
            f"more peers: {arguments.peers}{path_of(arguments)}; {lab.machine_line(facts)}")
    print(head + "\n")
    print("\n".join(table(results)))
    if arguments.json:
        lab.write_json(arguments.json, {"machine": facts, "rounds": arguments.rounds, "seconds": arguments.seconds,
                                        "more_peers": arguments.peers, "results": results})
    if arguments.svg:
        with open(arguments.svg, "w") as file:
            file.write(bars.draw("Tunnels side by side", head, list(results), panels(results)))
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
