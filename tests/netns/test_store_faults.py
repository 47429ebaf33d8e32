#!/usr/bin/python3
"""Stores that directories are cut off from, that are compacted, or full: nothing is given twice, and nothing lost."""

import contextlib
import json
import os
import shutil
import signal
import unittest

import directories
import etcd
import harness


class Agreement(directories.DirectoriesTest):
    def refuse_or_join(self, token):
        """A newcomer asks while a store is away: it is a member, or a no was said, and the same token serves later."""
        member = self.network.add()
        said = member.weft("network", "join", token, *member.place, "--json", code=None, timeout=180)
        if os.path.exists(member.file):
            member.addresses = json.loads(said)["addresses"]
        else:
            self.assertIn("error", json.loads(said))
        return member

    @staticmethod
    def fill(disk):
        """To the last byte."""
        with open(f"{disk}/ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 14))

    def agree(self, *those):
        """Whoever was asked has come, all know all, and nothing was given twice."""
        self.network.wait_for_all(180)
        listed = json.loads(those[0].network_command("members", "--json"))
        present = [each for each in listed if not each["removed"]]
        self.assertEqual({each["name"] for each in present}, {each.member for each in self.network.members})
        for key in ("name", "public_key"):
            self.assertEqual(len({each[key] for each in present}), len(present), key)
        prefixes = [prefix for each in listed for prefix in each["prefixes"]]
        self.assertEqual(len(set(prefixes)), len(prefixes), "a slice was given twice")

        def states():
            return [self.directory_state(each) for each in those]
        harness.wait_until(lambda: len({(each["store"], each["revision"]) for each in states()}) == 1
                           and not any(each["recovering"] for each in states()), "the directories agree", 60, pause=0.5)
        for member in self.network.members[1:]:
            member.wait_for_ping(those[0])


@unittest.skipUnless(etcd.is_there(), "it needs etcd (Debian's package etcd-server)")
class OverEtcd(Agreement, directories.OverEtcd):
    def cut_off(self, member, cluster):
        """From etcd, and from nothing else, until uncut()."""
        addresses = ", ".join(cluster.addresses)
        member.home.nft("add table inet cut", "add chain inet cut out { type filter hook output priority 0; }",
                        f"add rule inet cut out ip daddr {{ {addresses} }} drop",
                        "add chain inet cut in { type filter hook input priority 0; }",
                        f"add rule inet cut in ip saddr {{ {addresses} }} drop")

    @staticmethod
    def uncut(member):
        member.home.nft("delete table inet cut")

    def send_to(self, member, directory, other):
        """Has a member connect to this directory, although it knows both."""
        member.home.nft("add table inet away", "add chain inet away out { type filter hook output priority 0; }",
                        f"add rule inet away out ip daddr {other.outer} tcp dport 51821 reject with tcp reset")
        self.knows(member, f"{directory.outer}:51821", f"{other.outer}:51821")
        harness.wait_until(lambda: self.is_at(member, directory), f"{member.member} is at {directory.member}", 60,
                           pause=0.2)
        member.home.nft("delete table inet away")

    def test_a_directory_that_is_cut_off_from_etcd_loses_and_doubles_nothing(self):
        cluster = etcd.Cluster(self.network)
        first, second = self.two_directories(cluster)
        token = first.invite("--uses", 20)
        third = self.join_one(first, token)
        self.send_to(third, second, first)
        # The one without the issuer: who is there hears of what is new by the other one.
        self.cut_off(second, cluster)
        self.join_one(first, token)
        for member in (second, third):
            harness.wait_until(lambda m=member: self.is_at(m, first), f"{member.member} is at the other directory", 60,
                               pause=0.2)
        first.network_command("remove", "node4")
        gone = self.network.members.pop()
        token = first.invite("--uses", 20)  # the other one went with the member
        self.join_one(first, token)
        self.uncut(second)
        self.agree(first, second)
        self.assertEqual(gone.ping(second, 1, wait=1), 0)
        # The one beside the issuer: what it was asked meanwhile is done or refused, and either way once.
        self.cut_off(first, cluster)
        late = self.refuse_or_join(token)
        self.assertGreater(len(second.peers()), 1)
        second.wait_for_ping(first)  # packets wait for no store
        self.uncut(first)
        if not os.path.exists(late.file):
            harness.wait_until(lambda: not self.directory_state(first)["trouble"]["store"], "the store is back", 120)
            late.join(token)
        late.start()
        self.agree(first, second)

    def test_a_directory_that_slept_through_a_compaction_catches_up(self):
        cluster = etcd.Cluster(self.network)
        first, second = self.two_directories(cluster)
        token = first.invite("--uses", 20)
        self.network.grow(token)
        self.network.wait_for_all(120)
        second.process.signal(signal.SIGSTOP)
        fourth = self.network.add()
        fourth.join(token)
        fourth.start()
        first.network_command("remove", "node3")
        self.network.members.remove(next(each for each in self.network.members if each.member == "node3"))
        fourth.wait_for_ping(first)
        for _ in range(2):
            cluster.compact()
            first.network_command("rekey")
        cluster.compact()
        second.process.signal(signal.SIGCONT)
        self.agree(first, second)
        self.assertNotIn("node3", second.peers())

    def test_full_disks_of_etcd_lose_and_double_nothing(self):
        cluster = etcd.Cluster(self.network, "--quota-backend-bytes", "30000000", small=[2])
        first, second = self.two_directories(cluster)
        token = first.invite("--uses", 20)
        # One node's disk is full, and it ends.
        self.fill(cluster.disk(2))
        value = etcd.encoded(os.urandom(700_000))
        written = 0
        while cluster.processes[2].code is None:
            with contextlib.suppress(OSError, AssertionError):  # it may have been the leader
                cluster.as_root("/v3/kv/put", key=etcd.encoded(b"other/%d" % written), value=value)
            written += 1
            self.assertLess(written, 60)
        self.join_one(first, token)
        # The others' quota is used up: nothing is confirmed that is not kept, and that is said.
        with contextlib.suppress(AssertionError):
            while True:
                cluster.as_root("/v3/kv/put", key=etcd.encoded(b"other/%d" % written), value=value)
                written += 1
        late = self.refuse_or_join(token)
        # What docs/network.md and the error say: make room.
        cluster.as_root("/v3/kv/deleterange", key=etcd.encoded(b"other/"), range_end=etcd.encoded(b"other0"))
        cluster.compact()
        for node in (0, 1):
            cluster.as_root("/v3/maintenance/defragment", node)
        for alarm in cluster.as_root("/v3/maintenance/alarm", action="GET").get("alarms", []):
            cluster.as_root("/v3/maintenance/alarm", action="DEACTIVATE", memberID=alarm["memberID"],
                            alarm=alarm["alarm"])
        os.unlink(f"{cluster.disk(2)}/ballast")
        cluster.start(2)
        harness.wait_until(lambda: not self.directory_state(first)["trouble"]["store"], "the store takes changes", 120)
        if not os.path.exists(late.file):
            late.join(token)
        late.start()
        self.agree(first, second)


class OverSqlite(Agreement):
    def test_a_full_disk_of_the_store_loses_and_doubles_nothing(self):
        first = self.network.init()
        token = first.invite("--uses", 20)
        self.network.grow(token)
        self.network.wait_for_all()
        # Its store moves to a small disk.
        first.stop()
        store = f"{os.path.dirname(first.folder)}/directory"
        shutil.move(store, f"{store}.before")
        self.small_disk(store, "1m")
        for name in os.listdir(f"{store}.before"):
            shutil.copy2(f"{store}.before/{name}", store)
        first.start()
        harness.wait_until(lambda: self.directory_state(first)["loaded"], "the store is read", 60)
        self.fill(store)
        # What was confirmed stays; in the end somebody is refused, or the directory says that it lacks room.
        refused = None
        for _ in range(20):
            member = self.refuse_or_join(token)
            if not os.path.exists(member.file):
                refused = member
                break
            member.start()
            if self.directory_state(first)["trouble"]["store"]:
                break
        self.assertTrue(refused or self.directory_state(first)["trouble"]["store"], "the disk was never full")
        os.unlink(f"{store}/ballast")
        harness.wait_until(lambda: not self.directory_state(first)["trouble"]["store"], "the store takes changes", 120)
        if refused:
            refused.join(token)
            refused.start()
        self.agree(first)


if __name__ == "__main__":
    harness.main()
