"""A directory that lies: it has a directory's certificate and key, and tells members what a test says."""

import contextlib
import socket
import ssl
import threading

import harness

PURPOSE = "weft-members/1"  # ALPN


def cbor(value):
    """Of what frames are made of: maps, lists, bytes, text, whole numbers, true and false."""
    def head(kind, number):
        if number < 24:
            return bytes([kind << 5 | number])
        size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
        return bytes([kind << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + number.to_bytes(size, "big")
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(name) + cbor(each) for name, each in value.items())


def frame(what, **fields):
    body = cbor({"what": what, **fields})
    return len(body).to_bytes(4, "big") + body


def item_key(store_key):
    """Of `item/HEX`."""
    return bytes.fromhex(store_key.partition(b"/")[2].decode())


def changes(revision, items, gone=()):
    """Items by key, and keys of what is gone."""
    return frame("changed", revision=revision, items=[{"key": key, "content": content} for key, content in items],
                 gone=list(gone))


class Liar:
    """Listens in a member's namespace and serves one member after the other: welcomes it, shows that it has nothing,
    and then sends the frames of `lies()`."""

    def __init__(self, test, member, port, lies):
        self.lies, self.connections, self.there = lies, 0, None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(f"{member.folder}/directory.pem", f"{member.folder}/directory.key")
        self.context.set_alpn_protocols([PURPOSE])
        self.listener = harness.in_namespace(member.home, lambda: socket.create_server(("0.0.0.0", port)))
        self.thread = threading.Thread(target=self.run, daemon=True)
        test.stack.callback(self.end)
        self.thread.start()

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        if self.there is not None:
            with contextlib.suppress(OSError):  # it has ended
                self.there.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        self.listener.close()

    def run(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(30)
            try:
                with self.context.wrap_socket(plain, server_side=True) as there:
                    self.there = there
                    self.serve(there)
            except OSError:  # it has gone, or takes nothing
                plain.close()

    def serve(self, there):
        said = there.makefile("rb")

        def wait_for(what):
            while True:
                size = int.from_bytes(said.read(4), "big")
                body = said.read(size)
                if not body:
                    raise OSError("it has gone")
                if cbor("what") + cbor(what) in body:
                    return

        def show_nothing():
            wait_for("compare")
            there.sendall(frame("page", buckets=bytes(32), items=[], last=True, revision=1))

        wait_for("hello")
        there.sendall(frame("welcome", version=1, store=bytes(16), revision=1, recovering=False, record=b""))
        show_nothing()
        self.connections += 1
        for each in self.lies():
            there.sendall(each)
        there.sendall(frame("compare again"))  # after which it counts what has come
        show_nothing()
        there.settimeout(60)
        while True:  # it stays, and answers to pings
            wait_for("ping")
            there.sendall(frame("pong"))
