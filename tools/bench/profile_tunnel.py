#!/usr/bin/python3
"""Shows where both ends of a tunnel spend their time while one TCP flow goes through it.

`perf record` watches both processes; the report is a table of the functions with the largest own share at each
end, in Markdown, and with --svg PREFIX a flame graph of each end (PREFIX-sending.svg, PREFIX-receiving.svg).

  tools/bench/profile_tunnel.py -t 10 --svg /tmp/flame

Needs root and perf (Debian: linux-perf).
"""

import argparse
import contextlib
import sys

import flamegraph
import lab
import side_by_side

ENDS = ("sending", "receiving")


def record(place, tunnel, seconds, frequency, call_graph):
    """Transfers under perf; yields the path of each end's record."""
    listener = lab.iperf_server(place.right, tunnel.far)
    files = [place.new_file("perf") for _ in ENDS]
    recorders = [lab.Process(["perf", "record", "-q", "-F", frequency, "--call-graph", call_graph,
                              "-p", process.pid, "-o", file], place.new_file("log"))
                 for process, file in zip(tunnel.processes, files)]
    for recorder in recorders:
        place.stack.callback(recorder.stop)
    try:
        end = lab.iperf(place.left, tunnel.far, seconds)
    finally:
        listener.stop()
    for recorder in recorders:
        recorder.interrupt()
    return end["sum_received"]["bits_per_second"] / 1e9, files


def read_tree(file):
    """The samples of one record as a tree of callers and callees."""
    text = lab.run("perf", "script", "--no-inline", "-F", "comm,pid,tid,time,period,event,ip,sym,dso", "-i", file,
                   timeout=600).stdout
    tree = flamegraph.read_tree(text.splitlines())
    if tree is None:
        raise RuntimeError(f"perf script shows no samples:\n{text[:500]}")
    return tree


def own_shares(tree):
    """[(share of the time in the function itself, name)], the largest first."""
    totals, waiting = {}, [tree]
    while waiting:
        frame = waiting.pop()
        callees = frame.callees.values()
        own = frame.weight - sum(callee.weight for callee in callees)
        totals[frame.name] = totals.get(frame.name, 0) + own
        waiting.extend(callees)
    return sorted(((own / tree.weight, name) for name, own in totals.items()), reverse=True)


def table(trees, count):
    shares = [own_shares(tree)[:count] for tree in trees]
    rows = []
    for row in zip(*shares):
        cells = []
        for share, name in row:
            plain = name.removesuffix(flamegraph.KERNEL)
            cells += [f"`{plain}`{name[len(plain):]}", f"{share * 100:.1f} %"]
        rows.append(cells)
    return lab.markdown_table([word for end in ENDS for word in (end, "share")], rows)


def kernel_share(tree):
    return sum(share for share, name in own_shares(tree) if name.endswith(flamegraph.KERNEL))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-t", "--seconds", type=int, default=10)
    parser.add_argument("-n", "--rows", type=int, default=15, help="rows of the table")
    parser.add_argument("-F", "--frequency", type=int, default=397, help="samples a second")
    parser.add_argument("--call-graph", default="dwarf,32768", help="how perf walks the stack (dwarf,BYTES or fp)")
    parser.add_argument("--svg", metavar="PREFIX", help="where flame graphs go")
    parser.add_argument("command", nargs="?", help="another program, with {ifname} (default: weftd -f {ifname})")
    arguments = parser.parse_args()
    if not lab.have("perf"):
        sys.exit("perf is missing; tools/setup bench installs it")
    command = arguments.command or f"{lab.program('weftd')} -f {{ifname}}"
    facts = lab.machine()
    with lab.Lab() as place:
        tunnel = side_by_side.Tunnel(place, command, 0)
        with contextlib.closing(tunnel):
            gbps, files = record(place, tunnel, arguments.seconds, arguments.frequency, arguments.call_graph)
        trees = [read_tree(file) for file in files]
    print(f"One TCP flow of {arguments.seconds} s under perf: {gbps:.2f} Gbit/s. In the kernel: "
          + ", ".join(f"{end} {kernel_share(tree) * 100:.0f} %" for end, tree in zip(ENDS, trees))
          + f". {lab.machine_line(facts)}\n")
    print("\n".join(table(trees, arguments.rows)))
    for end, tree in zip(ENDS, trees):
        if arguments.svg:
            with open(f"{arguments.svg}-{end}.svg", "w") as file:
                file.write("\n".join(flamegraph.draw(tree, f"{command.split()[0].rsplit('/', 1)[-1]}, {end} end")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
