#!/usr/bin/python3
"""A configuration file that changes under a running weftd."""

import base64
import os
import re
import signal
import time

import harness
import nodes


class Reload(harness.NetnsTest):
    """One weftd with many peers; another one behind two of them."""

    PEERS = 1000

    def setUp(self):
        super().setUp()
        left, right = self.hosts()
        self.left, self.right = left, right
        self.name = self.interface_name()
        self.file = f"{self.folder}/{self.name}.yaml"
        self.text_file(f"{self.name}.key", (key := harness.genkey()) + "\n")
        self.far = self.device("weftd", right)
        self.far.configure(port=51821, addresses=["10.200.0.2/16"])
        self.far.set("peer", harness.pubkey(key), "allowed-ips", "10.200.0.1/32")
        self.keys = [base64.b64encode(os.urandom(32)).decode() for _ in range(self.PEERS - 1)]

    def device(self, program, namespace):
        return harness.Device(self, program, namespace)

    def write(self, peers, *, mtu=1420, rest=""):
        lines = [f"interface:\n  name: {self.name}\n  private_key_file: {self.name}.key\n"
                 f'  listen: "[::]:51820"\n  addresses: [10.200.0.1/16]\n  mtu: {mtu}\npeers:\n']
        lines += [f"  - {{public_key: {key}, allowed_ips: [{prefix}]{more}}}\n" for key, prefix, more in peers]
        self.text_file(f"{self.name}.yaml", "".join(lines) + rest)

    def peers(self, changed=None):
        yield self.far.public_key, "10.200.0.2/32", ", endpoint: 10.90.0.2:51821"
        for i, key in enumerate(self.keys):
            prefix = "10.201.0.1/32" if i == changed else f"10.200.{i // 200 + 1}.{i % 200 + 1}/32"
            yield key, prefix, ""

    def start(self, rest=""):
        self.write(self.peers(), rest=rest)
        self.daemon = harness.Process(self, [harness.WEFTD, "--config", self.file], self.left)
        harness.wait_until(lambda: "is up" in self.daemon.output(), "weftd starts")
        self.wait_for_ping(self.left, "10.200.0.2")

    def applied(self, count):
        return harness.wait_until(
            lambda: (found := re.findall(r"configuration applied: (.*)", self.daemon.output()))[count - 1:count],
            f"configuration {count} is applied")[0]

    def wg(self, what):
        return self.left.run("wg", "show", self.name, what).stdout

    def test_only_the_peer_that_was_changed_is_touched(self):
        self.start()
        before = self.wg("latest-handshakes")
        ping = harness.Process(self, ["ping", "-i", "0.02", "-c", "150", "-q", "10.200.0.2"], self.left)
        self.write(self.peers(changed=500))
        self.daemon.signal(signal.SIGHUP)
        self.assertRegex(self.applied(1), r"^0 peers added, 1 changed, 0 removed$")
        ping.wait()
        self.assertIn(" 0% packet loss", ping.output())
        self.assertEqual(self.wg("latest-handshakes"), before)
        self.assertIn(f"{self.keys[500]}\t10.201.0.1/32", self.wg("allowed-ips"))

    def test_peers_come_and_go(self):
        self.start()
        others = list(self.peers())
        self.write(others[:-10] + [(harness.pubkey(harness.genkey()), "10.202.0.1/32", "")])
        self.daemon.signal(signal.SIGHUP)
        self.assertRegex(self.applied(1), r"^1 peers added, 0 changed, 10 removed$")
        self.assertEqual(len(self.wg("peers").split()), self.PEERS - 9)
        self.assert_pings(self.left, "10.200.0.2")

    def test_a_broken_file_changes_nothing_and_says_where_it_is_broken(self):
        self.start()
        before = self.wg("dump")
        self.write([*self.peers(changed=3), (self.keys[0], "10.200.300.1/32", "")], mtu=1300)
        self.daemon.signal(signal.SIGHUP)
        line = self.PEERS + 8
        harness.wait_until(lambda: f"{self.file}:{line}:" in self.daemon.output(), "the mistake is named")
        self.assertIn("the configuration stays as it was", self.daemon.output())
        self.assertEqual(self.wg("dump").splitlines()[0], before.splitlines()[0])
        self.assertNotIn("10.201.0.1", self.wg("allowed-ips"))
        self.assertIn("mtu 1420", self.left.ip("link", "show", self.name).stdout)
        self.assert_pings(self.left, "10.200.0.2")

    def test_a_file_that_does_not_answer_holds_up_nothing_else(self):
        self.start()
        os.unlink(self.file)
        os.mkfifo(self.file, 0o600)
        for _ in range(50):
            self.daemon.signal(signal.SIGHUP)
        weft = harness.Process(self, [harness.WEFT, "reload", "-i", self.name], self.left)
        key = harness.pubkey(harness.genkey())
        harness.run("wg", "set", self.name, "peer", key, "allowed-ips", "10.203.0.1/32")
        self.assertIn(key, harness.run("wg", "show", self.name, "peers").stdout)
        self.assert_pings(self.left, "10.200.0.2")
        self.assertEqual(self.daemon.terminate(30), 0)
        self.assertNotEqual(weft.wait(), 0)

    def test_many_orders_to_reload_are_a_few_reloads_and_hold_up_no_order_to_end(self):
        self.start()
        for _ in range(3000):
            self.daemon.signal(signal.SIGHUP)
        reloads = [harness.Process(self, [harness.WEFT, "reload", "-i", self.name], self.left) for _ in range(20)]
        for reload in reloads:
            self.assertEqual(reload.wait(), 0)
        for _ in range(3000):
            self.daemon.signal(signal.SIGHUP)
        self.assertEqual(self.daemon.terminate(30), 0)
        self.assertLess(self.daemon.output().count("configuration applied"), 400)

    def test_a_file_that_is_watched_is_read_again_by_itself(self):
        self.start(rest="reload: watch\n")
        self.write(self.peers(), mtu=1380, rest="reload: watch\n")
        self.assertIn("interface.mtu: 1420 -> 1380", self.applied(1))
        self.assertIn("mtu 1380", self.left.ip("link", "show", self.name).stdout)
        self.assert_pings(self.left, "10.200.0.2")

    def test_a_watched_file_that_stays_unreadable_is_told_of_once_and_taken_up_when_it_can_be_read(self):
        self.start(rest="reload: watch\n")
        # Root without root's rights cannot read what takes its place.
        other = self.file + ".new"
        with open(self.file, encoding="utf-8") as file:
            self.text_file(os.path.basename(other), file.read())
        os.chmod(other, 0o600)
        os.chown(other, 65534, 65534)
        os.rename(other, self.file)
        said = "cannot be read"
        harness.wait_until(lambda: said in self.daemon.output(), "that the file cannot be read")
        time.sleep(2.5)
        self.assertEqual(self.daemon.output().count(said), 1, self.daemon.output())
        os.chown(self.file, 0, 0)
        self.write(self.peers(), mtu=1380, rest="reload: watch\n")
        self.assertIn("interface.mtu: 1420 -> 1380", self.applied(1))

    def test_addresses_and_the_port_follow_the_file(self):
        self.start()
        text = open(self.file, encoding="utf-8").read()
        self.text_file(f"{self.name}.yaml", text.replace("51820", "51830").replace(
            "addresses: [10.200.0.1/16]", "addresses: [10.200.0.1/16, 10.210.0.1/24]\n  cluster_networks: [10.220.0.0/16]"))
        self.daemon.signal(signal.SIGHUP)
        notes = self.applied(1)
        for note in ("interface.listen: [::]:51830", "10.210.0.1/24 added", "10.220.0.0/16 added"):
            self.assertIn(note, notes)
        self.assertEqual(self.wg("listen-port").strip(), "51830")
        self.assertIn("10.210.0.1/24", self.left.ip("addr", "show", self.name).stdout)
        self.assertIn(self.name, self.left.ip("route", "show", "10.220.0.0/16").stdout)
        self.assert_pings(self.left, "10.200.0.2")


class FailedReload(harness.NetnsTest):
    def test_every_reload_that_fails_leaves_a_line_and_changes_nothing(self):
        node, other = nodes.pair(self)
        nodes.wait_for_ping(node, other)
        good = open(node.file, encoding="utf-8").read()
        node.home.ip("link", "add", "taken", "type", "bridge")
        node.home.ip("addr", "add", "10.99.0.1/16", "dev", "taken")
        node.home.ip("link", "set", "taken", "up")
        blocker = node.home.udp_socket()
        self.stack.callback(blocker.close)
        blocker.bind(("0.0.0.0", 51999))
        own_key = node.public_key
        for what, change in {
                "no file": None,
                "no YAML": lambda text: text + "\n}",
                "another section": lambda text: text + "\nbogus: 1",
                "no key file": lambda text: text.replace(".key", ".nokey"),
                "its own key": lambda text: text.replace(other.public_key, own_key),
                "a port that is taken": lambda text: text.replace("51820,", "51999,", 1),
                "a network that is taken": lambda text: text.replace('"10.200.0.0/16"', '"10.99.0.0/16"'),
        }.items():
            if change:
                self.text_file(os.path.basename(node.file), change(good))
            else:
                os.unlink(node.file)
            before = node.log().count("the configuration stays as it was: ")
            node.process.signal(signal.SIGHUP)
            harness.wait_until(lambda: node.log().count("the configuration stays as it was: ") > before, what)
            self.assertEqual(nodes.ping(node, other, 2), 2, what)

    def test_what_is_fine_at_the_start_is_fine_at_a_reload_also_with_relative_names(self):
        node, _ = nodes.pair(self, start=False)
        node.write(socket_folder="sockets")
        os.mkdir(f"{self.folder}/sockets")
        node.process = harness.Process(
            self, ["sh", "-c", 'cd "$1" && exec "$2" --config "$3"', "sh", self.folder, harness.WEFTD,
                   os.path.basename(node.file)], node.home)
        node.wait_ready()
        node.write(mtu=1333)
        node.reload()
        self.assertIn("interface.mtu: 1420 -> 1333", node.log())


if __name__ == "__main__":
    harness.main()
