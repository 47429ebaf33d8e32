#!/usr/bin/python3
"""A directory whose store somebody has filled with what nobody of the network has signed."""

import os
import random
import re
import signal

import directories
import harness


class FilledStore(directories.LyingStore):
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

    def test_a_flood_of_100000_forged_entries_disturbs_no_member(self):
        first, second, third = self.network.mesh(3)
        second.wait_for_ping(third)
        before = {member: member.memory("VmRSS") for member in (second, third)}
        first.stop()
        rows = self.forged({key: versions[-1] for key, versions in self.items(self.store_of(first)).items()
                            if versions[-1] is not None}, 100_000)
        self.rewrite(self.store_of(first), rows)
        ping = harness.Process(self, ["ping", "-n", "-i", "0.2", "-W", "10", third.addresses[0]], second.home)
        first.start()
        for member in (second, third):
            harness.wait_until(lambda m=member: sum(m.standing()["refused"].values()) >= len(rows),
                               f"{member.member} counts each of the forged entries", 300, pause=1)
        ping.signal(signal.SIGINT)  # which makes it say what it has lost
        ping.wait(60)
        sent = int(re.search(r"(\d+) packets transmitted", ping.output()).group(1))
        came = set(map(int, re.findall(r"icmp_seq=(\d+) ttl", ping.output())))
        self.assertEqual(came, set(range(1, len(came) + 1)), "but for the last ones, which were on their way")
        self.assertGreater(len(came), sent - 50)
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


if __name__ == "__main__":
    harness.main()
