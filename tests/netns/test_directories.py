#!/usr/bin/python3
"""Several directories over etcd, and directories whose store lies."""

import json
import os
import signal
import unittest

import directories
import etcd
import harness
import nodes


@unittest.skipUnless(etcd.is_there(), "it needs etcd (Debian's package etcd-server)")
class OverEtcd(directories.OverEtcd):
    def test_directories_and_nodes_of_etcd_come_and_go_and_joining_goes_on(self):
        cluster = etcd.Cluster(self.network)
        first, second = self.two_directories(cluster)
        token = first.invite("--uses", 20)
        third = self.join_one(first, token)

        # Nodes of etcd in turn.
        for node in range(3):
            cluster.kill(node)
            self.join_one(first, token)
            cluster.start(node)
            harness.wait_until(lambda n=node: cluster.answers(n), f"node {node} of etcd is back", 60, pause=0.2)

        # The second directory.
        second.process.signal(signal.SIGKILL)
        second.process.wait()
        self.join_one(first, token)
        second.start()

        # The first one, with its issuer: who is there goes on, and the other one tells what there is.
        first.process.signal(signal.SIGKILL)
        first.process.wait()
        harness.wait_until(lambda: third.standing()["directory"] not in (None, f"{first.outer}:51821"),
                           "the third one is at the other directory", 120, pause=0.2)
        third.stop()
        third.start()
        self.assertGreater(len(third.peers()), 4)
        third.wait_for_ping(second)
        refused = self.network.add()
        self.network.members.remove(refused)
        said = refused.weft("network", "join", token, *refused.place, code=None)
        self.assertIn("no issuer", said)

        # It comes back, and all agree.
        first.start()
        refused.join(token)
        self.network.members.append(refused)
        refused.start()
        self.network.wait_for_all(120)
        listed = json.loads(first.network_command("members", "--json"))
        self.assertEqual(len({each["prefixes"][0] for each in listed}), len(self.network.members))


class LyingStore(directories.LyingStore):
    """Whoever holds a directory's store can withhold: nobody is let in, moved or brought back by it."""

    def test_a_rewritten_store_lets_nobody_in_and_moves_nobody(self):
        first, second, third = self.network.mesh(3)
        fourth = self.network.grow(first.invite())
        self.network.wait_for_all()
        first.wait_for_ping(fourth)
        # Another network on the same hosts, whose authority would like to be this one's.
        other = nodes.Network(self)
        other.host, other.made = self.network.host, 20
        alien = other.init()
        other.grow(alien.invite())
        other.wait_for_all()
        alien.stop()
        # One is removed, and that is known to all.
        first.network_command("remove", "node4")
        self.network.members.remove(fourth)
        self.network.wait_for_all()
        before = {member: {peer["name"]: (peer["public_key"], peer["allowed_ips"]) for peer in member.status()["peers"]}
                  for member in (first, second, third)}
        first.stop()

        held, foreign = self.items(self.store_of(first)), self.items(self.store_of(alien))
        present = {key: versions[-1] for key, versions in held.items() if versions[-1] is not None}
        rows = {key: versions[-1] for key, versions in foreign.items()
                if self.kind(key) in "cr" and versions[-1] is not None}  # another authority's
        self.assertGreaterEqual(len(rows), 3)
        certificates = [key for key in present if self.kind(key) == "c"]
        self.assertGreaterEqual(len(certificates), 3)
        rows.update(zip(certificates, [present[key] for key in certificates[1:] + certificates[:1]]))  # swapped
        records = [key for key in present if self.kind(key) == "r"]
        rows.update(zip(records, [present[key] for key in records[1:] + records[:1]]))
        lists = [key for key in present if self.kind(key) == "l"]
        for key in lists:
            older = [value for value in held[key] if value is not None and value != present[key]]
            self.assertTrue(older, "the list before the removal is there")
            rows[key] = older[0]
        gone = {key: [value for value in versions if value is not None][-1] for key, versions in held.items()
                if versions[-1] is None and self.kind(key) in "cr"}
        rows.update(gone)  # the removed member's
        self.rewrite(self.store_of(first), rows)

        first.start()
        second.stop()
        second.start()  # it asks for everything
        for member in (second, third):
            harness.wait_until(lambda m=member: m.standing()["directory"], f"{member.member} is connected", 120, pause=0.2)
        harness.wait_until(lambda: sum(second.standing()["refused"].values()) > 0, "the lies are counted", 60, pause=0.2)
        status = second.status()["network"]
        self.assertTrue(status["refused"], status)
        for member, peers in before.items():
            now = {peer["name"]: (peer["public_key"], peer["allowed_ips"]) for peer in member.status()["peers"]}
            self.assertEqual(now, peers, member.member)
        second.wait_for_ping(third)
        first.wait_for_ping(second)
        self.assertEqual(fourth.ping(second, 1, wait=1), 0)


if __name__ == "__main__":
    harness.main()
