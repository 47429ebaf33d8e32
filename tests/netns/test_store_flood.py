#!/usr/bin/python3
"""A directory that tells what nobody of the network has signed: somebody has filled its store, or it lies itself."""

import os
import random
import re
import signal
import threading

import directories
import harness
import liar


class Flood(directories.LyingStore):
    def forged(self, present, count):
        """So many entries that nobody of the network has signed, by key: certificates and records of members of whom
        nobody has heard, and what is rightly signed in a place that is not its own."""
        draw = random.Random(5)
        certificate, record = (next(value for key, value in sorted(present.items()) if self.kind(key) == kind)
                               for kind in "cr")
        broken = bytearray(certificate)
        broken[-10] ^= 1  # within the signature
        # Looking at a certificate is what costs: of 20 there are two.
        contents = [("c", bytes(certificate)), ("c", bytes(broken)), *[("c", b"no certificate")] * 9,
                    *[("r", bytes(record))] * 9]
        rows = {}
        for number in range(count):
            kind, content = contents[number % len(contents)]
            rows[b"item/" + f"{ord(kind):02x}{draw.randbytes(16).hex()}".encode()] = content
        return rows

    def ping_on(self, source, other):
        """Pings until it is told to end."""
        return harness.Process(self, ["ping", "-n", "-i", "0.2", "-W", "10", other.addresses[0]], source.home)

    def assert_none_lost(self, ping):
        ping.signal(signal.SIGINT)  # which makes it say what it has lost
        ping.wait(60)
        sent = int(re.search(r"(\d+) packets transmitted", ping.output()).group(1))
        came = set(map(int, re.findall(r"icmp_seq=(\d+) ttl", ping.output())))
        self.assertEqual(came, set(range(1, len(came) + 1)), "but for the last ones, which were on their way")
        self.assertGreater(len(came), sent - 50)


class FilledStore(Flood):
    def test_a_flood_of_100000_forged_entries_disturbs_no_member(self):
        first, second, third = self.network.mesh(3)
        second.wait_for_ping(third)
        before = {member: member.memory("VmRSS") for member in (second, third)}
        first.stop()
        rows = self.forged({key: versions[-1] for key, versions in self.items(self.store_of(first)).items()
                            if versions[-1] is not None}, 100_000)
        self.rewrite(self.store_of(first), rows)
        ping = self.ping_on(second, third)
        first.start()
        for member in (second, third):
            harness.wait_until(lambda m=member: sum(m.standing()["refused"].values()) >= len(rows),
                               f"{member.member} counts each of the forged entries", 300, pause=1)
        self.assert_none_lost(ping)
        for member in (first, second, third):
            self.assertEqual(member.peers(), {"node1", "node2", "node3"} - {member.member})
            self.assertTrue(member.is_connected(), member.member)
        for member, memory in before.items():
            self.assertLess(member.memory("VmRSS") - memory, 150 << 20, member.member)
        # What is forged is not kept for a restart.
        first.stop()
        second.stop()
        self.assertLess(os.path.getsize(f"{second.folder}/items"), 100_000)
        second.start()
        self.assertEqual(second.peers(), {"node1", "node3"})


class LyingDirectory(Flood):
    def test_100000_lies_over_a_connection_disturb_no_member(self):
        first, second, third = self.network.mesh(3)
        first.stop()
        present = {key: versions[-1] for key, versions in self.items(self.store_of(first)).items()
                   if versions[-1] is not None}
        first.start()
        rows = list(self.forged(present, 100_000).items())
        # And what is rightly signed, in the places of others, who are no members any more.
        members = [key for key in present if self.kind(key) == "c"]
        swapped = [(key, present[other]) for key, other in zip(members, members[1:] + members[:1])]
        begins = threading.Event()

        def lies():
            begins.wait(120)
            for begin in range(0, len(rows), 1000):
                some = [(liar.item_key(key), value) for key, value in rows[begin:begin + 1000] + swapped]
                yield liar.changes(begin + 2, some, [liar.item_key(key) for key in members])
                yield liar.frame("seen", at=f"192.0.2.1:{begin // 1000 + 1}")
                yield liar.frame("cut off", **{"is": begin % 2000 == 0})
        false = liar.Liar(self, first, 51822, lies)
        self.knows(second, f"{first.outer}:51822")
        harness.wait_until(second.is_connected, "it is connected to the liar", 60, pause=0.2)
        for other in (first, third):
            second.wait_for_ping(other)
        before = second.memory("VmRSS")
        ping = self.ping_on(second, third)
        begins.set()
        harness.wait_until(lambda: sum(second.standing()["refused"].values()) >= len(rows),
                           "each of the lies is counted", 300, pause=1)
        self.assert_none_lost(ping)
        self.assertEqual(false.connections, 1)
        self.assertEqual(second.peers(), {"node1", "node3"})
        second.wait_for_ping(first)
        self.assertTrue(second.is_connected())
        self.assertLess(second.memory("VmRSS") - before, 150 << 20)


if __name__ == "__main__":
    harness.main()
