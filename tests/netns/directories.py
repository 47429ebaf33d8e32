"""Tests of directories: one with its file, or several over a real cluster of etcd."""

import json
import os
import re
import sqlite3
import time

import harness
import nodes


class DirectoriesTest(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.network = nodes.Network(self)

    @staticmethod
    def directory_state(member):
        return json.loads(member.network_command("status", "--json"))["directory"]

    @staticmethod
    def knows(member, *addresses):
        """Of these directories, and of no other."""
        member.stop()
        listed = f"  directories: {json.dumps(addresses)}"
        member.edit(lambda text: re.sub(r"^  directories: .*$", listed, text, flags=re.M))
        member.start()

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

    @staticmethod
    def is_at(member, directory):
        """Whether it is connected with this directory, which may be its own."""
        standing = member.standing()
        host = (standing and standing["directory"] or "").rpartition(":")[0]
        return host == directory.outer or member is directory and host == "127.0.0.1"

    def join_one(self, issuer, token):
        """The newcomer is reached by all who run."""
        member = self.network.grow(token)
        for each in self.network.members:
            if each.process.code is None:
                each.wait_for_peers(self.network.members, 120)
        member.wait_for_ping(issuer)
        return member

    def two_directories(self, cluster):
        """The first member, with the issuer, and the second are directories over the cluster."""
        first = self.network.init()
        second = self.network.grow(first.invite())
        self.move_to_etcd(first, cluster)
        self.assertIn("no member is called", first.network_command("directory", "nobody", "0" * 64, code=None))
        self.make_directory(second, first, cluster)
        for member in (first, second):
            self.knows(member, f"{first.outer}:51821", f"{second.outer}:51821")
        self.network.wait_for_all(120)
        return first, second


class LyingStore(DirectoriesTest):
    """A directory's store that somebody writes to."""

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
