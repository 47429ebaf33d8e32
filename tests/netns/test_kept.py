#!/usr/bin/python3
"""What a node is told is kept: saved to its file, tried, confirmed, and remembered over a restart."""

import json
import os
import random
import signal
import stat
import subprocess
import time

import harness
import nodes


class WrittenNode(nodes.Node):
    """A node whose file was written by hand, once."""

    reload = "manual"

    def write(self, **settings):
        if os.path.exists(self.file):
            return
        lines = [f"# the node of {self.name}, by hand", "interface:", f"  name: {self.name}",
                 f"  private_key_file: {self.name}.key   # made in May", "  listen: 51820",
                 f"  addresses: [10.200.{self.number}.1/24]", "  cluster_networks: [10.200.0.0/16]", "",
                 "peers:", "  # those of the cellar"]
        for peer in self.peers:
            lines += [f"  - name: {peer['name']}", f"    public_key: {peer['public_key']} # ours",
                      f"    allowed_ips: {json.dumps(peer['allowed_ips'])}"]
            if "endpoint" in peer:
                lines.append(f"    endpoint: {peer['endpoint']}")
        lines += ["", "# and how it runs", f"reload: {self.reload}"]
        self.test.text_file(f"{self.name}.yaml", "\n".join(lines) + "\n")

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def names(self):
        return sorted(peer["name"] for peer in self.status()["peers"])


class Kept(harness.NetnsTest):
    def node(self, reload="manual"):
        left, right = self.hosts()
        node, other = WrittenNode(self, left, 1), nodes.Node(self, right, 2)
        node.reload = reload
        node.knows(other)
        other.knows(node)
        self.other = other
        return node

    def setUp(self):
        super().setUp()
        self.key = harness.pubkey(harness.genkey())

    def add(self, node, *options, **more):
        return node.weft("peer", "add", self.key, "--name", "gamma", "--allowed-ip", "10.200.9.0/24", *options, **more)

    def test_a_saved_peer_is_there_after_reload_and_restart_and_so_are_the_comments(self):
        node = self.node().start()
        before = node.text()
        os.chmod(node.file, 0o640)
        secret = self.text_file("gamma.secret", harness.genkey())
        self.assertIn(f"saved: {node.file}", self.add(node, "--preshared-key-file", secret, "--save"))
        after = node.text()
        for line in before.splitlines():
            self.assertIn(line, after.splitlines())
        self.assertIn('  - name: "gamma"\n', after)
        self.assertIn('    preshared_key_file: "gamma.psk"\n', after)
        key_file = f"{self.folder}/gamma.psk"
        self.assertEqual(stat.S_IMODE(os.stat(key_file).st_mode), 0o600)
        self.assertEqual(open(key_file).read().strip(), open(secret).read().strip())
        self.assertEqual(stat.S_IMODE(os.stat(node.file).st_mode), 0o640)
        self.assertIn("nothing to change", node.weft("reload"))
        self.assertEqual(node.names(), ["gamma", "node2"])
        node.process.terminate()
        node.start()
        self.assertEqual(node.names(), ["gamma", "node2"])
        self.assertIn(f"{key_file}: the file no longer names it", node.weft("peer", "remove", "gamma", "--save"))
        self.assertEqual(node.text(), before)
        self.assertTrue(os.path.exists(key_file))

    def test_what_is_not_saved_is_not_and_save_alone_saves_it(self):
        node = self.node().start()
        before = node.text()
        self.add(node)
        self.assertEqual(node.text(), before)
        self.assertIn("gamma", node.weft("save", "--dry-run"))
        self.assertEqual(node.text(), before)
        self.assertIn("1 peer added", node.weft("save"))
        self.assertIn('name: "gamma"', node.text())
        self.assertIn("nothing to change", node.weft("save"))

    def test_a_log_level_is_saved_like_any_change(self):
        node = self.node().start()
        before = node.text()
        node.weft("log-level", "debug")
        self.assertEqual(node.text(), before)
        self.assertIn(f"saved: {node.file}", node.weft("log-level", "warn", "--save"))
        self.assertIn("level: warn", node.text())

    def test_learnt_endpoints_and_the_key_stay_out_of_the_file(self):
        node = self.node()
        self.other.peers[0].pop("endpoint", None)
        node.peers[0].pop("endpoint")
        self.other.knows(node)
        self.other.peers = self.other.peers[1:]
        node.start(), self.other.start()
        nodes.wait_for_ping(self.other, node)
        self.assertTrue(node.peer(self.other)["endpoint"])
        before = node.text()
        self.assertIn("nothing to change", node.weft("save"))
        self.assertEqual(node.text(), before)

    def test_a_file_that_changed_meanwhile_is_not_overwritten(self):
        node = self.node().start()
        self.add(node)
        with open(node.file, "a", encoding="utf-8") as file:
            file.write("# changed by hand\n")
        changed = node.text()
        self.assertIn("has changed since the node read it", node.weft("save", code=1))
        self.assertIn("is in force, and was not saved", node.weft("peer", "set", "gamma", "--keepalive", "9", "--save",
                                                                  code=1))
        self.assertEqual(node.text(), changed)

    def test_a_watched_file_that_was_saved_is_not_read_as_news(self):
        node = self.node(reload="watch").start()
        self.add(node, "--save")
        node.weft("peer", "set", "gamma", "--keepalive", "7")  # and this is not saved
        time.sleep(1.5)  # nothing happens
        self.assertNotIn("configuration applied", node.log())
        self.assertEqual(next(peer for peer in node.status()["peers"] if peer["name"] == "gamma")
                         ["persistent_keepalive"], 7)
        with open(node.file, "a", encoding="utf-8") as file:
            file.write("# by hand\n")
        node.logs("configuration applied")

    def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(self):
        node = self.node().start()
        choice = random.Random(7)
        for round_ in range(25):
            process = harness.Process(self, [harness.WEFT, "peer", "set", "node2", "--keepalive", str(round_ + 1),
                                             "--save", "-i", node.name], node.home)
            time.sleep(choice.uniform(0, 0.15))
            process.kill()
            checked = subprocess.run([harness.WEFT, "check", node.file], capture_output=True, text=True, check=False)
            self.assertEqual(checked.returncode, 0, checked.stderr)
            self.assertIn("# and how it runs", node.text())
        node.weft("peer", "set", "node2", "--keepalive", "99", "--save")
        self.assertIn("99s", node.text())

    def test_dry_runs_say_what_would_change_and_change_nothing(self):
        node = self.node().start()
        self.add(node)
        self.assertIn("peer 'gamma': is removed", node.weft("reload", "--dry-run"))
        wanted = self.text_file("wanted.yaml", "interface: {mtu: 1300}\npeers: []\n")
        said = json.loads(node.weft("apply", wanted, "--dry-run", "--json"))
        self.assertEqual(said["peers_removed"], 2)
        self.assertIn("interface.mtu: 1420 -> 1300", said["notes"])
        self.assertEqual(node.names(), ["gamma", "node2"])
        self.assertEqual(node.status()["mtu"], 1420)

    def test_what_nobody_confirms_is_taken_back(self):
        node = self.node().start()
        self.other.start()
        nodes.wait_for_ping(node, self.other)
        wanted = self.text_file("wanted.yaml", f"interface: {{name: {node.name}, mtu: 1300}}\n")
        self.assertIn("weft confirm", node.weft("apply", wanted, "--confirm", "2s"))
        self.assertEqual(node.names(), [])
        self.assertIn("on trial", self.add(node, code=1))
        self.assertIn("on trial", node.weft("reload", code=1))
        node.logs("the configuration is taken back")
        nodes.wait_for_ping(node, self.other)
        self.assertEqual(node.names(), ["node2"])
        self.assertEqual(node.status()["mtu"], 1420)

        node.weft("apply", wanted, "--confirm", "3s")
        node.weft("confirm")
        time.sleep(3.5)  # nothing happens
        self.assertEqual(node.names(), [])
        node.weft("confirm", code=2)

    def test_a_restart_takes_back_what_was_on_trial(self):
        node = self.node().start()
        wanted = self.text_file("wanted.yaml", "interface: {mtu: 1300}\n")
        node.weft("apply", wanted, "--confirm", "10m")
        node.process.kill()
        node.start()
        self.assertEqual(node.names(), ["node2"])
        self.assertEqual(node.status()["mtu"], 1420)

    def test_what_runs_is_exported_as_a_file_that_changes_nothing(self):
        node = self.node().start()
        secret = self.text_file("gamma.secret", harness.genkey())
        self.add(node, "--preshared-key-file", secret)
        without = node.weft("export", "--running")
        self.assertIn('name: "gamma"', without)
        self.assertIn("Without the preshared keys of 1 peer", without)
        self.assertNotIn(open(secret).read().strip(), without)
        self.text_file("without.yaml", without)
        self.assertIn("peer 'gamma': preshared_key: is removed",
                      node.weft("apply", f"{self.folder}/without.yaml", "--dry-run"))
        with_keys = node.weft("export", "--running", "--keys")
        self.assertIn(open(secret).read().strip(), with_keys)
        exported = self.text_file("exported.yaml", with_keys)
        self.assertIn("nothing to change", node.weft("apply", exported, "--dry-run"))
        self.assertIn("nothing to change", node.weft("apply", exported))


class Remembered(harness.NetnsTest):
    def pair(self):
        """The first one does not know where the second one is, which comes to it."""
        left, right = self.hosts()
        node, other = nodes.Node(self, left, 1), nodes.Node(self, right, 2)
        node.knows(other, endpoint=False)
        other.knows(node)
        node.start(), other.start()
        nodes.wait_for_ping(other, node)
        return node, other

    def state_file(self, node):
        return f"{self.folder}/state/{node.name}/peers"

    def wait_for_state(self, node, other):
        def written():
            path = self.state_file(node)
            return os.path.exists(path) and other.public_key in open(path).read()
        harness.wait_until(written, "the state is written")

    def assert_traffic_at_once(self, node, other):
        """The other one says nothing by itself for two minutes."""
        node.start()
        nodes.wait_for_ping(node, other)

    def test_a_restarted_node_finds_its_peers_at_once(self):
        node, other = self.pair()
        self.wait_for_state(node, other)
        folder = os.path.dirname(self.state_file(node))
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        for number in (signal.SIGKILL, signal.SIGTERM):
            node.process.signal(number)
            node.process.wait()
            self.assert_traffic_at_once(node, other)
            self.assertEqual(node.peer(other)["endpoint"], "10.90.0.2:51820")

    def test_a_broken_state_is_ignored_with_a_line(self):
        node, other = self.pair()
        node.process.terminate()
        with open(self.state_file(node), "w", encoding="ascii") as file:
            file.write("weft-state 1\nself nobody\nend\n")
        node.start()
        node.logs("is ignored, and written anew")
        self.assertIsNone(node.peer(other)["endpoint"])

    def test_a_state_folder_that_cannot_be_made_is_a_line_and_no_more(self):
        left, _ = self.hosts()
        node = nodes.Node(self, left, 1)
        node.start(environment={"STATE_DIRECTORY": "/proc/nowhere"})
        node.logs("nothing is remembered over a restart")
        self.assertEqual(node.process.terminate(), 0)

    def test_a_peer_that_is_reset_is_known_by_its_configuration_alone(self):
        node, other = self.pair()
        self.assertIsNotNone(node.peer(other)["endpoint"])
        other.process.terminate()
        node.weft("peer", "reset", f"node{other.number}")
        self.assertIsNone(node.peer(other)["endpoint"])
        other.start()
        nodes.wait_for_ping(other, node)


if __name__ == "__main__":
    harness.main()
