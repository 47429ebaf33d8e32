#!/usr/bin/python3
"""Numbered UDP datagrams: sends them in several flows, or watches the order in which they arrive.

usage: datagrams.py send HOST PORT FLOWS COUNT [PER_SECOND]   COUNT datagrams a flow; without a rate, a flood
       datagrams.py watch HOST PORT                           until SIGTERM; then prints what it saw as JSON
"""

import json
import select
import signal
import socket
import struct
import sys
import time

NUMBER = struct.Struct("!Q")
BURST = 50  # datagrams of one flow side by side, as an application's queue gives them out
SIZES = (64, 64, 64, 64, 1200, 20)
UDP_SEGMENT = 103
SEGMENT = 500


def bursts(count, segmented):
    """Lists of what to send next, numbered from 0."""
    for first in range(0, count, BURST):
        numbers = range(first, min(first + BURST, count))
        if segmented:  # the kernel makes a datagram of each SEGMENT bytes
            yield [b"".join(NUMBER.pack(n).ljust(SEGMENT, b".") for n in numbers)]
        else:
            yield [NUMBER.pack(n).ljust(SIZES[n % len(SIZES)], b".") for n in numbers]


def send(host, port, flows, count, per_second=0):
    """Each flow has a port of its own; every other one leaves in super-packets, if it is no flood."""
    sources = []
    for flow in range(flows):
        source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        source.connect((host, port))
        segmented = bool(per_second) and flow % 2 == 1
        if segmented:
            source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)
        sources.append((source, bursts(count, segmented)))
    print("sending", flush=True)
    start = time.monotonic()
    for step in range(-(-count // BURST)):
        for source, rest in sources:
            for payload in next(rest):
                try:
                    source.send(payload)
                except OSError:  # no room, or nobody there: lost
                    pass
        if per_second:
            time.sleep(max(0.0, start + (step + 1) * BURST / per_second - time.monotonic()))
    print(f"sent in {time.monotonic() - start:.1f} s", flush=True)


def watch(host, port):
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sink.bind((host, port))
    sink.setblocking(False)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    newest, received, wrong = {}, 0, []
    print("watching", flush=True)
    while True:
        if not select.select([sink], [], [], 0.1)[0]:
            if ended:
                break
            continue
        data, (_, flow) = sink.recvfrom(2048)
        number, = NUMBER.unpack_from(data)
        last = newest.get(flow, -1)
        if number <= last:
            wrong.append((flow, last, number))
        newest[flow] = max(number, last)
        received += 1
    print(json.dumps({"flows": len(newest), "received": received, "wrong": wrong[:20]}), flush=True)


if __name__ == "__main__":
    action, target, *numbers = sys.argv[1:]
    {"send": send, "watch": watch}[action](target, *map(int, numbers))
