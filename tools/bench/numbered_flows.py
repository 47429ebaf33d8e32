#!/usr/bin/python3
"""Numbered UDP datagrams in several flows at full speed: sends them, or counts the order in which they arrive.

usage: numbered_flows.py send HOST PORT PROGRESS FLOWS BYTES   so many bytes in all
       numbered_flows.py watch HOST PORT PROGRESS FLOWS        until SIGTERM; then prints what it saw as JSON

They leave as super-packets of 44 x 1,392 bytes, each datagram with its number in its flow. PROGRESS is a file that
both share: a flow is never further ahead of what has arrived than queues on the way are long, so that nothing is lost
for want of room there. The sender ends once the last of each flow has arrived, or nothing more does.
"""

import json
import mmap
import select
import signal
import socket
import struct
import sys
import time

SEGMENTS, SIZE = 44, 1392
WORDS = SIZE // 8
AHEAD = 10 * SEGMENTS  # datagrams of a flow, and as many of each other: less than a TUN device's queue of 2,000
PATIENCE = 5  # s until what has not arrived is lost
UDP_SEGMENT, UDP_GRO, SO_RCVBUFFORCE = 103, 104, 33  # of Linux
FLOW_SHIFT = 48  # a number's upper bits are its flow


def shared(path):
    """Of each flow the number after the last one that has arrived, for both programs."""
    with open(path, "a+b") as file:
        file.truncate(mmap.PAGESIZE)
        return memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE)).cast("Q")


def super_packet(flow, first, count):
    words = bytearray(count * SIZE)
    view = memoryview(words).cast("Q")
    for number in range(count):
        view[number * WORDS] = flow << FLOW_SHIFT | first + number
    return words


def send(host, port, progress, flows, size):
    arrived = shared(progress)
    sources = []
    for _ in range(flows):
        source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        source.connect((host, port))
        sources.append(source)
    each = -(-size // (flows * SIZE))
    sent, seen = [0] * flows, [0] * flows  # as far as it has arrived, or is given up
    print("sending", flush=True)
    start = time.monotonic()
    moved = [start] * flows
    while min(seen) < each:
        busy, now = False, time.monotonic()
        for flow, source in enumerate(sources):
            if arrived[flow] > seen[flow]:
                seen[flow], moved[flow] = arrived[flow], now
            elif now - moved[flow] > PATIENCE:
                seen[flow], moved[flow] = sent[flow], now
            count = min(SEGMENTS, each - sent[flow])
            if count > 0 and sent[flow] - seen[flow] <= AHEAD - count:
                source.send(super_packet(flow, sent[flow], count))
                sent[flow] += count
                busy = True
        if not busy:
            time.sleep(0.00005)
    print(f"sent {sum(sent)} datagrams in {time.monotonic() - start:.2f} s", flush=True)


def numbers_in(buffer, length, segment):
    """Those of all datagrams in what was received, which the kernel may have joined."""
    if segment != SIZE and length > SIZE:
        raise RuntimeError(f"{length} bytes of segments of {segment}")
    return memoryview(buffer)[:length].cast("Q")[::WORDS].tolist()


class Order:
    """What is right of the numbers that come, flow by flow; `arrived` has the next of each."""

    def __init__(self, arrived):
        self.arrived = arrived
        self.received, self.late, self.missing, self.examples = 0, 0, 0, []

    def see(self, numbers):
        flow = numbers[0] >> FLOW_SHIFT
        first = flow << FLOW_SHIFT | self.arrived[flow]
        self.received += len(numbers)
        if numbers == list(range(first, first + len(numbers))):
            self.arrived[flow] += len(numbers)
        else:
            self.see_each(numbers)

    def see_each(self, numbers):
        for number in numbers:
            flow, number = number >> FLOW_SHIFT, number & (1 << FLOW_SHIFT) - 1
            awaited = self.arrived[flow]
            if number < awaited:
                self.examples = (self.examples + [(flow, awaited, number)])[:20]
                self.late += 1
            self.missing += max(0, number - awaited)
            self.arrived[flow] = max(awaited, number + 1)


def watch(host, port, progress, flows):
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sink.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sink.bind((host, port))
    sink.setblocking(False)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    order = Order(shared(progress))
    buffer = bytearray(65536)
    print("watching", flush=True)
    while True:
        if not select.select([sink], [], [], 0.1)[0]:
            if ended:
                break
            continue
        length, more, _, _ = sink.recvmsg_into([buffer], 64)
        segment = next((struct.unpack_from("i", data)[0] for _, kind, data in more if kind == UDP_GRO), length)
        order.see(numbers_in(buffer, length, segment))
    print(json.dumps({"received": order.received, "late": order.late, "missing": order.missing,
                      "wrong": order.examples}), flush=True)


if __name__ == "__main__":
    action, target, at, file, *counts = sys.argv[1:]
    {"send": send, "watch": watch}[action](target, int(at), file, *map(int, counts))
