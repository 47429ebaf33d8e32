"""What a host sends, as its gateway sees it: who leaked what is decided there."""

import socket
import struct
import threading

import harness

_ETH_P_ALL = 3
_OUTGOING = 4  # PACKET_OUTGOING
_ICMPV6, _TCP, _UDP = 58, 6, 17
# Multicast listeners and neighbours (RFC 3810, RFC 4861).
_LINK_TYPES = {130, 131, 132, 133, 134, 135, 136, 143}


class Packet:
    """Addresses, protocol and ports of an IP packet."""

    def __init__(self, frame):
        kind, = struct.unpack_from("!H", frame, 12)
        self.family = {0x0800: 4, 0x86dd: 6}.get(kind)  # None: ARP and its likes
        if self.family == 4:
            self.protocol = frame[23]
            self.source, self.target = (socket.inet_ntop(socket.AF_INET, frame[at:at + 4]) for at in (26, 30))
            start = 14 + 4 * (frame[14] & 15)
        elif self.family == 6:
            self.protocol, start = frame[20], 54
            if self.protocol == 0:  # hop-by-hop options
                self.protocol, start = frame[54], 62 + 8 * frame[55]
            self.source, self.target = (socket.inet_ntop(socket.AF_INET6, frame[at:at + 16]) for at in (22, 38))
        else:
            return
        self.sport, self.dport = struct.unpack_from("!HH", frame, start) if len(frame) >= start + 4 else (0, 0)
        self.type = frame[start] if len(frame) > start else 0

        self.payload = frame[start + 8:] if self.protocol == _UDP else b""

    def counter(self):
        """(receiver index, counter) of a datagram with data of a tunnel, or None."""
        if self.family is None or len(self.payload) < 16 or self.payload[:4] != b"\4\0\0\0":
            return None
        return struct.unpack_from("<IQ", self.payload, 4)

    def is_of_link(self):
        """What a network is not there without."""
        if self.family is None:
            return True
        if self.family == 6 and self.protocol == _ICMPV6:
            return self.type in _LINK_TYPES
        return self.protocol == _UDP and (self.sport, self.dport) in ((68, 67), (546, 547))

    def is_of_tunnel(self, port):
        return self.family is not None and self.protocol == _UDP and self.sport == port

    def is_from_port(self, port):
        return self.family is not None and self.protocol == _TCP and self.sport == port

    def __repr__(self):
        return f"{self.source}:{self.sport} > {self.target}:{self.dport} ({self.protocol})"


class Capture:
    """All packets that come in at an interface, from now on."""

    def __init__(self, test, namespace, interface):
        def open_socket():
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            made.bind((interface, _ETH_P_ALL))
            return made
        self._socket = harness.in_namespace(namespace, open_socket)
        self._socket.settimeout(0.1)
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._packets = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        test.addCleanup(self.end)

    def _run(self):
        while not self._ends.is_set():
            try:
                frame, where = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            if where[2] != _OUTGOING and len(frame) > 34:
                with self._lock:
                    self._packets.append(Packet(frame))

    def packets(self):
        """Those since the last call."""
        with self._lock:
            packets, self._packets = self._packets, []
        return packets

    def leaks(self, port, answers=()):
        """Of those what is neither the tunnel's, nor the link's, nor an answer from these TCP ports."""
        return [packet for packet in self.packets()
                if not packet.is_of_link() and not packet.is_of_tunnel(port)
                and not any(packet.is_from_port(own) for own in answers)]

    def end(self):
        self._ends.set()
        self._thread.join()
        self._socket.close()
