"""What the tests of hand-overs share: one weftd takes the place of another (weftd --replace)."""

import contextlib
import fcntl
import os
import re
import socket
import struct

import harness


class Between:
    """Stands between a node and its successor: the hand-over goes on as far as the test wants."""

    # What has happened when it stops there, and who can go on then without the other.
    STEPS = (("the successor has asked", "former"),
             ("the former process has given all", "former"),
             ("the successor has it, and is ready", "both"),
             ("the former process has given its place", "successor"),
             ("the successor has heard that", "successor"))

    def __init__(self, test, node):
        self.path = f"{harness.CONTROL_SOCKETS}/{node.name}.replace"
        self.behind = self.path + ".behind"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path + ".between")
        self.listener.listen()
        self.listener.settimeout(60)
        os.link(self.path, self.behind)
        os.rename(self.path + ".between", self.path)
        self.former = self.successor = None
        test.stack.callback(self.end)

    @staticmethod
    def receive(connection):
        connection.settimeout(60)
        data, descriptors = b"", []
        while not data.endswith(b"\n"):
            part, more, _, _ = socket.recv_fds(connection, 65536, 250)
            data += part
            descriptors += more
            if not part:
                raise AssertionError(f"the hand-over ended after {data!r}")
        return data, descriptors

    def accept(self, process):
        """The connection of that process: the node may look who has its place, too."""
        while True:
            connection, _ = self.listener.accept()
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if struct.unpack("iII", credentials)[0] == process.pid:
                self.listener.close()  # whoever goes on needs the place
                os.rename(self.behind, self.path)
                return connection
            connection.close()

    def go_to(self, step, successor, damage=None, others=None):
        """On the way `damage` is done to the state, and `others` take the place of descriptors, by name."""
        self.successor = self.accept(successor)
        if step == 0:
            return
        self.former = socket.socket(socket.AF_UNIX)
        self.former.connect(self.path)
        names, descriptors = self.receive(self.former)
        try:
            if damage:
                descriptors[1] = self.copy_of(descriptors[1], damage)
            for number, name in enumerate(names.decode().splitlines()[1:-1], 2):
                if name in (others or {}):
                    os.dup2(others[name].fileno(), descriptors[number])
            if step > 1:
                socket.send_fds(self.successor, [names], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if step < 2:
            return
        ready, _ = self.receive(self.successor)
        if step < 3:
            return
        self.former.sendall(ready)
        commit, _ = self.receive(self.former)
        if step == 4:
            self.successor.sendall(commit)

    @staticmethod
    def copy_of(memory, damage):
        """Another state_memory; `damage` gets what the node has saved."""
        head = 24
        size = os.fstat(memory).st_size
        state = bytearray(os.pread(memory, size, 0))
        os.close(memory)
        state[head:] = damage(state[head:])
        made = os.memfd_create("weft-state", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(made, state[:16] + struct.pack("<Q", len(state) - head) + state[head:])
        fcntl.fcntl(made, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return made

    def end(self):
        """Each sees that the other is gone; the former's socket is where it was, if it is there."""
        for each in (self.former, self.successor, self.listener):
            if each:
                each.close()
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.behind, self.path)


class Replacing:
    """For tests with nodes that are replaced: `left`, `right` if there are two."""

    def handshakes(self):
        return [node.peer(other)["last_handshake"]
                for node, other in ((self.left, self.right), (self.right, self.left))]

    def successor(self, node, *prefix, program=harness.WEFTD):
        return harness.Process(self, [*prefix, program, "--replace", node.name, "--config", node.file], node.home)

    def replace(self, node):
        """A new process takes the node's place."""
        process = self.successor(node)
        harness.wait_until(lambda: "goes on in this process" in process.output() or process.code is not None,
                           "the successor goes on", 60)
        self.assertIsNone(process.code, process.output())
        self.assertEqual(node.process.wait(), 0)
        self.assertIn("goes on in another process", node.process.output())
        node.process = process

    def pings(self, node, address, count):
        """Pings that go on beside the test, 100 in a second, each answer with its time."""
        return harness.Process(self, ["ping", "-n", "-D", "-i", "0.01", "-c", count, "-W", "20", address], node.home)

    def assert_all_answered(self, pings, seconds=120, on_their_way=0):
        """All but the last few, of pings that were told to end."""
        pings.wait(seconds)
        sent = int(re.search(r"(\d+) packets transmitted", pings.output()).group(1))
        came = set(map(int, re.findall(r"icmp_seq=(\d+) ", pings.output())))
        self.assertEqual(came, set(range(1, len(came) + 1)))
        self.assertGreaterEqual(len(came), sent - on_their_way)
        times = [float(text) for text in re.findall(r"^\[([0-9.]+)\]", pings.output(), re.MULTILINE)]
        gap = max(after - before for before, after in zip(times, times[1:]))
        print(f"longest time between two answers: {1000 * gap:.0f} ms", flush=True)
