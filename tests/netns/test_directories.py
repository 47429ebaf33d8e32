#!/usr/bin/python3
"""Several directories over etcd, and directories whose store lies."""

import json
import os
import re
import signal
import sqlite3
import time
import unittest

import etcd
import harness
import nodes


class DirectoriesTest(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.network = nodes.Network(self)

    @staticmethod
    def directory_state(member):
        return json.loads(member.network_command("status", "--json"))["directory"]

    def recover(self, member):
        """As docs/network.md says, once the directory has read its store."""
        def is_read():
            state = self.directory_state(member)
            return state is not None and state["loaded"]
        harness.wait_until(is_read, f"the directory of {member.member} has read its store", 60, pause=0.2)
        # Members show what an empty store lacks within seconds, and it may be that they have shown it before.
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and not self.directory_state(member)["recovering"]:
            time.sleep(0.5)
        member.network_command("recover")


@unittest.skipUnless(etcd.is_there(), "it needs etcd (Debian's package etcd-server)")
class OverEtcd(DirectoriesTest):
    """docs/network.md, "Several directories with etcd"."""

    def page_block(self, language):
        with open(f"{harness.ROOT}/docs/network.md") as file:
            page = file.read()
        chapter = page[page.index("## Several directories with etcd"):page.index("## Backup and restore")]
        return re.search(rf"```{language}\n(.*?)```", chapter, re.DOTALL).group(1)

    def store_section(self, cluster):
        """`store:` as the page has it, with the test's own places."""
        text = self.page_block("yaml")
        for number, url in enumerate(cluster.urls, 1):
            text = text.replace(f"https://etcd{number}.example.net:2379", url)
        text = text.replace("/etc/weft/etcd.password", cluster.password_file)
        text = text.replace("/etc/weft/etcd-ca.pem", cluster.authority)
        return text[text.index("  store:"):]

    def move_to_etcd(self, first, cluster):
        first.stop()
        first.edit(lambda text: re.sub(r"^  store: .*\n", lambda _: self.store_section(cluster), text, flags=re.M))
        first.start()
        self.recover(first)

    def make_directory(self, member, issuer, cluster):
        """A member becomes another directory."""
        asked = json.loads(member.network_command("directory", "--json"))
        self.assertEqual(os.stat(asked["key_file"]).st_mode & 0o777, 0o600)
        again = json.loads(member.network_command("directory", "--json"))
        self.assertEqual(again, asked)  # the key stays
        with open(asked["certificate_file"], "w") as file:
            file.write(issuer.network_command("directory", asked["name"], asked["key"]))
        member.stop()
        member.edit(lambda text: f"{text}\ndirectory:\n  listen: \"[::]:51821\"\n{self.store_section(cluster)}"
                                 f"  certificate: {asked['certificate_file']}\n  key: {asked['key_file']}\n")
        member.start()

    def knows_both(self, member, both):
        member.stop()
        addresses = json.dumps([f"{each.outer}:51821" for each in both])
        member.edit(lambda text: re.sub(r"^  directories: .*$", f"  directories: {addresses}", text, flags=re.M))
        member.start()

    def join_one(self, issuer, token):
        """The newcomer is reached by all who run."""
        member = self.network.grow(token)
        for each in self.network.members:
            if each.process.code is None:
                each.wait_for_peers(self.network.members, 120)
        member.wait_for_ping(issuer)
        return member

    def test_directories_and_nodes_of_etcd_come_and_go_and_joining_goes_on(self):
        cluster = etcd.Cluster(self.network)
        first = self.network.init()
        second = self.network.grow(first.invite())
        self.move_to_etcd(first, cluster)
        self.assertIn("no member is called", first.network_command("directory", "nobody", "0" * 64, code=None))
        self.make_directory(second, first, cluster)
        for member in (first, second):
            self.knows_both(member, (first, second))
        self.network.wait_for_all(120)
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
        said = refused.weft("network", "join", token, "--interface", refused.name, "--config", refused.file, "--state",
                            refused.state, "--name", refused.member, "--no-start", code=None)
        self.assertIn("no issuer", said)

        # It comes back, and all agree.
        first.start()
        refused.join(token)
        self.network.members.append(refused)
        refused.start()
        self.network.wait_for_all(120)
        listed = json.loads(first.network_command("members", "--json"))
        self.assertEqual(len({each["prefixes"][0] for each in listed}), len(self.network.members))


class LyingStore(DirectoriesTest):
    """Whoever holds a directory's store can withhold: nobody is let in, moved or brought back by it."""

    def store_of(self, member):
        return f"{os.path.dirname(member.folder)}/directory/store.db"

    @staticmethod
    def items(path):
        """What a store holds, by key, each with all its versions."""
        with sqlite3.connect(path) as database:
            found = {}
            for key, value in database.execute("SELECT key, value FROM versions ORDER BY revision"):
                if bytes(key).startswith(b"item/"):
                    found.setdefault(bytes(key), []).append(value)
        database.close()
        return found

    @staticmethod
    def kind(key):
        """`c` of a certificate, `r` of a record, `l` of a list, `i` of an issuer."""
        return chr(int(key[len(b"item/"):][:2], 16))

    @staticmethod
    def rewrite(path, rows):
        """Puts these values in their places, as a change of the store's own would."""
        with sqlite3.connect(path) as database:
            for key, value in rows.items():
                database.execute("UPDATE state SET revision = revision + 1")
                database.execute("INSERT INTO versions SELECT ?, revision, ? FROM state", (key, value))
        database.close()

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
