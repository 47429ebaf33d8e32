#!/usr/bin/python3
"""Several cores, and several queues of the device: no datagram overtakes another of its flow, and all are counted."""

import json
import os
import sys
import time

import harness
import nodes

FLOWS = f"{harness.ROOT}/tools/bench/numbered_flows.py"
PORT = 9000
COUNT = 4  # flows each way
SIZE = 1392  # bytes of payload in a datagram


class Flows(harness.NetnsTest):
    """Two nodes, and numbered flows between them."""

    BYTES = int(os.environ.get("WEFT_ORDER_BYTES", 60_000_000))  # each way

    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)

    def start(self, cores):
        self.renewed = time.monotonic()
        for node in (self.left, self.right):
            node.settings["cores"] = cores
            node.start()
        nodes.wait_for_ping(self.left, self.right)

    def flows(self, action, node, address, progress, *more):
        process = harness.Process(self, [sys.executable, "-B", FLOWS, action, address, PORT, progress, COUNT, *more],
                                  node.home)
        harness.wait_until(lambda: f"{action}ing" in process.output(), f"datagrams for {address}: {action}")
        return process

    def threads(self, node):
        """The processor time of those that help the packets' loop, by their names."""
        used = {}
        for number in os.listdir(f"/proc/{node.process.pid}/task"):
            with open(f"/proc/{node.process.pid}/task/{number}/comm", encoding="ascii") as file:
                name = file.read().strip()
            if name.startswith(("weft-tun", "weft-cipher")):
                with open(f"/proc/{node.process.pid}/task/{number}/stat", encoding="ascii") as file:
                    cells = file.read().rpartition(")")[2].split()
                used[name] = (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")
        return dict(sorted(used.items()))

    def packets(self, node, other):
        peer = node.peer(other)
        return peer["rx_packets"], peer["tx_packets"]

    def assert_order(self, beside):
        """Flows both ways; `beside` is done again and again meanwhile."""
        ways = ((self.left, self.right), (self.right, self.left))
        files = [f"{self.folder}/arrived{self.number()}" for _ in ways]
        before = [self.packets(*way) for way in ways]
        watchers = [self.flows("watch", to, nodes.address_of(to), file) for (_, to), file in zip(ways, files)]
        senders = [self.flows("send", node, nodes.address_of(to), file, self.BYTES)
                   for (node, to), file in zip(ways, files)]
        rounds = 0
        while any(sender.code is None for sender in senders):
            beside(rounds)
            rounds += 1
        for sender in senders:
            self.assertEqual(sender.code, 0, sender.output())
        seen = []
        for watcher in watchers:
            self.assertEqual(watcher.terminate(), 0, watcher.output())
            seen.append(json.loads(watcher.output().splitlines()[-1]))
        print(f"{rounds} rounds beside, {seen}", flush=True)
        print(f"threads: {[self.threads(node) for node in (self.left, self.right)]}", flush=True)
        for one in seen:
            self.assertEqual((one["late"], one["wrong"]), (0, []), "[flow, awaited, number]")
        # Where workers get no processor, packets are dropped, but none without being counted.
        sent = 2 * -(-self.BYTES // (COUNT * SIZE)) * COUNT
        lost = [self.lost(node) for node, _ in ways]
        self.assertEqual(sum(one["received"] for one in seen) + sum(sum(counts.values()) for counts in lost), sent, lost)
        for (node, other), (received, given), one in zip(ways, before, reversed(seen)):
            counts = self.packets(node, other)
            self.assertGreaterEqual(counts[0] - received, one["received"])
            self.assertGreaterEqual(counts[1] - given, sent // 2 - sum(lost[0].values()) - sum(lost[1].values()))
        # What one has sent, the other has received: nothing is counted twice or not at all.
        if not any(lost):
            harness.wait_until(lambda: self.packets(self.left, self.right) == self.packets(self.right, self.left)[::-1],
                               "both count the same")

    def lost(self, node):
        """What has been dropped of packets that should have passed."""
        status = node.status()
        return {reason: count for part in (status, *status["peers"]) for reason, count in (part["drops"] or {}).items()
                if count and reason not in ("no_route", "malformed_packet")}

    def renew(self, number):
        """The session, and what the file says."""
        # What is under way has the key of the session before, but not of the one before that.
        if time.monotonic() > self.renewed + 2:
            self.left.weft("explain", code=None)  # begins a handshake with each peer
            self.renewed = time.monotonic()
        node = (self.left, self.right)[number % 2]
        node.peers[0]["persistent_keepalive"] = 20 + number
        node.write()
        node.reload()


class Order(Flows):
    def test_flows_keep_their_order_while_sessions_and_files_are_renewed(self):
        for cores in (2, 3, 4, 8, 16):
            print(f"{cores} cores", flush=True)
            self.start(cores)
            self.assert_order(self.renew)
            for node in (self.left, self.right):
                node.process.terminate()


class Queues(Flows):
    def queues(self, node):
        detail = node.home.run("ip", "-d", "link", "show", node.name).stdout
        return int(detail.partition("numqueues ")[2].split()[0]) if "multi_queue" in detail else None

    def wait_for_threads(self, *names):
        """A thread has its name, and a worker is ready, only once it has run."""
        harness.wait_until(lambda: list(self.threads(self.left)) == list(names), f"the threads {names}")

    def test_below_eight_cores_the_device_has_one_queue_and_below_four_no_thread(self):
        self.start(3)
        self.assertIsNone(self.queues(self.left))
        self.wait_for_threads("weft-cipher-0", "weft-cipher-1")
        self.left.process.terminate()
        self.left.settings["cores"] = 4
        self.left.start()
        self.assertIsNone(self.queues(self.left))
        self.wait_for_threads("weft-cipher-0", "weft-cipher-1", "weft-tun-0")

    def test_sixteen_cores_have_four_queues_which_a_successor_goes_on_with(self):
        self.start(16)
        self.assertEqual(self.queues(self.left), 4)
        harness.wait_until(lambda: self.left.status()["cores"]["in_use"] == 16, "all threads are ready")
        old = self.left.process

        def replace(number):
            time.sleep(0.1)
            if number == 0:
                self.left.process = harness.Process(
                    self, [harness.WEFTD, "--config", self.left.file, "--replace", self.left.name], self.left.home)
                self.left.logs("goes on in this process")
        self.assert_order(replace)
        self.assertEqual(old.wait(), 0)
        self.assertEqual(self.queues(self.left), 4)


if __name__ == "__main__":
    harness.main()
