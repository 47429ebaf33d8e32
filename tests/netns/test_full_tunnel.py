#!/usr/bin/python3
"""The whole host goes through the tunnel, and the host stays as it was set."""

import collections
import re
import socket
import threading
import time

import capture
import gateway
import harness
from nodes import Node
from underlay import OUTSIDE, Underlay


class FullTunnel(Underlay):
    def test_all_traffic_goes_through_the_tunnel_and_nothing_is_left_after_it(self):
        self.start()
        self.assertFalse(self.missing())
        status = self.node.status()
        self.assertIn(status["fwmark"], range(0x10, 0x80), "a mark was chosen")
        self.assertEqual(status["routes"], ["0.0.0.0/0", "::/0"])
        self.assertEqual(status["peers"][0]["allowed_ips"], ["0.0.0.0/0", "::/0"])
        self.assertEqual(len(self.rules()), 4)
        # The links of the host itself are not led away.
        self.assert_pings(self.host, "10.90.0.254", 2)
        self.stop()
        self.assertEqual(self.routing(), self.before)
        self.host.ping(OUTSIDE[4], 1, wait=1)
        self.assertNotEqual(self.leaked(), [], "the gateway sees what goes past the tunnel")

    def test_allowed_ips_of_all_and_automatic_routes_do_the_same_for_one_family(self):
        self.knows_exit(self.node, default_route=False, allowed_ips=["0.0.0.0/0"])
        self.node.write(routes="auto")
        self.exit.start()
        self.before = self.routing()
        self.node.start()
        self.assert_everything_passes([4])
        self.assertEqual(self.leaked(), [])
        self.assertEqual({family for family, _ in self.rules()}, {"-4"})
        self.stop()
        self.assertEqual(self.routing(), self.before)

    def test_a_kill_and_a_restart_leave_what_one_start_does(self):
        self.start()
        rules, mark = self.rules(), self.node.status()["fwmark"]
        for _ in range(3):
            self.node.process.kill()
            self.assertEqual(self.rules(), rules, "rules outlive the program")
            self.node.start()
            self.node.logs("was killed before: the rule ")
            self.assertEqual(self.rules(), rules)
            self.assertEqual(self.node.status()["fwmark"], mark)
            self.forget_leaks()
            self.assert_everything_passes()
            self.assertEqual(self.leaked(), [])
        self.stop()
        self.assertEqual(self.routing(), self.before)

    def test_two_full_tunnels_of_one_host_let_each_other_alone(self):
        self.start()
        alone = self.routing()
        second = Node(self, self.host, 3)
        second.write(cluster_networks=[], listen=51821, addresses=["10.200.3.1/24"])
        self.knows_exit(second)
        self.exit.write()
        self.exit.reload()
        second.start()
        self.assertEqual(len(self.rules()), 8)
        self.assertNotEqual(second.status()["fwmark"], self.node.status()["fwmark"])
        second.logs("another node leads all traffic into its tunnel as well")
        # Both tunnels work beside each other, and one of them has all else.
        for node in (self.node, second):
            harness.wait_until(lambda: self.host.ping("10.200.2.1", 1, source=node.name), f"{node.name} has a session")
        self.assert_everything_passes([4])
        self.assertEqual(self.leaked(), [])
        self.stop(second)
        self.assertEqual(self.routing(), alone)
        self.assert_everything_passes()
        second.start()
        second.process.kill()
        self.node.weft("reload")
        self.assertEqual(len(self.rules()), 8, "what another node left behind is its own affair")
        second.start()
        self.stop(second)
        self.assertEqual(self.routing(), alone)
        self.stop()
        self.assertEqual(self.routing(), self.before)

    def test_when_the_tunnel_with_the_traffic_stops_the_other_has_it_and_nothing_leaks(self):
        self.start()
        second = Node(self, self.host, 3)
        second.write(cluster_networks=[], listen=51821)
        self.knows_exit(second)
        self.exit.write()
        self.exit.reload()
        second.start()
        second.logs("another node leads all traffic into its tunnel as well")
        for node in (self.node, second):
            harness.wait_until(lambda: self.host.ping("10.200.2.1", 1, source=node.name), f"{node.name} has a session")
        is_second = "as this node's rule comes first" in second.log()
        first, other = (second, self.node) if is_second else (self.node, second)
        self.assert_everything_passes()
        self.stop(first)
        self.assertEqual(len(self.rules()), 4)
        self.assert_everything_passes()
        self.assertEqual(self.leaked(), [])
        self.stop(other)
        self.assertEqual(self.routing(), self.before)

    def test_links_are_told_of_where_they_are_strict_and_where_proc_sys_is_hidden_too(self):
        self.host.sysctl(**{f"ipv4__conf__{link}__rp_filter": 0 for link in ("all", "net0", "net1")})
        self.exit.start()
        for strict in (0, 1):
            self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24"])
            self.node.start("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$@"', "sh")
            self.host.sysctl(ipv4__conf__net1__rp_filter=strict)
            self.knows_exit(self.node)
            self.node.write()
            said = self.node.weft("reload", "--yes")
            self.assertEqual("are dropped by net1, whose rp_filter is 1" in said, bool(strict), said)
            if strict:
                self.node.logs("are dropped by net1, whose rp_filter is 1")
            self.stop()
            self.assertEqual("rp_filter" in self.node.log(), bool(strict))

    def test_it_is_switched_on_and_off_by_the_file_and_by_command(self):
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24"])
        self.exit.start()
        self.node.write(cluster_networks=["10.200.0.0/16"])
        self.node.start()
        harness.wait_until(lambda: "local fd00:200:1::1" in self.routing(), "the node's address is there")
        self.before = self.routing()
        self.knows_exit(self.node)
        self.node.write()
        self.node.weft("reload", "--yes")
        self.assert_everything_passes()
        self.assertEqual(self.leaked(), [])
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24"])
        self.node.write()
        self.node.reload()
        self.assertEqual(self.routing(), self.before)
        self.assertEqual(self.node.status()["fwmark"], 0)
        switch_on = ("peer", "set", "node2", "--default-route", "true")
        for command in (switch_on, ("allow", "add", "node2", "0.0.0.0/0")):
            if command[0] == "allow":  # what leads there is a route
                self.node.write(routes="auto")
                self.node.reload()
            said = self.node.weft(*command, code=2)
            self.assertIn("--confirm", said)
            self.assertEqual(self.node.status()["fwmark"], 0)
        self.node.write(routes="manual")
        self.node.reload()
        self.assertEqual(self.routing(), self.before)
        self.assertIn("on trial", self.node.weft(*switch_on, "--confirm", "2s"))
        harness.wait_until(lambda: self.node.status()["fwmark"] == 0, "it is taken back", 20)
        self.assertEqual(self.routing(), self.before)
        self.forget_leaks()
        self.node.weft(*switch_on, "--yes")
        self.assert_everything_passes()
        self.assertEqual(self.leaked(), [])
        self.node.weft("peer", "set", "node2", "--default-route", "false")
        self.assertEqual(self.routing(), self.before)
        self.assertEqual(self.node.status()["fwmark"], 0)

    def test_unlock_removes_what_a_killed_node_has_left_as_well(self):
        self.node.write(kill_switch=True)
        filtered = self.host.run("nft", "list", "ruleset").stdout
        self.start()
        self.node.process.kill()
        harness.wait_until(lambda: not self.host.has_link(self.node.name), "its interface is gone")
        self.assertNotEqual(self.routing(), self.before, "nothing leaves meanwhile")
        self.host.run(harness.WEFT, "unlock", self.node.name)
        self.assertEqual(self.routing(), self.before)
        self.assertEqual(self.host.run("nft", "list", "ruleset").stdout, filtered)
        self.host.run(harness.WEFT, "unlock", self.node.name)

    def test_unlock_all_removes_what_a_killed_node_has_left_where_its_lock_was_flushed(self):
        self.node.write(kill_switch=True)
        self.start()
        self.host.run(harness.WEFT, "unlock", "--all")
        self.assertEqual(len(self.rules()), 4, "a node that runs keeps what it needs")
        for what in ("--all", self.node.name):
            self.node.process.kill()
            harness.wait_until(lambda: not self.host.has_link(self.node.name), "its interface is gone")
            self.host.run("nft", "flush", "ruleset")
            self.assertEqual(len(self.rules()), 4)
            self.assertIn("which is removed: the rule", self.host.run(harness.WEFT, "unlock", what).stdout)
            self.assertEqual(self.routing(), self.before)
            self.assertIn("no lock", self.host.run(harness.WEFT, "unlock", what).stdout)
            self.node.start()
        self.stop()
        self.host.run(harness.WEFT, "unlock", "--all")

    def comes_in(self, address):
        """A connection from outside: both ends."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with harness.in_namespace(self.host, lambda: socket.create_server((address, 2222), family=family)) as listener:
            caller = harness.in_namespace(self.outside, lambda: socket.socket(family))
            self.stack.callback(caller.close)
            caller.settimeout(20)
            caller.connect((address, 2222))
            called = listener.accept()[0]
        self.stack.callback(called.close)
        called.settimeout(20)
        self.assert_talks(caller, called)
        return caller, called

    def assert_talks(self, caller, called):
        for sender, receiver in ((caller, called), (called, caller)):
            sender.sendall(b"hello")
            self.assertEqual(receiver.recv(5), b"hello")

    def test_who_comes_in_from_outside_is_answered_with_a_lock_also_while_no_node_runs(self):
        own = ("10.90.0.1", "fd90::1")

        def accepts():
            return self.host.run("cat", "/proc/sys/net/ipv4/tcp_fwmark_accept").stdout.strip()
        self.node.write(kill_switch=True)
        self.start()
        harness.wait_until(lambda: accepts() == "1", "those who come in keep the mark")
        known = [self.comes_in(address) for address in own]
        self.node.process.kill()
        harness.wait_until(lambda: not self.host.has_link(self.node.name), "its interface is gone")
        self.assertNotEqual(self.routing(), self.before, "all else leads nowhere")
        for pair in known:
            self.assert_talks(*pair)
        for address in own:
            self.comes_in(address)
            self.assertEqual(accepts(), "1")
        for address in OUTSIDE.values():
            self.assertEqual(self.host.ping(address, 1, wait=1), 0)
        self.node.start()
        known = [self.comes_in(address) for address in own]
        harness.wait_until(lambda: accepts() == "1", "those who come in keep the mark")
        # After a stop there is the lock alone.
        self.stop()
        self.assertEqual(accepts(), "0")
        for pair in known:
            self.assert_talks(*pair)
        for address in own:
            self.comes_in(address)
        for address in OUTSIDE.values():
            self.assertEqual(self.host.ping(address, 1, wait=1), 0)
        # What a killed node leaves, `weft unlock` takes away.
        self.node.start()
        harness.wait_until(lambda: accepts() == "1", "those who come in keep the mark")
        self.node.process.kill()
        harness.wait_until(lambda: not self.host.has_link(self.node.name), "its interface is gone")
        # Its helper, which outlives it, may be at work: it leaves this on, or unlock has lifted the lock before.
        self.host.run(harness.WEFT, "unlock", self.node.name)
        harness.wait_until(lambda: accepts() == "0", "it is off", 20)
        # Nobody else was answered, or heard.
        answered = {element.strip() for elements in self.leaked() for element in elements.split(",")}
        self.assertEqual(answered, {"203.0.113.1 . tcp", "2001:db8:1::1 . tcp"})

    def test_who_came_in_before_stays_when_all_goes_into_the_tunnel(self):
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24"])
        self.exit.start()
        self.node.start()
        known = [self.comes_in(address) for address in ("10.90.0.1", "fd90::1")]
        self.knows_exit(self.node)
        self.node.write()
        self.node.weft("reload", "--yes")
        self.assert_everything_passes()
        for pair in known:
            self.assert_talks(*pair)

    def test_a_host_with_two_uplinks_answers_by_the_one_that_its_own_rules_say(self):
        for family, own, gate in (("-4", "10.91.0.1", "10.91.0.254"), ("-6", "fd91::1", "fd91::254")):
            self.host.ip(family, "route", "add", "default", "via", gate, "dev", "net1", "table", "101")
            self.host.ip(family, "rule", "add", "from", own, "lookup", "101", "priority", "30000")
        self.host.sysctl(ipv4__conf__net0__rp_filter=1, ipv4__conf__net1__rp_filter=1)
        self.node.write(kill_switch=True)
        self.start()
        seen = [capture.Capture(self, self.gateway, link) for link in ("net0", "net1")]
        for address in ("10.91.0.1", "fd91::1"):
            self.comes_in(address)
        answers = [[], []]

        def has_both():
            for packets, each in zip(answers, seen):
                packets += [packet for packet in each.packets() if packet.is_from_port(2222)]
            return {packet.family for packet in answers[1]} == {4, 6}
        harness.wait_until(has_both, "both are answered by the second link")
        self.assertEqual(answers[0], [])
        self.stop()
        self.host.run(harness.WEFT, "unlock", self.node.name)
        self.assertEqual(self.routing(), self.before)

    def test_with_a_lock_nothing_leaks_by_a_kill_a_restart_and_a_flush_in_turn(self):
        inside = self.namespace("c")
        self.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        gateway.put_behind(self, self.host, inside, "172.30.0.{}", "fd30::{}", own=2, gate=1, link="eth0",
                           gate_link="port0")
        harness.wait_until(lambda: gateway.is_settled(self.host, 3), "the host's links have all their addresses")
        self.exit.peers[0]["allowed_ips"] += ["172.30.0.0/24", "fd30::/64"]
        self.exit.write(cluster_networks=["10.200.0.0/16", "fd00:200::/32", "172.30.0.0/24", "fd30::/64"])
        self.node.write(kill_switch=True)
        seen = [capture.Capture(self, self.gateway, link) for link in ("net0", "net1")]

        def talk(answers):
            self.assertEqual(gateway.talk((self.host, inside), OUTSIDE.values()), answers)
            self.assertEqual([packet for each in seen for packet in each.leaks(51820)], [])

        def works():
            for namespace in (self.host, inside):
                for target in OUTSIDE.values():
                    self.wait_for_ping(namespace, target, 30)
            talk(4)
        filters = self.host.run("nft", "-s", "list", "ruleset").stdout
        self.exit.start()
        self.before = self.routing()
        for _ in range(2):
            self.node.start()
            works()
            self.host.run("nft", "flush", "ruleset")
            works()
            harness.wait_until(lambda: "weft_lock" in self.host.run("nft", "list", "tables").stdout, "a lock", 10)
            self.node.process.kill()
            talk(0)
            # Nobody watches: the routes hold.
            self.host.run("nft", "flush", "ruleset")
            talk(0)
        self.node.start()
        works()
        self.stop()
        talk(0)
        self.host.run(harness.WEFT, "unlock", self.node.name)
        self.assertEqual(self.routing(), self.before)
        self.assertEqual(self.host.run("nft", "-s", "list", "ruleset").stdout, filters)
        gateway.talk((self.host, inside), OUTSIDE.values())
        self.assertNotEqual(seen[0].leaks(51820), [], "the gateway sees what leaks")

    def test_a_route_of_the_host_that_is_more_specific_is_left_to_it(self):
        self.start()
        self.host.ip("route", "add", "198.51.100.0/25", "via", "10.90.0.254")
        self.assert_pings(self.host, OUTSIDE[4], 1)
        self.assertIn(OUTSIDE[4], self.leaked()[0])
        self.host.ip("route", "del", "198.51.100.0/25")
        self.forget_leaks()
        self.assert_everything_passes()
        self.assertEqual(self.leaked(), [])

    def test_another_mark_port_or_address_keeps_everything_in_the_tunnel(self):
        self.start()
        for setting in ({"fwmark": 0x55}, {"listen": 51877}, {"fwmark": 0}, {"addresses": ["10.200.1.7/24"]},
                        {"table": "auto", "metric": 5}):
            self.forget_leaks()
            self.node.write(**setting)
            self.node.reload()
            self.assertFalse(self.missing(), setting)
            self.assert_everything_passes([4])
            self.assertEqual(self.leaked(), [], setting)
            status = self.node.status()
            self.assertEqual(len(self.rules()), 4, setting)
            marked = re.findall(rf"fwmark {status['fwmark']:#x}[ /]", self.host.ip("-4", "rule").stdout)
            self.assertEqual(len(marked), 1, setting)
            harness.wait_until(lambda: self.exit.peer(self.node)["endpoint"] == f"10.90.0.1:{status['listen_port']}",
                               "the exit hears of the node's port")
            self.assertEqual(self.node.peer(self.exit)["endpoint"], "203.0.113.1:51820")

    def test_a_default_route_cannot_go_to_two_peers(self):
        self.node.knows(Node(self, self.host, 4), False, default_route=True)
        self.node.write()
        said = self.host.run(harness.WEFT, "check", self.node.file, check=False)
        self.assertEqual(said.returncode, 2)
        self.assertIn("default_route", said.stdout + said.stderr)
        self.node.peers[1]["default_route"] = False
        self.node.start()
        said = self.node.weft("peer", "set", "node4", "--default-route", "true", code=None)
        self.assertIn("all traffic goes to 'node2' already", said)


class Repairs(Underlay):
    def repaired(self):
        """What the log says was put back, and how often."""
        return collections.Counter(re.findall(r"had lost (.*): it was put back", self.node.log()))

    def test_what_is_taken_away_is_put_back_one_by_one_and_all_at_once(self):
        # With the last IPv4 address of a link the kernel removes its routes.
        self.node.write(cluster_networks=["10.201.0.0/16", "fd00:201::/32"],
                        addresses=["10.200.1.1/24", "10.202.1.1/24", "fd00:200:1::1/64"])
        self.exit.peers[0]["allowed_ips"].append("10.202.1.0/24")
        self.exit.write(cluster_networks=["10.200.0.0/15", "10.202.0.0/16", "fd00:200::/31"])
        self.start()
        table = next(value for kind, value in self.items() if kind == "route" and "table" in value)
        table = re.search(r"table (\d+)", table).group(1)
        name = self.node.name
        away = [("addr", "del", "10.200.1.1/24", "dev", name), ("-6", "addr", "del", "fd00:200:1::1/64", "dev", name),
                ("route", "del", "10.201.0.0/16", "dev", name), ("-6", "route", "del", "fd00:201::/32", "dev", name),
                ("route", "del", "default", "table", table), ("-6", "route", "del", "default", "table", table),
                ("link", "set", name, "mtu", "1300"),
                *((family, "rule", "del", "priority", str(priority)) for family, priority in self.rules())]
        for command in away:
            before = self.node.log().count("it was put back")
            self.host.ip(*command)
            self.wait_for_repair(" ".join(command))
            self.assertEqual(self.node.log().count("it was put back"), before + 1, f"one line for {command}")
        self.assertIn("ManageForeignRoutingPolicyRules=no", self.node.log())
        harness.wait_until(lambda: self.node.status()["link"] == "up", "the node answers")
        self.node.weft("reload")
        before = self.repaired()
        for command in away:
            self.host.ip(*command)
        self.wait_for_repair("all at once", 60)  # a rule once in five seconds
        harness.wait_until(lambda: len(self.repaired() - before) >= len(away), "each has a line")
        self.assertEqual(sorted((self.repaired() - before).values()), [1] * len(away))
        self.assert_everything_passes()

    def test_who_takes_it_away_for_ever_has_peace_after_five_times(self):
        self.start()
        stop = threading.Event()

        def take_away():
            while not stop.is_set():
                self.host.ip("addr", "del", "10.200.1.1/24", "dev", self.node.name, check=False)
                time.sleep(0.02)
        manager = threading.Thread(target=take_away)
        manager.start()
        self.stack.callback(manager.join)
        self.stack.callback(stop.set)
        self.node.logs("again and again", 60)
        harness.wait_until(lambda: ("address", "10.200.1.1/24") in self.missing(), "the address stays away")
        lost = f"{self.node.name} had lost the address 10.200.1.1/24"
        self.host.ip("link", "set", self.node.name, "mtu", "1300")
        self.node.logs("had lost the MTU", 60)  # so it has looked since
        self.assertEqual(self.node.log().count(lost), 5)
        self.assertEqual(self.node.log().count("again and again"), 1)
        self.assertIn("the address 10.200.1.1/24 is missing", self.node.weft("status"))
        self.assertIn("the address 10.200.1.1/24 is missing", self.node.weft("explain", "node2", code=None))
        stop.set()
        manager.join()
        self.node.weft("reload")
        self.assertFalse(self.missing())
        self.assert_everything_passes()

    def test_a_link_that_somebody_sets_down_stays_down_until_it_is_set_up(self):
        self.start()
        self.host.ip("link", "set", self.node.name, "down")
        self.node.logs("was set down: as it has no lock (kill_switch), all traffic of this host leaves beside")
        self.host.ping(OUTSIDE[4], 1, wait=1)
        self.assertNotEqual(self.leaked(), [], "it does")
        self.assertFalse(self.items()["link", "up"])
        time.sleep(1.5)
        self.assertEqual(self.node.status()["link"], "down")
        self.host.ip("link", "set", self.node.name, "up")
        self.wait_for_repair("what went with the link")
        self.assert_everything_passes()
        self.host.ip("link", "set", self.node.name, "down")
        harness.wait_until(lambda: self.node.status()["link"] == "down", "the node knows")
        self.node.reload()
        self.wait_for_repair("what a reload brings back")
        self.assert_everything_passes()


class AutomaticRoutes(Underlay):
    def test_routes_follow_the_peers_by_file_and_by_command(self):
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24", "10.210.0.0/16"])
        self.node.write(routes="auto")
        self.exit.start()
        self.before = self.routing()
        self.node.start()
        routed = lambda: {line.split()[0] for line in
                          self.host.ip("route", "show", "dev", self.node.name).stdout.splitlines()}
        own = {"10.200.1.0/24"}
        self.assertEqual(routed(), own | {"10.200.2.0/24", "10.210.0.0/16"})
        key = harness.pubkey(harness.genkey())
        said = self.node.weft("peer", "add", key, "--name", "more", "--allowed-ip", "10.220.0.0/16",
                              "--allowed-ip", "10.200.1.9")
        self.assertIn("route 10.220.0.0/16 added", said)
        self.assertEqual(routed(), own | {"10.200.2.0/24", "10.210.0.0/16", "10.220.0.0/16"})
        self.node.weft("peer", "remove", "more")
        self.assertEqual(routed(), own | {"10.200.2.0/24", "10.210.0.0/16"})
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24", "10.211.0.0/16"])
        self.node.write()
        self.node.reload()
        self.assertEqual(routed(), own | {"10.200.2.0/24", "10.211.0.0/16"})
        # One that is taken does not keep the peer away.
        said = self.node.weft("peer", "add", key, "--allowed-ip", "10.91.0.0/24")
        self.assertIn("the host stays as it is: Cannot add the route 10.91.0.0/24", said)
        self.node.weft("peer", "remove", key)
        self.stop()
        self.assertEqual(self.routing(), self.before)

    def test_a_table_of_the_operator_gets_the_routes_and_no_rules(self):
        self.node.write(table=1234, metric=7)
        self.exit.start()
        self.before = self.routing()
        self.node.start()
        self.assertEqual(self.rules(), [])
        self.assertIn(f"default dev {self.node.name} proto static scope link metric 7",
                      self.host.ip("route", "show", "table", "1234").stdout)
        self.assertEqual(self.node.status()["fwmark"], 0)
        self.stop()
        self.assertEqual(self.routing(), self.before)


    def test_an_endpoint_behind_its_own_tunnel_is_told_of_before_a_handshake(self):
        self.knows_exit(self.node, default_route=False, allowed_ips=["203.0.113.0/24"])
        self.node.write(routes="auto")
        said = self.host.run(harness.WEFT, "check", self.node.file)
        self.assertIn("203.0.113.1 lies in 203.0.113.0/24, which is routed into the tunnel", said.stdout + said.stderr)
        self.node.start()
        self.node.logs("peer_troubled: node2 at 203.0.113.1:51820: 203.0.113.1:51820 is routed into the tunnel itself")
        self.assertIn("is routed into the tunnel itself", self.node.status()["peers"][0]["reason"])
        self.knows_exit(self.node, default_route=False, allowed_ips=["10.200.2.0/24"])
        self.node.write()
        self.node.reload()
        harness.wait_until(lambda: "is routed" not in (self.node.status()["peers"][0]["reason"] or ""),
                           "the trouble is over")


class Moves(Underlay):
    def test_a_transfer_goes_on_when_gateway_and_address_change(self):
        self.transfer_goes_on("10.9{}.0.1:51820")
        self.assertNotIn("203.0.113.1", self.routing(), "there is no route to the endpoint alone")

    def test_a_transfer_goes_on_over_ipv6_as_well(self):
        self.knows_exit(self.node, "[2001:db8:1::1]:51820")
        self.transfer_goes_on("[fd9{}::1]:51820")
        self.assertNotIn("2001:db8:1::1", self.routing(), "there is no route to the endpoint alone")

    def transfer_goes_on(self, own_endpoint):
        """`own_endpoint`: where the exit sees the host, by the number of the link."""
        self.host.ip("link", "set", "net1", "mtu", "1400")
        self.node.write(mtu="auto")
        self.start()
        listener = harness.in_namespace(self.outside, lambda: socket.create_server((OUTSIDE[4], 0)))
        client = harness.in_namespace(self.host, lambda: socket.socket())
        self.stack.callback(listener.close)
        self.stack.callback(client.close)
        client.connect(listener.getsockname())
        connection = listener.accept()[0]
        self.stack.callback(connection.close)
        received = [0]

        def send():
            try:
                while True:
                    client.sendall(bytes(16384))
                    time.sleep(0.002)
            except OSError:
                pass

        def receive():
            try:
                while part := connection.recv(1 << 16):
                    received[0] += len(part)
            except OSError:
                pass
        for job in (send, receive):
            threading.Thread(target=job, daemon=True).start()
        harness.wait_until(lambda: received[0] > 1 << 20, "the transfer has begun")
        handshake = lambda: self.node.peer(self.exit)["last_handshake"]
        for number in (1, 0, 1):
            before = handshake()
            self.use_gateway(number)
            self.host.ip("addr", "flush", "dev", f"net{1 - number}")
            began, so_far = time.monotonic(), received[0]
            harness.wait_until(lambda: received[0] > so_far + (1 << 19), "the transfer goes on", harness.BEFORE_GIVEN_UP)
            print(f"gateway {number}: went on after {time.monotonic() - began:.2f} s")
            harness.wait_until(lambda: self.exit.peer(self.node)["endpoint"] == own_endpoint.format(number),
                               "the exit answers to the new address", 30)
            harness.wait_until(lambda: self.node.status()["mtu"] == (1420, 1320)[number], "the MTU is that of the way", 30)
            if time.time() - before < 100:  # later there is a new one anyhow
                self.assertEqual(handshake(), before, "in the same session, and without a wait for the end of one")
            self.assertFalse(self.missing())
            for address in (f"10.9{1 - number}.0.1/24", f"fd9{1 - number}::1/64"):
                self.host.add_address(address, f"net{1 - number}")
        self.assertEqual(self.leaked(), [])


if __name__ == "__main__":
    harness.main()
