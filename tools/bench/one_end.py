#!/usr/bin/python3
"""Measures one end of a tunnel by itself: what it takes to work off a queue that was filled while it was stopped.

On one machine both ends of a tunnel, iperf3 and the kernel share the processors, so a whole tunnel does not show what
more processors are worth to one end. Here the other end is idle while the clock runs:

  sending    weftd is stopped, its TUN device's queue is filled, and weftd goes on; the far end only shakes hands, and
             what carries packets is dropped where it comes in.
  receiving  weftd is stopped, the far end seals packets into the buffer of its socket, and weftd goes on; what it has
             opened is dropped where it leaves the TUN device.

Both with super-packets of UDP (44 segments of 1,392 bytes) and with single packets of 100 bytes. The clock runs until
the last packet is out; CPU is that of the threads, from schedstat. What was lost is said: then a queue was too short.

  tools/bench/run one-end --cores 1 2 --other ../before/build-bench

compares this build, with each number of cores, with another one. The programs take turns, drain by drain. Needs root.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import socket
import statistics
import sys
import time

import lab
import side_by_side

SEGMENTS, FULL, SMALL = 44, 1392, 100  # of a super-packet; bytes of payload in a packet
# Numbers of Linux that Python has no names for, of all architectures since 5.6.
UDP_SEGMENT, SO_SNDBUFFORCE, SO_RCVBUFFORCE, PIDFD_OPEN, PIDFD_GETFD = 103, 32, 33, 434, 438
DRAINED_AFTER = 1.0  # s without a packet, which do not count
SOCKET_BUFFER = 512 << 20
ENDS = ("sending", "receiving")
SIZES = ("full", "small")

_libc = ctypes.CDLL(None, use_errno=True)


# -- what is counted -----------------------------------------------------------

def counters(pid, interface, received):
    """(bytes, packets) of a link in the network namespace of a process."""
    with open(f"/proc/{pid}/net/dev") as file:
        for line in file:
            name, _, numbers = line.partition(":")
            if name.strip() == interface:
                numbers = [int(number) for number in numbers.split()]
                return (numbers[0], numbers[1]) if received else (numbers[8], numbers[9])
    raise RuntimeError(f"there is no link {interface}")


def thread_seconds(pid):
    """{name of thread: CPU time so far}; those of one name are one."""
    seconds = {}
    for number in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{number}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/{pid}/task/{number}/schedstat") as file:
                seconds[name] = seconds.get(name, 0.0) + int(file.read().split()[0]) / 1e9
    return seconds


def used_by_threads(before, after):
    """What each has used meanwhile."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


def datagram_size(payload):
    """Of a tunnel's datagram with a UDP packet of so many bytes: 28 of headers, padding to 16 within the MTU, and 32
    of WireGuard."""
    inner = payload + 28
    return min(-(-inner // 16) * 16, side_by_side.MTU) + 32


def wait_for_standstill(read, quiet, seconds=120.0):
    """Until what is read stands still for so long; when it changed last."""
    last, changed = read(), time.monotonic()
    deadline = changed + seconds
    while time.monotonic() < changed + quiet:
        now = read()
        if now != last:
            last, changed = now, time.monotonic()
            if changed > deadline:
                raise RuntimeError(f"packets still come after {seconds:.0f} s")
        time.sleep(0.001)
    return changed


def wait_for_drain(come_out, amount):
    """Until so many bytes have come out and nothing more does; when the last of it came. It looks seldom, and more often
    the less is left: whoever looks takes a processor away from what is measured."""
    start = changed = time.monotonic()
    out = 0
    while out < amount:
        now = time.monotonic()
        if now > changed + (DRAINED_AFTER if out else 120.0):
            return changed  # what was lost does not come
        passed = now - start
        time.sleep(min(max(passed * (amount - out) / out / 2, 0.001), 0.02) if out else 0.002)
        before, out = out, come_out()
        if out != before:
            changed = time.monotonic()
    # Later there may be a packet of the host's own, such as ARP's.
    return wait_for_standstill(come_out, 0.05)


# -- the bench -----------------------------------------------------------------

class Drain:
    """A tunnel with an end that is stopped, has its queue filled, and goes on."""

    def __init__(self, place, command, end, size, count):
        self.place, self.size, self.count = place, size, count
        self.sends = end == "sending"
        self.number = 0 if self.sends else 1  # of the end that is measured
        commands = [command if "{far}" in command else f"{lab.program('weftd')} -f {{ifname}}"] * 2
        commands[self.number] = command
        self.tunnel = side_by_side.Tunnel(place, commands[0], 0, far_command=commands[1])
        self.host, self.name = place.hosts[self.number], self.tunnel.names[self.number]
        self.pid = self.tunnel.processes[self.number].pid
        for host, name in zip(place.hosts, self.tunnel.names):
            host.ip("link", "set", name, "txqueuelen", count + 1000)
        if self.sends:
            drop(place.right, place.cable[1],
                 f"udp dport {side_by_side.PORTS[1]} @th,64,8 4 meta length > 100 drop")
        else:
            drop(place.right, self.name, "udp dport 9 drop")
            lengthen_buffers(self.pid)

    def come_out(self):
        """Bytes that have left the measured end so far."""
        if self.sends:
            return counters(self.pid, self.place.cable[0], False)[0]
        return counters(self.pid, self.name, True)[0]

    def moved(self):
        """Bytes that the measured end has sent, or received and opened, by its own count."""
        received, sent = self.host.run("wg", "show", self.name, "transfer").stdout.split()[1:]
        return int(sent if self.sends else received)

    def fill(self):
        self.place.left.run("/usr/bin/python3", "-B", __file__, "--fill", self.size, self.count, timeout=300)
        if not self.sends:  # once the far end has sealed and sent it
            pid, cable = self.tunnel.processes[0].pid, self.place.cable[0]
            wait_for_standstill(lambda: counters(pid, cable, False), 1.0)

    def measure(self):
        moved = self.moved() if self.tunnel.configured else 0
        os.kill(self.pid, signal.SIGSTOP)
        try:
            self.fill()
            before, threads, start = self.come_out(), thread_seconds(self.pid), time.monotonic()
        finally:
            os.kill(self.pid, signal.SIGCONT)
        payload, packets = (FULL, SEGMENTS * self.count) if self.size == "full" else (SMALL, self.count)
        end = wait_for_drain(lambda: self.come_out() - before, payload * packets)
        used = used_by_threads(threads, thread_seconds(self.pid))
        if self.tunnel.configured:
            arrived = (self.moved() - moved) // datagram_size(payload)
        else:  # nearly: headers count as payload
            arrived = (self.come_out() - before) // payload
        return {"seconds": end - start, "packets": packets, "bytes": packets * (payload + 28),
                "lost": max(0, packets - arrived), "threads": used}

    def close(self):
        self.tunnel.close()


def drop(host, interface, rule):
    """Drops packets where they come in from a link."""
    text = (f'table netdev weftbench {{\n chain {interface} {{\n'
            f'  type filter hook ingress device "{interface}" priority 0\n  {rule}\n }}\n}}\n')
    host.run("nft", "-f", "-", input=text)


def lengthen_buffers(pid):
    """Of the sockets of a process that datagrams of the network come to."""
    process = _libc.syscall(PIDFD_OPEN, pid, 0)
    lengthened = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        descriptor = _libc.syscall(PIDFD_GETFD, process, int(name), 0)
        if descriptor < 0:
            continue
        with socket.socket(fileno=descriptor) as one:
            if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_DGRAM:
                one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER)
                lengthened += 1
    os.close(process)
    if not lengthened:
        raise RuntimeError("weftd's sockets cannot be had (pidfd_getfd: Linux 5.6)")


def fill(size, count):
    """Sends into the tunnel, as a program of the left host does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER)
        sender.connect((side_by_side.TUNNEL[1], 9))
        if size == "full":
            sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, FULL)
        data = bytes(FULL * SEGMENTS if size == "full" else SMALL)
        for _ in range(count):
            sender.send(data)


# -- the report ----------------------------------------------------------------

def figures_of(drain):
    """{figure: value} of one drain, with the threads that have a hundredth of the CPU time at least."""
    if drain["size"] == "full":
        amount, figures, unit = drain["bytes"] / 1e9, {"GB/s": drain["bytes"] / 1e9 / drain["seconds"]}, "s/GB"
    else:
        amount, figures, unit = drain["packets"] / 1e6, {"kpps": drain["packets"] / 1e3 / drain["seconds"]}, "µs/packet"
    used = sum(drain["threads"].values())
    figures[f"CPU, {unit}"] = used / amount
    for name, seconds in sorted(drain["threads"].items()):
        if seconds >= used / 100:
            figures[f"{name}, {unit}"] = seconds / amount
    figures["lost, packets"] = drain["lost"]
    return figures


def table(drains, names):
    """One row a figure of an end and a size; ratios are to the first program."""
    rows = []
    for end in ENDS:
        for size in SIZES:
            values = {name: [figures_of(one) for one in drains
                             if (one["program"], one["end"], one["size"]) == (name, end, size)] for name in names}
            figures = dict.fromkeys(figure for name in names for one in values[name] for figure in one)
            for figure in figures:
                row, first = [f"{end}, {size}: {figure}"], None
                for name in names:
                    some = [one.get(figure, 0.0) for one in values[name]]
                    if not some:
                        row.append("-")
                        continue
                    median = statistics.median(some)
                    ratio = f" x{median / first:.2f}" if first and not figure.startswith("lost") else ""
                    first = median if name == names[0] else first
                    row.append(lab.spread(some) + ratio)
                rows.append(row)
    return lab.markdown_table(["figure", *names], rows)


def all_drains(programs, arguments):
    drains = []
    for number in range(arguments.rounds):
        for end in arguments.ends:
            for size in arguments.sizes:
                for name, command in programs.items():
                    count = arguments.super_packets if size == "full" else arguments.packets
                    with lab.Lab() as place, contextlib.closing(Drain(place, command, end, size, count)) as drain:
                        for _ in range(arguments.drains):
                            one = {"program": name, "end": end, "size": size, **drain.measure()}
                            drains.append(one)
                            lab.say(f"round {number + 1}, {name}, {end}, {size}: "
                                    f"{one['packets'] / one['seconds'] / 1e3:.0f} kpps, lost {one['lost']}")
    return drains


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--rounds", type=int, default=3, help="each with tunnels of its own")
    parser.add_argument("-d", "--drains", type=int, default=3, help="of a tunnel")
    parser.add_argument("--cores", nargs="+", type=int, metavar="N", help="numbers of cores to measure with")
    parser.add_argument("--other", metavar="BUILD", help="a build to compare with: it is the first in the table")
    parser.add_argument("--floor", action="store_true",
                        help="a program without cipher and actors beside them (weft_bench_floor)")
    parser.add_argument("--ends", nargs="+", choices=ENDS, default=ENDS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--super-packets", type=int, default=1900, metavar="N", help="that a queue is filled with")
    parser.add_argument("--packets", type=int, default=40000, metavar="N", help="the same of small ones")
    parser.add_argument("-o", "--json", help="file for every drain")
    return parser.parse_args()


def programs_of(arguments):
    programs = {}
    if arguments.other:
        programs["other"] = f"{arguments.other}/tools/weftd -f {{ifname}}"
    for cores in arguments.cores or (None,):
        name, option = (f"cores {cores}", f"--cores {cores} ") if cores else ("weft", "")
        programs[name] = f"{lab.program('weftd')} {option}-f {{ifname}}"
    if arguments.floor:
        programs["floor"] = f"{lab.program('weft_bench_floor')} {{ifname}} {{port}} {{far}}"
    return programs


def main():
    if sys.argv[1:2] == ["--fill"]:  # in the namespace of the left host
        return fill(sys.argv[2], int(sys.argv[3]))
    arguments = parse_arguments()
    programs = programs_of(arguments)
    facts = lab.machine()
    drains = all_drains(programs, arguments)
    print(f"{arguments.rounds} rounds of {arguments.drains} drains, {arguments.super_packets} super-packets of "
          f"{SEGMENTS} x {FULL} bytes, {arguments.packets} packets of {SMALL}; {lab.machine_line(facts)}\n")
    print("\n".join(table(drains, list(programs))))
    if arguments.json:
        lab.write_json(arguments.json, {"machine": facts, "drains": drains})
    return 0


if __name__ == "__main__":
    sys.exit(main())
