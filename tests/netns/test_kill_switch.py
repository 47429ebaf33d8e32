#!/usr/bin/python3
"""The lock of a host (kill_switch).  What it sends beside the tunnel is seen by its gateway.

    container --- host ======= gateway ------- far, which is the tunnel's other
    172.30.0.2    10.90.1.2    .1.1   .2.1     end, and 198.51.100.7
                  fd90:1::2    ::1             2001:db8:7::7
"""

import os
import signal
import socket
import time

import capture
import gateway
import harness
import nodes
from harness import wait_until

PORT = 51820
MARK = 7
EVERYTHING = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
TARGETS = ("198.51.100.7", "2001:db8:7::7")
SSH = 2222


class KillSwitch(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.host, self.gateway = (gateway.open_gateway(self, label) for label in "hg")
        self.far, self.inside = (self.namespace(label) for label in "fc")
        gateway.put_behind(self, self.gateway, self.host, "10.90.1.{}", "fd90:1::{}", own=2, gate=1, gate_link="in0")
        gateway.put_behind(self, self.gateway, self.far, "10.90.2.{}", "fd90:2::{}", own=2, gate=1, gate_link="out0")
        gateway.put_behind(self, self.host, self.inside, "172.30.0.{}", "fd30::{}", own=2, gate=1, link="eth0",
                           gate_link="port0")
        for target in TARGETS:
            self.far.add_address(f"{target}/{128 if ':' in target else 32}", "lo")
        for target, via in ((TARGETS[0], "10.90.2.2"), (TARGETS[1], "fd90:2::2")):
            self.gateway.ip("route", "add", target, "via", via)
        # What default_route does: the tunnel's own packets, which bear its mark, take the way from before.
        for family, via, own in (("-4", "10.90.1.1", "172.30.0.0/24"), ("-6", "fd90:1::1", "fd30::/64")):
            self.host.ip(family, "rule", "add", "fwmark", MARK, "lookup", 100)
            self.host.ip(family, "route", "add", "default", "via", via, "table", 100)
            self.host.ip(family, "route", "add", own, "dev", "port0", "table", 100)
        self.before = self.ruleset()
        self.node, self.other = nodes.Node(self, self.host, 1), nodes.Node(self, self.far, 2)
        self.node.knows(self.other, "10.90.2.2:51820", allowed_ips=["0.0.0.0/0", "::/0"])
        self.other.knows(self.node, False, allowed_ips=["10.200.1.0/24", "fd00:200:1::/64", "172.30.0.0/24", "fd30::/64"])
        self.other.write(cluster_networks=["10.200.0.0/16", "fd00:200::/32", "172.30.0.0/24", "fd30::/64"])
        self.other.start()
        self.node.write(cluster_networks=EVERYTHING, fwmark=MARK, kill_switch=True)
        self.table = f"weft_lock_{self.node.name}"
        self.seen = capture.Capture(self, self.gateway, "in0")

    def ruleset(self):
        return self.host.run("nft", "-s", "list", "ruleset").stdout

    def has_lock(self):
        return f"table inet {self.table} " in self.ruleset()

    def weft(self, *arguments, **options):
        return self.host.run(harness.WEFT, *arguments, **options)

    def weft_on_node(self, *arguments, **options):
        return self.weft(*arguments, "-i", self.node.name, **options)

    def talk(self):
        """Of the host and of what it forwards; what of it was answered."""
        return gateway.talk((self.host, self.inside), TARGETS)

    def assert_talk_goes_through_the_tunnel(self):
        for namespace in (self.host, self.inside):
            for target in TARGETS:
                self.wait_for_ping(namespace, target)
        self.assert_nothing_leaves(answers=4)

    def assert_nothing_leaves(self, answers=0):
        self.assertEqual(self.talk(), answers)
        self.assertEqual(self.seen.leaks(PORT), [])

    def test_nothing_leaves_through_a_kill_a_restart_a_flush_and_a_stop(self):
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        self.node.process.kill()
        self.assert_nothing_leaves()
        for words in ((), (self.node.name,)):
            self.assertIn(f"{self.node.name} is locked though no node answers",
                          self.weft("status", *words, check=False).stderr)
        self.node.start()
        self.assertNotIn("is locked though", self.weft("status", self.node.name).stderr)
        self.assert_talk_goes_through_the_tunnel()
        for _ in range(3):
            self.host.run("nft", "flush", "ruleset")
            self.talk()
            wait_until(self.has_lock, "the lock is put back")
        self.assertIn("it was put back", self.node.log())
        self.assert_talk_goes_through_the_tunnel()
        self.node.process.terminate()
        self.assertIn(f"'weft unlock {self.node.name}' lifts it", self.node.log().splitlines()[-1])
        self.assert_nothing_leaves()
        os.unlink(self.node.file)
        self.weft("unlock", self.node.name)
        self.assertEqual(self.talk(), 2, "the host alone has a way back")
        self.assertNotEqual(self.seen.leaks(PORT), [], "the gateway sees what leaks")
        self.assertEqual(self.ruleset(), self.before)

    def test_a_start_says_that_it_locks_a_host_that_was_not_locked(self):
        for lifted in (True, False, True):
            self.node.start()
            self.assertEqual("is locked from now on, as its file has kill_switch" in self.node.log(), lifted)
            self.node.process.terminate()
            self.assertTrue(self.has_lock())
            if not lifted:
                self.weft("unlock", self.node.name)
        self.weft("unlock", self.node.name)

    def test_nothing_leaves_with_a_mark_that_the_node_has_chosen(self):
        self.node.peers[0]["default_route"] = True
        self.node.write(cluster_networks=[], fwmark=0)
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        self.host.ip("link", "set", self.node.name, "down")
        self.node.logs("was set down: nothing passes through it")
        self.assert_nothing_leaves()
        self.host.ip("link", "set", self.node.name, "up")
        self.assert_talk_goes_through_the_tunnel()
        self.node.process.kill()
        self.assert_nothing_leaves()
        self.node.start()
        self.host.run("nft", "flush", "ruleset")
        wait_until(self.has_lock, "the lock is put back")
        self.assert_talk_goes_through_the_tunnel()
        self.node.process.terminate()
        self.assert_nothing_leaves()

    def test_an_interface_under_another_name_is_told_of_and_nothing_leaves(self):
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        for before, after in ((self.node.name, "other0"), ("other0", self.node.name)):
            self.host.ip("link", "set", before, "down")  # older kernels rename no other link
            self.host.ip("link", "set", before, "name", after)
            self.host.ip("link", "set", after, "up")
            if after == "other0":
                self.node.logs(f"ip link set other0 name {self.node.name}")
                self.assertIn(f"ip link set other0 name {self.node.name}", self.weft("status", self.node.name).stdout)
                self.assert_nothing_leaves()
        wait_until(lambda: all(item["in_place"] for item in self.node.status()["host"]), "all is in place again")
        self.assert_talk_goes_through_the_tunnel()

    def test_a_more_specific_route_beside_the_tunnel_leads_nowhere(self):
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        self.host.ip("route", "add", TARGETS[0], "via", "10.90.1.1")
        self.host.ip("route", "add", TARGETS[1], "via", "fd90:1::1")
        self.assert_nothing_leaves()

    def listen(self, namespace, port, family=socket.AF_INET):
        listener = gateway.open_tcp(namespace, family)
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.settimeout(60)
        listener.bind(("", port))
        listener.listen()
        return listener

    def connect(self, namespace, address, listener):
        """Both ends of a connection."""
        caller = gateway.open_tcp(namespace, listener.family)
        self.addCleanup(caller.close)
        caller.settimeout(60)
        caller.connect(address)
        called, _ = listener.accept()
        self.addCleanup(called.close)
        called.settimeout(60)
        return caller, called

    def assert_talks(self, one, other):
        for sender, receiver in ((one, other), (other, one)):
            sender.sendall(b"x" * 1000)
            received = 0
            while received < 1000:
                received += len(receiver.recv(1000))

    def switch_on(self):
        self.node.write(kill_switch=True)
        self.weft_on_node("reload", "--yes")
        self.assertTrue(self.has_lock())

    def start_without(self):
        self.node.write(kill_switch=False, cluster_networks=["10.200.0.0/16", "fd00:200::/32"])
        self.node.start()
        self.node.write(cluster_networks=EVERYTHING)

    def test_who_came_in_before_the_lock_stays_and_who_went_out_does_not(self):
        self.start_without()
        for family, own, target in ((socket.AF_INET, "10.90.1.2", TARGETS[0]),
                                    (socket.AF_INET6, "fd90:1::2", TARGETS[1])):
            with self.subTest(family):
                came_in = self.connect(self.far, (own, SSH), self.listen(self.host, SSH, family))
                went_out = self.connect(self.host, (target, 4444), self.listen(self.far, 4444, family))
                self.assert_talks(*came_in)
                self.assert_talks(*went_out)
                self.switch_on()
                self.seen.packets()
                self.assert_talks(*came_in)
                # Both ends try, so that the far one is what the host hears first.
                for end in reversed(went_out):
                    end.sendall(b"x" * 1000)
                self.assert_talks(*came_in)
                # Who comes in later, to whichever port, is answered, too.
                self.assert_talks(*self.connect(self.far, (own, 45678), self.listen(self.host, 45678, family)))
                time.sleep(1)  # for repetitions of what was sent
                self.assertEqual(self.seen.leaks(PORT, (SSH, 45678)), [])
                self.node.write(kill_switch=False)
                self.weft("unlock", self.node.name)
                self.node.write(cluster_networks=["10.200.0.0/16", "fd00:200::/32"])
                self.weft_on_node("reload")
                self.node.write(cluster_networks=EVERYTHING)

    def test_without_keep_inbound_nobody_is_answered_but_through_the_tunnel(self):
        self.node.write(keep_inbound=False)
        self.node.start()
        listener = self.listen(self.host, SSH)
        caller = gateway.open_tcp(self.far)
        self.addCleanup(caller.close)
        caller.settimeout(1)
        with self.assertRaises(OSError):
            caller.connect(("10.90.1.2", SSH))
        self.assertEqual(self.seen.leaks(PORT), [])
        self.wait_for_ping(self.far, "10.200.1.1")
        self.connect(self.far, ("10.200.1.1", SSH), listener)

    def test_what_a_container_publishes_is_reached_and_what_is_allowed_too(self):
        self.host.nft("table ip test {", "chain pre { type nat hook prerouting priority dstnat;",
                      "tcp dport 8080 dnat to 172.30.0.2:80", "}", "}")
        self.node.write(kill_switch_allow=["10.90.1.0/24"])
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        listener = self.listen(self.inside, 80)
        caller = gateway.open_tcp(self.far)
        self.addCleanup(caller.close)
        caller.settimeout(60)
        caller.connect(("10.90.1.2", 8080))
        called, _ = listener.accept()
        self.addCleanup(called.close)
        self.assert_talks(caller, called)
        self.assert_pings(self.host, "10.90.1.1", 2)
        self.assert_pings(self.gateway, "10.90.1.2", 2)

    def test_with_servers_in_the_file_no_others_are_asked_not_even_through_the_tunnel(self):
        self.node.write(dns=[TARGETS[0], TARGETS[1]])
        self.far.add_address("198.51.100.8/32", "lo")
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        for server, may in ((TARGETS[0], True), (TARGETS[1], True), ("198.51.100.8", False), ("10.90.1.1", False)):
            family = socket.AF_INET6 if ":" in server else socket.AF_INET
            for port in (53, 853):
                with self.host.udp_socket(family) as sender:
                    if may:
                        sender.sendto(b"question", (server, port))
                    else:
                        self.assertRaises(OSError, sender.sendto, b"question", (server, port))
        with self.host.udp_socket() as sender:
            sender.sendto(b"no question", ("198.51.100.8", 54))
        self.assertEqual(self.seen.leaks(PORT), [])

    def test_a_firewall_that_drops_a_bit_of_other_marks_does_not_drop_the_tunnel(self):
        self.host.nft("table inet test {", "chain out { type filter hook output priority filter;",
                      "meta mark & 0x8000 == 0x8000 drop", "}", "}")
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()

    def test_a_lock_is_switched_on_on_purpose_alone_and_a_trial_takes_it_back(self):
        self.start_without()
        self.node.write(kill_switch=True)
        refused = self.weft_on_node("reload", check=False)
        self.assertEqual(refused.returncode, 2)
        for way in ("--yes", "--confirm"):
            self.assertIn(way, refused.stderr)
        self.assertIn("--yes", self.weft_on_node("reload", "--dry-run").stdout)
        self.node.process.signal(signal.SIGHUP)
        wait_until(lambda: self.node.log().count("interface.kill_switch: this sends") == 2, "SIGHUP is refused")
        self.assertFalse(self.has_lock())
        self.assertEqual(self.weft_on_node("apply", self.node.file, check=False).returncode, 2)
        self.weft_on_node("reload", "--confirm", "1h")
        self.assertTrue(self.has_lock())
        self.weft_on_node("confirm")
        self.weft("unlock", self.node.name)
        self.weft_on_node("reload", "--confirm", "1s")
        wait_until(lambda: not self.has_lock(), "the lock is taken back")
        # A restart takes it back, too, also one that nobody has asked for.
        for end in (signal.SIGTERM, signal.SIGKILL):
            self.weft_on_node("apply", self.node.file, "--confirm", "1h")
            self.assertTrue(self.has_lock())
            self.node.write(kill_switch=False)
            self.node.process.signal(end)
            self.node.process.wait()
            self.node.start()
            self.assertFalse(self.has_lock())
            self.node.write(kill_switch=True)
        self.weft_on_node("reload", "--confirm", "1h")
        self.weft_on_node("confirm")
        self.node.process.kill()
        self.node.start()
        self.assertTrue(self.has_lock())
        self.weft("unlock", self.node.name)
        self.weft_on_node("apply", self.node.file, "--yes")
        self.assertTrue(self.has_lock())

    def test_a_lock_that_is_lifted_by_hand_stays_so_until_it_is_wanted_again(self):
        self.node.start()
        self.assertIn("lock", self.weft("status", self.node.name).stdout)
        self.weft("unlock", self.node.name)
        wait_until(lambda: "was lifted" in self.node.log(), "the node knows")
        self.assertFalse(self.has_lock())
        self.assertNotIn("it was put back", self.node.log())
        self.assertIn("this host is locked again", self.weft_on_node("reload").stdout)
        self.assertIn("this host is locked again", self.node.log())
        self.assertTrue(self.has_lock())
        self.assertNotIn("locked again;", self.weft_on_node("reload").stdout)
        self.assert_talk_goes_through_the_tunnel()
        # A reload without it leaves the lock, and says so.
        self.node.write(kill_switch=False)
        self.assertIn(f"weft unlock {self.node.name}", self.weft_on_node("reload").stdout)
        self.assertTrue(self.has_lock())
        self.weft("unlock", "--all")
        self.assertFalse(self.has_lock())

    def test_a_second_program_for_the_same_file_leaves_lock_and_marks_as_they_are(self):
        self.node.peers[0]["default_route"] = True
        self.node.write(cluster_networks=[], fwmark=0)
        self.node.start()
        self.assert_talk_goes_through_the_tunnel()
        with_handles = lambda: self.host.run("nft", "-s", "-a", "list", "ruleset").stdout
        before = with_handles()
        second = harness.Process(self, [harness.WEFTD, "--config", self.node.file], self.host)
        self.assertEqual(second.wait(), 1)
        self.assertIn("a TUN device that another program serves", second.output())
        self.assertEqual(with_handles(), before, "no table was made anew")
        self.assert_talk_goes_through_the_tunnel()

    def test_a_node_that_cannot_have_its_device_locks_the_host_all_the_same(self):
        self.node.write()
        refused = self.host.run("unshare", "-m", "sh", "-c", 'mount --bind /dev/null /dev/net/tun && exec "$@"', "sh",
                                harness.WEFTD, "--config", self.node.file, check=False)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assert_nothing_leaves()
        self.weft("unlock", self.node.name)

    def test_a_name_that_another_program_has_locks_the_host_all_the_same(self):
        self.node.write()
        self.host.ip("link", "add", self.node.name, "type", "bridge")
        refused = self.host.run(harness.WEFTD, "--config", self.node.file, check=False)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("the name belongs to", refused.stderr)
        self.assert_nothing_leaves()
        self.weft("unlock", self.node.name)

    def test_a_lock_is_set_and_lifted_without_a_node(self):
        self.node.write()
        self.weft("lock", "anything", "--config", self.node.file)
        self.assert_nothing_leaves()
        self.assertIn(f"weft unlock {self.node.name}", self.weft("status", check=False).stderr)
        self.assertEqual(self.weft("unlock", "other", check=False).returncode, 1)
        self.assertIn('"off"', self.weft("unlock", self.node.name, "--json").stdout)
        self.assertEqual(self.ruleset(), self.before)
        self.weft("unlock", self.node.name)
        self.node.write(kill_switch=False)
        self.assertIn("no kill_switch", self.weft("lock", "x", "--config", self.node.file).stdout)
        self.assertEqual(self.ruleset(), self.before)
        unprivileged = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
        refused = self.host.run(*unprivileged, harness.WEFT, "unlock", "--all", check=False)
        self.assertIn("run it as root", refused.stderr)

    def test_a_mistake_in_the_file_does_not_take_a_lock_away_that_was_set_before(self):
        # What is kept is this host's, and other tests are on this machine, too.
        kept = f"{self.folder}/lib"
        os.mkdir(kept, 0o755)

        def weft(*arguments, **options):
            return self.host.run("unshare", "-m", "sh", "-c", f'mount --bind {kept} /var/lib && exec "$@"', "sh",
                                 harness.WEFT, *arguments, **options)

        def lock(**options):
            return weft("lock", "x", "--config", self.node.file, **options)

        def lock_with_mistake():
            with open(self.node.file, "a", encoding="utf-8") as file:
                file.write("\nnonsense: [\n")
            return lock(check=False)
        self.node.write()
        said = self.host.run("unshare", "-m", "sh", "-c",
                             f'mount --bind {kept} /var/lib && mount -o remount,bind,ro /var/lib && exec "$@"', "sh",
                             harness.WEFT, "lock", "x", "--config", self.node.file).stderr
        self.assertIn("the lock is set, but if the file has a mistake at the next boot, there is none then: ", said)
        self.host.run("nft", "flush", "ruleset")
        self.assertEqual(lock_with_mistake().returncode, 2, "there was none before")
        self.assertFalse(self.has_lock())
        self.node.write(kill_switch_allow=["192.168.7.0/24"])
        lock()
        locked = self.ruleset()
        self.host.run("nft", "flush", "ruleset")  # as a start of the host does
        said = lock_with_mistake()
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn(f"{self.node.file}:", said.stderr)
        self.assertIn("has a mistake: the lock is as it was when it was set last", said.stderr)
        self.assertEqual(self.ruleset(), locked)
        self.assert_nothing_leaves()
        weft("unlock", self.node.name)
        self.assertEqual(lock_with_mistake().returncode, 2, "it was lifted")
        self.node.write()
        lock()
        self.host.run("nft", "flush", "ruleset")
        self.node.write(kill_switch=False)
        lock()
        self.assertEqual(lock_with_mistake().returncode, 2, "the file had none")
        self.assertEqual(self.ruleset(), self.before)
        self.assertEqual(os.listdir(kept), [], "nothing is kept for nothing")

    def test_a_node_with_one_capability_and_a_filter_of_calls_keeps_its_lock(self):
        self.node.start("setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all")
        self.node.process.terminate()
        self.node.write()
        self.node.process = harness.Process(self, [harness.WEFTD, "--config", self.node.file, "--seccomp"], self.host)
        self.node.wait_ready()
        self.host.run("nft", "flush", "ruleset")
        wait_until(self.has_lock, "the lock is put back")
        self.assert_talk_goes_through_the_tunnel()


if __name__ == "__main__":
    harness.main()
