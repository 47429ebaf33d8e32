#!/usr/bin/python3
"""weftd --replace: a new program goes on with the sessions of the one that runs."""

import contextlib
import fcntl
import os
import random
import re
import signal
import socket
import struct
import time

import capture
import harness
import nodes


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

    def go_to(self, step, successor, damage=None):
        """`damage` is done to the state on the way."""
        self.successor = self.accept(successor)
        if step == 0:
            return
        self.former = socket.socket(socket.AF_UNIX)
        self.former.connect(self.path)
        names, descriptors = self.receive(self.former)
        try:
            if damage:
                descriptors[1] = self.copy_of(descriptors[1], damage)
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


class Replace(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        left, right = self.hosts()
        self.left, self.right = nodes.Node(self, left, 1), nodes.Node(self, right, 2)
        self.left.knows(self.right)
        self.right.knows(self.left)
        self.left.start()
        self.right.start()
        self.wait_for_ping(left, "10.200.2.1")

    def successor(self, node):
        return harness.Process(self, [harness.WEFTD, "--replace", node.name, "--config", node.file], node.home)

    def replace(self, node):
        """A new process takes the node's place."""
        process = self.successor(node)
        harness.wait_until(lambda: "goes on in this process" in process.output() or process.code is not None,
                           "the successor goes on", 60)
        self.assertIsNone(process.code, process.output())
        self.assertEqual(node.process.wait(), 0)
        self.assertIn("goes on in another process", node.log())
        node.process = process

    def handshakes(self):
        return [node.peer(other)["last_handshake"]
                for node, other in ((self.left, self.right), (self.right, self.left))]

    def pings(self, count):
        """Pings that go on beside the test, 100 in a second, each answer with its time."""
        return harness.Process(self, ["ping", "-n", "-D", "-i", "0.01", "-c", count, "-W", "20", "10.200.2.1"],
                               self.left.home)

    def assert_all_answered(self, pings, seconds=120):
        pings.wait(seconds)
        sent, answered = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", pings.output()).groups())
        self.assertEqual(answered, sent, pings.output()[-500:])
        times = [float(text) for text in re.findall(r"^\[([0-9.]+)\]", pings.output(), re.MULTILINE)]
        gap = max(after - before for before, after in zip(times, times[1:]))
        print(f"longest time between two answers: {1000 * gap:.0f} ms", flush=True)

    def test_sessions_pings_and_a_tcp_transfer_go_on_through_hand_overs_of_both_sides(self):
        before = self.handshakes()
        received = self.right.peer(self.left)["rx_packets"]
        pings = self.pings(1500)
        service = harness.Process(self, ["iperf3", "-s", "-1", "--forceflush"], self.right.home)
        harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        transfer = harness.Process(self, ["iperf3", "-c", "10.200.2.1", "-t", "10", "-b", "20M"], self.left.home)
        for number in range(6):
            self.replace(self.left if number % 2 == 0 else self.right)
            time.sleep(0.5)
        self.assert_all_answered(pings)
        self.assertEqual(transfer.wait(120), 0, transfer.output())
        self.assertEqual(self.handshakes(), before)
        for node in (self.left, self.right):
            self.assertEqual(node.drops("replayed"), 0)
        self.assertGreater(self.right.peer(self.left)["rx_packets"], received + 1500)

    def test_peers_of_commands_stay_and_a_changed_file_is_read(self):
        key = harness.pubkey(harness.genkey())
        self.left.weft("peer", "add", key, "--name", "gamma", "--allowed-ip", "10.200.9.0/24")
        self.replace(self.left)
        self.assertEqual(sorted(peer["name"] for peer in self.left.status()["peers"]), ["gamma", "node2"])
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.replace(self.left)
        self.left.logs("configuration applied")
        self.assertEqual(self.left.peer(self.right)["persistent_keepalive"], 25)
        self.assertEqual([peer["name"] for peer in self.left.status()["peers"]], ["node2"])  # as by a reload
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_addresses_routes_and_sockets_stay(self):
        def host():
            return [self.left.home.ip(*what).stdout for what in
                    (("-o", "addr", "show", "dev", self.left.name),
                     ("route", "show", "table", "all", "dev", self.left.name), ("rule", "show"))]
        before = host()
        for _ in range(2):
            self.replace(self.left)
            self.assertEqual(host(), before)
            self.assertTrue(os.path.exists(f"{harness.SOCKETS}/{self.left.name}.sock"))
            self.assertEqual(self.left.status()["interface"], self.left.name)
        self.left.process.terminate()
        self.assertFalse(self.left.home.has_link(self.left.name))
        self.assertFalse(os.path.exists(f"{harness.CONTROL_SOCKETS}/{self.left.name}.replace"))

    def test_whoever_dies_during_a_hand_over_traffic_is_back_at_once(self):
        chance = random.Random(8)
        for number in range(8):
            former, process = self.left.process, self.successor(self.left)
            harness.wait_until(lambda: os.path.exists(f"/proc/{process.pid}/exe"), "the successor starts")
            time.sleep(chance.uniform(0, 0.4))
            victim, survivor = (process, former) if number % 2 == 0 else (former, process)
            victim.signal(signal.SIGKILL)
            victim.wait()
            self.left.process = survivor
            harness.wait_until(lambda: survivor.code is not None or self.left.home.ping("10.200.2.1", 1, wait=0.3) == 1,
                               "the survivor goes on, or ends", 30)
            if survivor.code is not None:  # it had given its place to whom was killed, or was not given it
                self.left.start()
            self.wait_for_ping(self.left.home, "10.200.2.1", 30)
            for node in (self.left, self.right):
                self.assertEqual(node.drops("replayed"), 0)

    def test_whoever_is_killed_at_any_step_no_counter_is_used_twice_and_traffic_is_back(self):
        for node in (self.left, self.right):
            node.process.terminate()
            node.rest = "offloads: {udp: off}\n"  # each datagram is a packet of its own
            node.start()
        listeners = [capture.Capture(self, node.home, "net0") for node in (self.left, self.right)]
        used = [set(), set()]

        def look_at_counters():
            for listener, seen in zip(listeners, used):
                counters = [counter for counter in (packet.counter() for packet in listener.packets()) if counter]
                twice = [counter for number, counter in enumerate(counters)
                         if counter in seen or counter in counters[:number]]
                self.assertEqual(twice, [])
                seen.update(counters)
        self.wait_for_ping(self.left.home, "10.200.2.1")
        pings = [harness.Process(self, ["ping", "-n", "-i", "0.02", address], node.home)
                 for node, address in ((self.left, "10.200.2.1"), (self.right, "10.200.1.1"))]
        for step, (what, able) in enumerate(Between.STEPS):
            for victim in ("former", "successor"):
                former, between = self.left.process, Between(self, self.left)
                successor = self.successor(self.left)
                between.go_to(step, successor)
                survivor = successor if victim == "former" else former
                killed = former if victim == "former" else successor
                killed.signal(signal.SIGKILL)
                killed.wait()
                before = time.monotonic()
                between.end()
                if able in ("both", "former" if victim == "successor" else "successor"):
                    self.left.process = survivor
                else:
                    survivor.wait()
                    self.left.start()  # as a service manager would
                self.wait_for_ping(self.left.home, "10.200.2.1")
                print(f"{what}; the {victim} is killed: traffic is back after {time.monotonic() - before:.1f} s",
                      flush=True)
                self.assertIsNone(self.left.process.code, self.left.log())
                look_at_counters()
                for node in (self.left, self.right):
                    self.assertEqual(node.drops("replayed"), 0)
        for ping in pings:
            ping.kill()
        look_at_counters()
        for seen in used:
            self.assertGreater(len(seen), 100)

    def test_a_successor_that_cannot_read_the_state_begins_anew_with_the_device(self):
        def index():
            return self.left.home.ip("-o", "link", "show", self.left.name).stdout.split(":")[0]

        def host():
            return [self.left.home.ip(*what).stdout for what in
                    (("-o", "addr", "show", "dev", self.left.name),
                     ("route", "show", "table", "all", "dev", self.left.name), ("rule", "show"))]

        def of_the_future(state):
            state[16:20] = struct.pack("<I", 4711)
            return state

        def cut_off(state):
            return state[:len(state) // 2]
        before = index(), host()
        for damage, reason in ((of_the_future, "its format is version 4711"), (cut_off, "it is damaged"),
                               (lambda state: state[:0], "it is no state of a node")):
            former, between = self.left.process, Between(self, self.left)
            self.left.process = self.successor(self.left)
            between.go_to(4, self.left.process, damage)
            self.left.logs("goes on in this process")
            between.end()
            self.assertEqual(former.wait(), 0)
            self.assertIn(reason, self.left.log())
            self.assertIn("begin anew", self.left.log())
            self.assertEqual((index(), host()), before)
            self.wait_for_ping(self.left.home, "10.200.2.1")
            self.wait_for_ping(self.right.home, "10.200.1.1")

    def test_a_successor_waits_for_a_configuration_on_trial(self):
        before = self.handshakes()
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.left.weft("apply", self.left.file, "--confirm", "3s")
        self.replace(self.left)
        self.assertEqual(self.handshakes(), before)
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_of_two_successors_that_come_at_once_one_goes_on(self):
        before = self.handshakes()
        pings = self.pings(300)
        all_of_them = [self.left.process, self.successor(self.left), self.successor(self.left)]

        def alive():
            return [process for process in all_of_them if process.code is None]
        harness.wait_until(lambda: len(alive()) == 1 and "goes on in this process" in alive()[0].output(),
                           "one goes on")
        self.left.process = alive()[0]
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)

    def test_a_full_tunnel_and_its_lock_stay(self):
        def host():
            return [self.left.home.run(*what).stdout for what in
                    (("ip", "rule", "show"), ("ip", "-6", "rule", "show"), ("nft", "list", "ruleset"),
                     ("ip", "route", "show", "table", "all", "dev", self.left.name))]
        command = [harness.WEFTD, "--config", self.left.file, "--no-helper"]
        self.left.process.terminate()
        self.left.peers[0]["default_route"] = True
        self.left.write(kill_switch=True)
        self.left.process = harness.Process(self, command, self.left.home)
        self.left.wait_ready()
        self.wait_for_ping(self.left.home, "10.200.2.1")
        before, handshakes, pings = host(), self.handshakes(), self.pings(300)
        for _ in range(2):
            former = self.left.process
            self.left.process = harness.Process(self, [*command, "--replace", self.left.name], self.left.home)
            self.left.logs("goes on in this process", 60)
            self.assertEqual(former.wait(), 0)
            self.assertEqual(host(), before)
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), handshakes)
        self.left.process.terminate()
        self.assertNotIn(self.left.name, self.left.home.ip("rule", "show").stdout)

    def test_a_successor_that_could_not_go_on_changes_nothing(self):
        before = self.handshakes()
        pings = self.pings(300)
        command = [harness.WEFTD, "--replace", self.left.name, "--config", self.left.file]
        for words, host, reason in (
                ([], self.right.home, "another network namespace"),
                (["setpriv", "--bounding-set=-net_admin"], self.left.home, "CAP_NET_ADMIN")):
            process = harness.Process(self, [*words, *command], host)
            self.assertEqual(process.wait(), 1, process.output())
            self.assertIn(reason, process.output())
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)

    def test_what_cannot_be_replaced_is_refused_with_the_reason(self):
        for options, environment, reason in (
                (("--replace", "other"), {}, f"is for {self.left.name}"),
                ((), {"NOTIFY_SOCKET": "/nowhere"}, "weft upgrade")):
            process = harness.Process(self, [harness.WEFTD, "--config", self.left.file,
                                             *(options or ("--replace", self.left.name))], self.left.home, environment)
            self.assertEqual(process.wait(), 2)
            self.assertIn(reason, process.output())
        self.left.process.terminate()
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1)
        self.assertIn("can be replaced", process.output())

    def test_the_first_process_of_a_container_is_not_replaced(self):
        self.left.process.terminate()
        self.left.start("unshare", "--pid", "--fork", "--kill-child")
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1)
        self.assertIn("can be replaced", process.output())
        self.wait_for_ping(self.left.home, "10.200.2.1")


if __name__ == "__main__":
    harness.main()
