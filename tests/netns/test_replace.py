#!/usr/bin/python3
"""weftd --replace: a new program goes on with the sessions of the one that runs."""

import os
import random
import resource
import signal
import socket
import struct
import time

import capture
import harness
import nodes
import replacing


class Replace(replacing.Replacing, harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self)
        nodes.wait_for_ping(self.left, self.right)

    def test_sessions_pings_and_a_tcp_transfer_go_on_through_hand_overs_of_both_sides(self):
        before = self.handshakes()
        received = self.right.peer(self.left)["rx_packets"]
        pings = self.pings(self.left, "10.200.2.1", 1500)
        service = harness.Process(self, ["iperf3", "-s", "-1", "--forceflush"], self.right.home)
        harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        transfer = harness.Process(self, ["iperf3", "-c", "10.200.2.1", "-t", "10", "-b", "20M"], self.left.home)
        for number in range(6):
            self.replace(self.left if number % 2 == 0 else self.right)
            time.sleep(0.5)
        self.assert_all_answered(pings)
        self.assertEqual(transfer.wait(120), 0, transfer.output())
        self.assertEqual(self.handshakes(), before)
        for node in (self.left, self.right):
            self.assertEqual(node.drops("replayed"), 0)
        self.assertGreater(self.right.peer(self.left)["rx_packets"], received + 1500)

    def test_peers_of_commands_stay_and_a_changed_file_is_read(self):
        key = harness.pubkey(harness.genkey())
        self.left.weft("peer", "add", key, "--name", "gamma", "--allowed-ip", "10.200.9.0/24")
        self.replace(self.left)
        self.assertEqual(sorted(peer["name"] for peer in self.left.status()["peers"]), ["gamma", "node2"])
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.replace(self.left)
        self.left.logs("configuration applied")
        self.assertEqual(self.left.peer(self.right)["persistent_keepalive"], 25)
        self.assertEqual([peer["name"] for peer in self.left.status()["peers"]], ["node2"])  # as by a reload
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_addresses_routes_and_sockets_stay(self):
        def host():
            return [self.left.home.ip(*what).stdout for what in
                    (("-o", "addr", "show", "dev", self.left.name),
                     ("route", "show", "table", "all", "dev", self.left.name), ("rule", "show"))]
        before = host()
        for _ in range(2):
            self.replace(self.left)
            self.assertEqual(host(), before)
            self.assertTrue(os.path.exists(f"{harness.SOCKETS}/{self.left.name}.sock"))
            self.assertEqual(self.left.status()["interface"], self.left.name)
        self.left.process.terminate()
        self.assertFalse(self.left.home.has_link(self.left.name))
        self.assertFalse(os.path.exists(f"{harness.CONTROL_SOCKETS}/{self.left.name}.replace"))

    def test_whoever_dies_during_a_hand_over_traffic_is_back_at_once(self):
        chance = random.Random(8)
        for number in range(8):
            former, process = self.left.process, self.successor(self.left)
            harness.wait_until(lambda: os.path.exists(f"/proc/{process.pid}/exe"), "the successor starts")
            time.sleep(chance.uniform(0, 0.4))
            victim, survivor = (process, former) if number % 2 == 0 else (former, process)
            victim.signal(signal.SIGKILL)
            victim.wait()
            self.left.process = survivor
            harness.wait_until(lambda: survivor.code is not None or self.left.home.ping("10.200.2.1", 1, wait=0.3) == 1,
                               "the survivor goes on, or ends", 30)
            if survivor.code is not None:  # it had given its place to whom was killed, or was not given it
                self.left.start()
            self.wait_for_ping(self.left.home, "10.200.2.1", 30)
            for node in (self.left, self.right):
                self.assertEqual(node.drops("replayed"), 0)

    def test_whoever_is_killed_at_any_step_no_counter_is_used_twice_and_traffic_is_back(self):
        for node in (self.left, self.right):
            node.process.terminate()
            node.rest = "offloads: {udp: off}\n"  # each datagram is a packet of its own
            node.start()
        listeners = [capture.Capture(self, node.home, "net0") for node in (self.left, self.right)]
        used = [set(), set()]

        def look_at_counters():
            for listener, seen in zip(listeners, used):
                counters = [counter for counter in (packet.counter() for packet in listener.packets()) if counter]
                twice = [counter for number, counter in enumerate(counters)
                         if counter in seen or counter in counters[:number]]
                self.assertEqual(twice, [])
                seen.update(counters)
        self.wait_for_ping(self.left.home, "10.200.2.1")
        pings = [harness.Process(self, ["ping", "-n", "-i", "0.02", address], node.home)
                 for node, address in ((self.left, "10.200.2.1"), (self.right, "10.200.1.1"))]
        for step, (what, able) in enumerate(replacing.Between.STEPS):
            for victim in ("former", "successor"):
                former, between = self.left.process, replacing.Between(self, self.left)
                successor = self.successor(self.left)
                between.go_to(step, successor)
                survivor = successor if victim == "former" else former
                killed = former if victim == "former" else successor
                killed.signal(signal.SIGKILL)
                killed.wait()
                before = time.monotonic()
                between.end()
                if able in ("both", "former" if victim == "successor" else "successor"):
                    self.left.process = survivor
                else:
                    survivor.wait()
                    self.left.start()  # as a service manager would
                self.wait_for_ping(self.left.home, "10.200.2.1")
                gone = time.monotonic() - before
                print(f"{what}; the {victim} is killed: traffic is back after {gone:.1f} s", flush=True)
                self.assertLess(gone, harness.BEFORE_GIVEN_UP)
                self.assertIsNone(self.left.process.code, self.left.log())
                look_at_counters()
                for node in (self.left, self.right):
                    self.assertEqual(node.drops("replayed"), 0)
        for ping in pings:
            ping.kill()
        look_at_counters()
        for seen in used:
            self.assertGreater(len(seen), 100)

    def test_a_successor_that_cannot_read_the_state_begins_anew_with_the_device(self):
        def index():
            return self.left.home.ip("-o", "link", "show", self.left.name).stdout.split(":")[0]

        def host():
            return [self.left.home.ip(*what).stdout for what in
                    (("-o", "addr", "show", "dev", self.left.name),
                     ("route", "show", "table", "all", "dev", self.left.name), ("rule", "show"))]

        def of_the_future(state):
            state[16:20] = struct.pack("<I", 4711)
            return state

        def cut_off(state):
            return state[:len(state) // 2]
        before = index(), host()
        for damage, reason in ((of_the_future, "its format is version 4711"), (cut_off, "it is damaged"),
                               (lambda state: state[:0], "it is no state of a node")):
            self.pass_on(damage)
            self.assertIn(reason, self.left.log())
            self.assertIn("begin anew", self.left.log())
            self.assertEqual((index(), host()), before)
            self.wait_for_ping(self.left.home, "10.200.2.1")
            self.wait_for_ping(self.right.home, "10.200.1.1")

    def pass_on(self, damage=None, others=None, program=harness.WEFTD):
        """The left node is replaced by way of somebody who changes what is handed over."""
        former, between = self.left.process, replacing.Between(self, self.left)
        self.left.process = self.successor(self.left, program=program)
        between.go_to(4, self.left.process, damage, others)
        self.left.logs("goes on in this process")
        between.end()
        self.assertEqual(former.wait(), 0)

    def test_what_a_program_of_one_version_up_or_down_leaves_is_gone_on_with(self):
        def field(name, value=bytes(8)):
            return struct.pack("<B", len(name)) + name + struct.pack("<I", len(value)) + value

        def without(state, *names):
            """The state without these fields of its own."""
            at = 20
            while at < len(state):
                name = bytes(state[at + 1:at + 1 + state[at]])
                end = at + 1 + len(name) + 4
                end += struct.unpack_from("<I", state, end - 4)[0]
                if name in names:
                    del state[at:end]
                else:
                    at = end
            return state

        def of_version(number, change):
            def damage(state):
                self.assertEqual(struct.unpack_from("<I", state, 16)[0], 1)
                struct.pack_into("<I", state, 16, number)
                return change(state)
            return damage
        before = self.handshakes()
        self.pass_on(of_version(2, lambda state: state + field(b"what later nodes have") + field(b"more", b"text")))
        self.assertNotIn("begin anew", self.left.log())
        self.assert_pings(self.left.home, "10.200.2.1")
        self.pass_on(of_version(0, lambda state: without(state, b"deprived", b"cookies", b"file_digest")))
        self.assertNotIn("begin anew", self.left.log())
        self.assert_pings(self.left.home, "10.200.2.1")
        self.assertEqual(self.handshakes(), before)
        self.pass_on(of_version(2, lambda state: state + field(b"!vital")))
        self.assertIn("'!vital', which this program does not know", self.left.log())
        self.assertIn("begin anew", self.left.log())
        self.wait_for_ping(self.left.home, "10.200.2.1")

    def test_builds_with_different_formats_replace_each_other_up_and_down(self):
        versions = []

        def look(state):
            versions.append(struct.unpack_from("<I", state, 16)[0])
            return state
        before, pings = self.handshakes(), self.pings(self.left, "10.200.2.1", 500)
        for program in (harness.NEXT_WEFTD, harness.WEFTD, harness.NEXT_WEFTD):
            self.pass_on(look, program=program)
            self.assertNotIn("begin anew", self.left.log())
        self.assertEqual(versions, [1, 2, 1])
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)

    def test_descriptors_of_somebody_else_are_not_used(self):
        before = self.handshakes()
        former, between = self.left.process, replacing.Between(self, self.left)
        successor = self.successor(self.left)
        with open("/dev/null", "r+b") as other, self.assertRaises(AssertionError):
            between.go_to(4, successor, others={"tun": other})
        between.end()
        self.assertEqual(successor.wait(), 1)
        self.assertIn("goes on itself", successor.output())
        self.assertIsNone(former.code)
        self.wait_for_ping(self.left.home, "10.200.2.1")
        with self.left.home.udp_socket() as other, self.left.home.udp_socket(socket.AF_INET6) as another:
            another.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for each in (other, another):
                each.bind(("", 7777))
            self.pass_on(others={"udp4": other, "udp6": another})
        self.assertIn("another port than 51820", self.left.log())
        self.assert_pings(self.left.home, "10.200.2.1")
        self.assertEqual(self.handshakes(), before)

    def test_a_node_that_has_no_memory_for_it_goes_on_itself(self):
        before = self.handshakes()
        limit = self.left.limit(resource.RLIMIT_AS, self.left.memory("VmSize") + (1 << 20))
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1, process.output())
        self.left.logs("needs about")
        self.assertIn("needs about", process.output())
        self.assert_pings(self.left.home, "10.200.2.1")
        self.left.limit(resource.RLIMIT_AS, limit)
        self.replace(self.left)
        self.assert_pings(self.left.home, "10.200.2.1")
        self.assertEqual(self.handshakes(), before)

    def test_a_successor_without_the_places_of_its_sockets_goes_on_with_the_sessions(self):
        before = self.right.peer(self.left)["last_handshake"]
        others = []
        for folder in (harness.SOCKETS, harness.CONTROL_SOCKETS):
            others.append(socket.socket(socket.AF_UNIX))
            others[-1].bind(f"{folder}/{self.left.name}.other")
            others[-1].listen()
            os.rename(f"{folder}/{self.left.name}.other", f"{folder}/{self.left.name}.sock")
        pings = self.pings(self.left, "10.200.2.1", 300)
        self.replace(self.left)
        self.assert_all_answered(pings)
        for text in ("it goes on without this until weftd is restarted", "nobody can steer this node"):
            self.assertIn(text, self.left.log())
        self.assertEqual(self.right.peer(self.left)["last_handshake"], before)
        for other in others:
            other.close()
        self.left.process.terminate()

    def test_the_cores_are_those_of_the_file_that_the_successor_has_read(self):
        self.left.process.terminate()
        self.left.write(cores=1)
        self.left.start()
        self.wait_for_ping(self.left.home, "10.200.2.1")
        self.left.write(cores=3)
        for _ in range(2):
            self.replace(self.left)
            self.assertNotIn("interface.cores", self.left.weft("reload"))
            self.assertEqual(self.left.status()["cores"]["in_use"], 3)

    def test_a_successor_waits_for_a_configuration_on_trial(self):
        before = self.handshakes()
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.left.weft("apply", self.left.file, "--confirm", "3s")
        self.replace(self.left)
        self.assertEqual(self.handshakes(), before)
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_a_successor_gives_up_on_a_trial_that_lasts(self):
        before = self.handshakes()
        pings = self.pings(self.left, "10.200.2.1", 300)
        self.left.peers[0]["persistent_keepalive"] = 25
        self.left.write()
        self.left.weft("apply", self.left.file, "--confirm", "300s")
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1, process.output())
        self.assertIn("on trial", process.output())
        self.assertIsNone(self.left.process.code, self.left.log())
        self.assert_all_answered(pings)
        self.left.weft("confirm")
        self.replace(self.left)
        self.assertEqual(self.left.peer(self.right)["persistent_keepalive"], 25)
        self.assertEqual(self.handshakes(), before)

    def test_of_two_successors_that_come_at_once_one_goes_on(self):
        before = self.handshakes()
        pings = self.pings(self.left, "10.200.2.1", 300)
        all_of_them = [self.left.process, self.successor(self.left), self.successor(self.left)]

        def alive():
            return [process for process in all_of_them if process.code is None]
        harness.wait_until(lambda: len(alive()) == 1 and "goes on in this process" in alive()[0].output(),
                           "one goes on")
        self.left.process = alive()[0]
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)

    def test_a_full_tunnel_and_its_lock_stay(self):
        def host():
            return [self.left.home.run(*what).stdout for what in
                    (("ip", "rule", "show"), ("ip", "-6", "rule", "show"), ("nft", "list", "ruleset"),
                     ("ip", "route", "show", "table", "all", "dev", self.left.name))]
        command = [harness.WEFTD, "--config", self.left.file, "--no-helper"]
        self.left.process.terminate()
        self.left.peers[0]["default_route"] = True
        self.left.write(kill_switch=True)
        self.left.process = harness.Process(self, command, self.left.home)
        self.left.wait_ready()
        self.wait_for_ping(self.left.home, "10.200.2.1")
        before, handshakes, pings = host(), self.handshakes(), self.pings(self.left, "10.200.2.1", 300)
        for _ in range(2):
            former = self.left.process
            self.left.process = harness.Process(self, [*command, "--replace", self.left.name], self.left.home)
            self.left.logs("goes on in this process", 60)
            self.assertEqual(former.wait(), 0)
            self.assertEqual(host(), before)
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), handshakes)
        self.left.process.terminate()
        self.assertNotIn(self.left.name, self.left.home.ip("rule", "show").stdout)

    def test_a_successor_that_could_not_go_on_changes_nothing(self):
        before = self.handshakes()
        pings = self.pings(self.left, "10.200.2.1", 300)
        command = [harness.WEFTD, "--replace", self.left.name, "--config", self.left.file]
        for words, host, reason in (
                ([], self.right.home, "another network namespace"),
                (["setpriv", "--bounding-set=-net_admin"], self.left.home, "CAP_NET_ADMIN"),
                (["prlimit", "--nofile=100"], self.left.home, "LimitNOFILE"),
                (["prlimit", f"--as={512 << 20}"], self.left.home, "LimitAS")):
            process = harness.Process(self, [*words, *command], host)
            self.assertEqual(process.wait(), 1, process.output())
            self.assertIn(reason, process.output())
        self.assert_all_answered(pings)
        self.assertEqual(self.handshakes(), before)

    def test_what_cannot_be_replaced_is_refused_with_the_reason(self):
        for options, environment, reason in (
                (("--replace", "other"), {}, f"is for {self.left.name}"),
                ((), {"NOTIFY_SOCKET": "/nowhere"}, "weft upgrade")):
            process = harness.Process(self, [harness.WEFTD, "--config", self.left.file,
                                             *(options or ("--replace", self.left.name))], self.left.home, environment)
            self.assertEqual(process.wait(), 2)
            self.assertIn(reason, process.output())
        self.left.process.terminate()
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1)
        self.assertIn("can be replaced", process.output())

    def test_the_process_of_a_unit_is_not_replaced_whatever_its_type(self):
        as_unit = ("sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$@"', "sh")
        process = self.successor(self.left, *as_unit)
        self.assertEqual(process.wait(), 2)
        self.assertIn("weft upgrade", process.output())
        self.left.process.terminate()
        self.left.start(*as_unit)
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1)
        self.assertIn("can be replaced", process.output())
        self.wait_for_ping(self.left.home, "10.200.2.1")

    def test_the_first_process_of_a_container_is_not_replaced(self):
        self.left.process.terminate()
        self.left.start("unshare", "--pid", "--fork", "--kill-child")
        process = self.successor(self.left)
        self.assertEqual(process.wait(), 1)
        self.assertIn("can be replaced", process.output())
        self.wait_for_ping(self.left.home, "10.200.2.1")


if __name__ == "__main__":
    harness.main()
