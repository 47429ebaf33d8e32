#!/usr/bin/python3
"""A path between two hosts that loses, delays and reorders packets, where the kernel has no netem: a TUN device in
each host, and this program, which carries packets from one to the other.

  tools/bench/lossy_path.py --loss 1 --delay 20 --jitter 5 --reorder 0.1 NAME@NAMESPACE NAME@NAMESPACE

Each way is treated alike, and a packet that finds the queue full is lost, as at a router. Says `ready` once both
devices are in their namespaces, and runs until a signal.
"""

import argparse
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LARGEST = 65535
IN_ONE_GO = 64  # packets of one way before the other has its turn


class Line:
    """One way of the path: what comes in leaves it later, or never. Knows no clock and no descriptor."""

    def __init__(self, options, chance):
        self._options, self._chance = options, chance
        self._waiting = []  # (when, number, packet), a heap
        self._number = 0
        self._last = 0.0  # when the latest packet that keeps its place leaves
        self.lost = self.queue_full = self.reordered = self.passed = 0

    def take(self, now, packet):
        if len(self._waiting) >= self._options.limit:
            self.queue_full += 1
            return
        if self._chance.random() * 100 < self._options.loss:
            self.lost += 1
            return
        when = now + (self._options.delay + self._chance.uniform(0, self._options.jitter)) / 1e3
        if self._chance.random() * 100 < self._options.reorder:
            self.reordered += 1
            when += max(1.0, self._options.jitter) / 1e3  # others overtake it
        else:
            when = self._last = max(when, self._last)  # a longer delay delays those behind as well
        heapq.heappush(self._waiting, (when, self._number, packet))
        self._number += 1

    def due(self, now):
        """The packets that leave by now, in order."""
        while self._waiting and self._waiting[0][0] <= now:
            self.passed += 1
            yield heapq.heappop(self._waiting)[2]

    def next(self):
        """When the next one leaves, or None."""
        return self._waiting[0][0] if self._waiting else None


def open_tun(name, namespace):
    """The device lives in the namespace, its descriptor here."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "netns", namespace], check=True)
    return descriptor


def read_into(line, descriptor):
    for _ in range(IN_ONE_GO):
        try:
            packet = os.read(descriptor, LARGEST)
        except BlockingIOError:
            return
        line.take(time.monotonic(), packet)


def write_from(line, descriptor):
    for packet in line.due(time.monotonic()):
        try:
            os.write(descriptor, packet)
        except OSError:  # EIO: its link is not up yet
            line.lost += 1


def carry(lines):
    """`lines`: (from, to, Line) for each way."""
    events = select.poll()
    for source, _, _ in lines:
        events.register(source, select.POLLIN)
    while True:
        times = [when for when in (line.next() for _, _, line in lines) if when is not None]
        wait = max(0.0, min(times) - time.monotonic()) * 1e3 if times else None
        for descriptor, _ in events.poll(wait):
            for source, _, line in lines:
                if source == descriptor:
                    read_into(line, descriptor)
        for _, destination, line in lines:
            write_from(line, destination)


def add_options(parser):
    parser.add_argument("--loss", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MS", help="one way")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="MS", help="up to so much is added")
    parser.add_argument("--reorder", type=float, default=0.0, metavar="PERCENT", help="packets that others overtake")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="packets on the way, each way")


def options_of(arguments):
    """The same as words of a command line."""
    return [word for name in ("loss", "delay", "jitter", "reorder", "limit")
            for word in (f"--{name}", str(getattr(arguments, name)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("ends", nargs=2, metavar="NAME@NAMESPACE")
    arguments = parser.parse_args()
    left, right = (open_tun(*end.split("@", 1)) for end in arguments.ends)
    print("ready", flush=True)
    carry([(left, right, Line(arguments, random.Random(1))), (right, left, Line(arguments, random.Random(2)))])


if __name__ == "__main__":
    sys.exit(main())
