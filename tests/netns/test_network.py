#!/usr/bin/python3
"""Networks that run themselves: one command and one token a node, and nobody touches the others."""

import calendar
import collections
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import time

import clocks
import harness
import nodes


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class NetworkTest(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.network = nodes.Network(self)

    def is_served(self):
        """Whether an issuer runs."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            return client.connect_ex(f"{harness.ISSUER_SOCKETS}/{self.network.name}.sock") == 0

    def assert_all_ping(self):
        for node in self.network.members:
            for other in self.network.members:
                if node is not other:
                    node.wait_for_ping(other)
                    node.wait_for_ping(other, family=6)


class Joining(NetworkTest):
    def test_five_nodes_take_one_command_and_one_token_each(self):
        members = self.network.mesh(5)
        self.assert_all_ping()
        self.assertEqual(len({member.addresses[0] for member in members}), 5)
        # A sixth one: no file of the others changes, and it is reached within seconds.
        before = [digest(member.file) for member in members]
        token = members[0].invite()
        sixth = self.network.add()
        sixth.join(token)
        sixth.start()
        begin = time.monotonic()
        for other in self.network.members[:-1]:
            other.wait_for_ping(sixth)
            sixth.wait_for_ping(other, family=6)
        self.assertLess(time.monotonic() - begin, 50)
        self.assertEqual([digest(member.file) for member in self.network.members[:-1]], before)

    def test_the_same_token_and_keys_get_the_same_answer_again(self):
        first = self.network.init()
        token = first.invite()
        second = self.network.add()
        said = second.join(token)
        os.unlink(second.file)  # as if the command had been cut off before the end
        self.assertEqual(second.join(token), said)
        third = self.network.add()
        self.assertIn("as many as it may", third.weft("network", "join", token, *third.place, code=None))
        self.assertFalse(os.path.exists(third.file))
        self.assertFalse([name for name in os.listdir(third.state) if name.startswith(".join-")])  # nothing is left

    def test_what_the_answer_says_to_do_costs_no_use_of_the_token(self):
        # Too long for an interface, which is known when the token was used.
        self.network.name = f"{self.network.name}-has-a-long-name"[:32]
        first = self.network.add()
        first.made("init", self.network.name, "--range", "10.200.0.0/16", "--endpoint", f"{first.outer}:51820")
        first.start()
        token = first.invite()
        second = self.network.add()
        place = ("--config", second.file, "--state", second.state, "--name", "node2", "--no-start")
        # What is in the way from the start uses nothing.
        with open(second.file, "w") as file:
            file.write("interface: {}\n")
        self.assertIn("is there already", second.weft("network", "join", token, *place, code=None))
        os.unlink(second.file)
        self.assertIn("no endpoint", second.weft("network", "join", token, *place, "--endpoint", "nowhere", code=None))
        self.assertEqual([each["used"] for each in json.loads(first.network_command("tokens", "--json"))
                          if each["state"] == "open"], [0])
        self.assertIn("--interface NAME", second.weft("network", "join", token, *place, code=None))
        second.join(token)
        second.start()
        second.wait_for_ping(first)
        self.assertEqual(len(json.loads(first.network_command("members", "--json"))), 2)
        self.assertFalse([name for name in os.listdir(second.state) if name.startswith(".join-")])

    def test_what_is_secret_is_its_owners_alone(self):
        first = self.network.init()
        self.network.grow(first.invite())
        for member in self.network.members:
            self.assertEqual(os.stat(member.folder).st_mode & 0o777, 0o700)
            for name in ("member.key", "wireguard.key"):
                self.assertEqual(os.stat(f"{member.folder}/{name}").st_mode & 0o777, 0o600)

    def test_a_token_that_was_taken_back_lets_nobody_in(self):
        first = self.network.init()
        token = first.invite("--uses", 5)
        shown = json.loads(first.network_command("tokens", "--json"))
        self.assertIn("open", {each["state"] for each in shown})
        first.network_command("revoke-token", token)
        second = self.network.add()
        said = second.weft("network", "join", token, *second.place, code=None)
        self.assertIn("revoked" if "revoked" in said else "token", said)
        self.assertFalse(os.path.exists(second.file))

    def test_a_node_that_reaches_no_directory_joins_by_files(self):
        first = self.network.init()
        second = self.network.add()
        request, answer = f"{self.folder}/request", f"{self.folder}/answer"
        second.weft("network", "join", "--request", request, "--root", f"{first.folder}/root.pem",
                    "--interface", second.name, "--config", second.file, "--state", second.state, "--name", "node2")
        with open(answer, "w") as file:
            file.write(first.network_command("issue", request))
        second.made("import", answer)
        second.start()
        self.network.wait_for_all()
        self.assert_all_ping()


class Hosts(NetworkTest):
    """What a host has of its own, and a network is not to take."""

    def tries(self, member, *command, code=2):
        return member.weft("network", *command, *member.place, code=code)

    def test_a_network_does_not_take_what_a_host_has(self):
        first = self.network.add()
        own = ("--endpoint", f"{first.outer}:51820")
        for words, says in (((*own, "--range", "10.90.0.0/16"), "the endpoint 10.90.0.1:51820 lies in"),
                            (("--endpoint", "192.0.2.1:51820", "--range", "10.90.0.0/16"),
                             "holds 10.90.0.1, an address of this host (net0)"),
                            ((*own, "--range", "10.0.0.0/8", "--range", "fd00:200::/48"), "lies in the network's own")):
            self.assertIn(says, self.tries(first, "init", self.network.name, *words))
        first.home.ip("route", "add", "10.200.7.0/24", "via", "10.90.0.200")
        ranges = ("--range", "10.200.0.0/16", "--range", "fd00:200::/48")
        said = self.tries(first, "init", self.network.name, *own, *ranges)
        self.assertIn("overlaps with 10.200.7.0/24, which this host reaches by net0", said)
        self.assertIn("--allow-overlap", said)
        self.assertFalse(os.path.exists(first.state), "nothing was made")
        first.made("init", self.network.name, *own, *ranges, "--allow-overlap")
        first.start()

        # Who joins learns the ranges before the token is used.
        second = self.network.add()
        second.home.ip("route", "add", "10.200.0.0/13", "via", "10.90.0.200")
        token = first.invite()
        said = self.tries(second, "join", token)
        self.assertIn("overlaps with 10.200.0.0/13, which this host reaches by net0", said)
        self.assertFalse(os.path.exists(second.file))
        self.assertEqual({each["used"] for each in json.loads(first.network_command("tokens", "--json"))
                          if each["state"] == "open"}, {0})
        request = f"{self.folder}/request"
        self.tries(second, "join", "--request", request, "--root", f"{first.folder}/root.pem")
        self.assertFalse(os.path.exists(request))
        second.join(token, "--allow-overlap")
        second.start()
        second.wait_for_ping(first)


    def test_a_host_without_ipv6_has_the_networks_ipv4(self):
        first, second = self.network.mesh(2)
        second.stop()
        second.home.sysctl(ipv6__conf__all__disable_ipv6=1)
        second.start()
        second.wait_for_ping(first)
        self.assertIn("IPv6 is off on this host", second.process.output())
        self.assertIn("IPv6 is off on this host", second.weft("status", second.name))
        self.assertIn({"kind": "ipv6", "value": "on", "in_place": False, "found": "off"}, second.status()["host"])
        second.home.sysctl(ipv6__conf__all__disable_ipv6=0)
        second.weft("reload", "-i", second.name)
        second.wait_for_ping(first, family=6)
        self.assertNotIn("IPv6", second.weft("status", second.name))


    def test_a_peer_of_the_file_in_a_members_place_is_told_once(self):
        first, second, third = self.network.mesh(3)
        second.stop()
        key = next(peer["public_key"] for peer in first.status()["peers"] if peer["name"] == "node3")
        second.edit(lambda text: f"{text}\npeers: [{{name: mine, public_key: {key}, allowed_ips: [10.200.99.0/28]}}]\n")
        second.start()
        told = "'node3' has a key or addresses of a peer that a file or a command has made"
        harness.wait_until(lambda: told in second.process.output(), "it is told")
        for step in (("network", "rekey", "--config", first.file), ("network", "invite", "--config", first.file)):
            first.weft(*step)
        second.weft("reload", "-i", second.name)
        harness.wait_until(lambda: second.standing()["epoch"] == first.standing()["epoch"], "the new epoch")
        third.stop()
        third.start()  # with another record
        second.wait_for_ping(first)
        self.assertEqual(second.process.output().count(told), 1)
        self.assertEqual(second.peers(), {"node1", "mine"})


class Mistakes(NetworkTest):
    """What is asked for wrongly has an exit code of its kind, and a sentence with the remedy."""

    def says(self, member, words, code, *parts):
        said = member.weft("network", *words, "--json", code=code)
        message = json.loads(said)["error"]["message"]
        for part in parts:
            self.assertIn(part, message, words)

    def test_careless_commands_are_told_what_is_wrong(self):
        first, second = self.network.mesh(2)
        at, there = ("--config", first.file), ("--config", second.file)
        nowhere = f"{self.folder}/nowhere"
        with open(f"{self.folder}/text", "w") as file:
            file.write("nothing\n")
        for words, code, *parts in (
                (("join",), 2, "TOKEN is missing"),
                (("join", "--request", nowhere), 2, "--root FILE is missing"),
                (("join", "--root", nowhere), 2, "--root belongs to --request"),
                (("join", "a", "--request", nowhere), 2, "two ways"),
                (("join", "--request", nowhere, "--root", nowhere), 2, nowhere),
                (("import", nowhere), 2, nowhere),
                (("import", f"{self.folder}/text"), 2, f"{self.folder}/text", "no answer"),
                (("issue", f"{self.folder}/text", *at), 2, f"{self.folder}/text", "no request"),
                (("issue", nowhere, *at), 2, nowhere),
                (("remove", "nobody", *at), 5, "no member is called 'nobody'", "weft network members"),
                (("remove", "node1", *at), 2, "is this node"),
                (("invite", "--name", "node2", *at), 2, "is a member's name"),
                (("invite", "--prefix", "192.168.0.0/24", *at), 2, "none of the issuer's ranges"),
                (("invite", "--expires", "0s", *at), 2, "is no time"),
                (("revoke-token", "00000000", *at), 2, "no such token"),
                (("leave", *at), 2, "is a directory"),
                (("renew", "--directory", *there), 2, "is no directory", "weft network directory"),
                (("init", "other", "--range", "10.201.0.1/16"), 2, "10.201.0.0/16 is expected"),
                (("members", "--config", nowhere), 2, nowhere)):
            self.says(first, words, code, *parts)
        as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all")
        for command in ("members", "status", "invite", "renew", "leave"):
            result = first.home.run(*as_nobody, harness.WEFT, "network", command, *at, check=False)
            self.assertEqual(result.returncode, 4, f"{command}: {result.stdout}{result.stderr}")

        first.process.terminate()
        harness.wait_until(lambda: not self.is_served(), "the issuer has ended")
        for words in (("invite", *at), ("tokens", *at), ("remove", "node2", *at), ("rekey", *at)):
            self.says(first, words, 3, "No issuer serves", "where the issuer is")
        self.says(first, ("recover", *at), 3, "Cannot ask the directory")
        for words in (("leave", *there), ("renew", *there)):
            self.says(second, words, 3, f"{first.outer}:51821: no connection: Connection refused")


class Changes(NetworkTest):
    def test_a_removed_member_is_dropped_and_does_not_come_back(self):
        first, second, third = self.network.mesh(3)
        self.assert_all_ping()
        service = harness.Process(self, ["iperf3", "-s", "-1", "-B", third.addresses[0], "--forceflush"], third.home)
        harness.wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        harness.Process(self, ["iperf3", "-c", third.addresses[0], "-t", "60"], second.home)
        harness.wait_until(lambda: any(peer["rx_bytes"] > 1_000_000 for peer in third.status()["peers"]), "a transfer")
        first.network_command("remove", "node3")
        begin = time.monotonic()
        for member in (first, second):
            harness.wait_until(lambda m=member: "node3" not in m.peers(), f"{member.member} drops node3", pause=0.1)
        self.assertLess(time.monotonic() - begin, 50)
        self.assertEqual(second.ping(third, 1, wait=1), 0)
        # Those who know them only by what they were told see it, too.
        listed = {each["name"]: each["removed"] for each in json.loads(second.network_command("members", "--json"))}
        self.assertEqual(listed, {"node1": False, "node2": False, "node3": True})
        # Its certificate does not get it in again.
        third.process.terminate()
        third.start()
        time.sleep(2)
        self.assertNotIn("node3", first.peers() | second.peers())
        self.assertEqual(first.ping(second, 3), 3)
        # To leave, it need not be a member any more.
        self.assertIn("had removed it before", third.network_command("leave"))
        self.assertFalse(os.path.exists(third.file))

    def test_who_leaves_is_dropped(self):
        first, second, third = self.network.mesh(3)
        third.network_command("leave")
        for member in (first, second):
            member.wait_for_peers([first, second])
        self.assertFalse(os.path.exists(third.file))
        self.assertFalse(os.path.exists(f"{third.folder}/member.key"))
        listed = json.loads(first.network_command("members", "--json"))
        self.assertEqual({each["name"]: each["removed"] for each in listed},
                         {"node1": False, "node2": False, "node3": True})

    def test_a_new_epoch_of_keys_loses_no_packet(self):
        first, second, third = self.network.mesh(3)
        self.assert_all_ping()
        before = json.loads(first.network_command("status", "--json"))["issuer"]["epoch"]
        ping = harness.Process(self, ["ping", "-n", "-i", "0.05", "-c", "200", "-W", "5", third.addresses[0]],
                               second.home)
        first.network_command("rekey")
        harness.wait_until(lambda: all(
            member.standing()["epoch"] == before + 1 for member in self.network.members),
            "all have the new epoch", pause=0.2)
        ping.wait(120)
        self.assertIn(" 0% packet loss", ping.output())
        self.assert_all_ping()


class WithoutDirectory(NetworkTest):
    def test_members_go_on_and_start_again_without_a_directory(self):
        first, second, third = self.network.mesh(3)
        self.assert_all_ping()
        ping = harness.Process(self, ["ping", "-n", "-i", "0.1", "-c", "100", "-W", "5", third.addresses[0]],
                               second.home)
        first.process.signal(signal.SIGKILL)
        first.process.wait()
        ping.wait(120)
        self.assertIn(" 0% packet loss", ping.output())
        # One that is started again knows the others by what it has kept.
        second.process.terminate()
        second.start()
        self.assertEqual(second.peers(), {"node1", "node3"})
        second.wait_for_ping(third)
        # It comes back, and all agree.
        first.start()
        self.network.wait_for_all()
        for member in (second, third):
            harness.wait_until(lambda m=member: m.standing()["directory"],
                               f"{member.member} is connected", pause=0.2)
        self.network.grow(first.invite())
        self.network.wait_for_all()

    def test_after_a_restored_backup_nothing_is_given_twice_and_nobody_is_back(self):
        first = self.network.init()
        token = first.invite("--uses", 5)
        second, third = self.network.grow(token), self.network.grow(token)
        self.network.wait_for_all()
        folder = f"{self.folder}/backup"
        first.network_command("backup", folder)
        fourth = self.network.grow(token)  # the backup does not know it,
        first.network_command("remove", "node3")  # nor this
        for member in (first, second, fourth):
            member.wait_for_peers([first, second, fourth])
        third.process.terminate()
        self.network.members.remove(third)

        first.process.signal(signal.SIGKILL)
        first.process.wait()
        issuer = f"{self.state_of(first)}/issuer"
        harness.wait_until(lambda: not self.is_served(), "the issuer has ended with its weftd")
        shutil.rmtree(f"{issuer}/journal")
        first.home.run(f"{os.path.dirname(harness.WEFTD)}/weft-issuer", issuer, "--recover", f"{folder}/journal.db")
        first.start()
        fifth = self.network.add()
        self.network.members.remove(fifth)
        self.assertIn("recover", fifth.weft("network", "join", token, *fifth.place, code=None))
        first.network_command("recover")
        # Which tokens were used or withdrawn since the backup nobody knows: none is good any more.
        self.assertIn("withdrawn", fifth.weft("network", "join", token, *fifth.place, code=4))
        fifth.join(first.invite())
        self.network.members.append(fifth)
        fifth.start()
        self.network.wait_for_all()
        taken = [member.addresses[0] for member in (first, second, third, fourth, fifth)]
        self.assertEqual(len(set(taken)), 5)
        listed = {each["name"]: each["removed"] for each in json.loads(first.network_command("members", "--json"))}
        self.assertEqual(listed, {"node1": False, "node2": False, "node3": True, "node4": False, "node5": False})
        third.start()
        self.assertEqual(second.ping(third, 1, wait=2), 0)
        self.assertNotIn("node3", first.peers() | second.peers())

    def issuer_of(self, member):
        """The process that is the issuer, which another one keeps at work."""
        folder = f"{self.state_of(member)}/issuer"
        for each in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{each}/cmdline") as file:
                words = file.read().split("\0")
                if folder in words and "--companion" in words:
                    return int(each)
        return None

    def test_an_issuer_that_dies_is_started_again_which_log_and_status_tell(self):
        first = self.network.init()
        harness.wait_until(self.is_served, "the issuer is there")
        before = self.issuer_of(first)
        key = f"{self.state_of(first)}/issuer/issuer.key"
        os.rename(key, key + ".away")
        os.kill(before, signal.SIGKILL)
        for end in ("was ended by signal 9", "failed with exit code 1"):
            harness.wait_until(lambda text=end: f"the issuer {text}; it is started again in" in first.process.output(),
                               f"the log says that the issuer {end}")
        harness.wait_until(lambda: json.loads(first.network_command("status", "--json"))["directory"]["trouble"]["issuer"],
                           "the status says that the issuer is not there", pause=0.2)
        os.rename(key + ".away", key)
        harness.wait_until(self.is_served, "the issuer is there again", 120)
        self.assertNotEqual(self.issuer_of(first), before)
        self.network.grow(first.invite())
        self.network.wait_for_all()
        first.stop()
        harness.wait_until(lambda: self.issuer_of(first) is None, "the issuer has ended with its weftd")

    @staticmethod
    def state_of(member):
        return os.path.dirname(member.folder)

    def test_a_backup_of_issuer_and_directory_can_be_made(self):
        first = self.network.init()
        self.network.grow(first.invite())
        self.network.wait_for_all()
        folder = f"{self.folder}/backup"
        files = json.loads(first.network_command("backup", folder, "--json"))["files"]
        self.assertEqual({os.path.basename(each) for each in files},
                         {"journal.db", "root.pem", "root.key", "issuer.pem", "issuer.key", "store.db"})
        for each in files:
            self.assertEqual(os.stat(each).st_mode & 0o777, 0o600)


class Clocks(NetworkTest):
    def test_clocks_of_1970_and_2100_cost_no_peer(self):
        clock = clocks.ShiftedClock(self)
        second, third = self.network.mesh(3)[1:]
        second.stop()
        second.start(clock.environment)
        self.assert_all_ping()
        for year in (1970, 2100):
            clock.set(calendar.timegm((year, 3, 1, 0, 0, 0)))  # while it runs
            for starts in (False, True):
                if starts:
                    self.assertEqual(second.process.terminate(), 0)
                    second.start(clock.environment)
                    self.assertIn(f"{year}-03-01T", second.process.output())
                harness.wait_until(lambda: second.standing()["clock_suspect"], f"node2 suspects the clock of {year}", 120,
                                   pause=0.2)
                harness.wait_until(second.is_connected, f"node2 is connected in {year}", 120, pause=0.2)
                self.assertIn("clock", second.network_command("status"))
                self.assertEqual(second.peers(), {"node1", "node3"}, year)
                third.wait_for_ping(second)
                second.wait_for_ping(third)
        # It is set right while it runs, and the network goes on.
        clock.shift(0)
        harness.wait_until(lambda: not second.standing()["clock_suspect"], "node2 trusts its clock again", 120, pause=0.2)
        self.network.grow(self.network.members[0].invite())
        self.network.wait_for_all()
        self.assert_all_ping()
        self.assertEqual(second.process.terminate(), 0)


class Page(NetworkTest):
    """docs/network.md, "Five nodes in ten minutes", line by line; what systemd starts there is started here."""

    def follow(self, member, line):
        """Does what the page says; its output."""
        line = line.replace("prod", self.network.name if " init " in line else member.name)
        words = shlex.split(line.replace("alpha.example.net", self.network.members[0].outer).replace("TOKEN", self.token))
        self.assertEqual(words[0], "weft", line)
        if words[1:3] in (["network", "init"], ["network", "join"]):
            member.made(*words[2:])
            member.start()
            return ""
        return member.weft(*words[1:], *(("--config", member.file) if words[1] == "network" else ()))

    def test_the_page_leads_to_five_nodes(self):
        with open(f"{harness.ROOT}/docs/network.md") as file:
            page = file.read()
        chapter = page[page.index("## Five nodes"):page.index("### Without systemd")]
        blocks = re.findall(r"```sh ([a-z ]+)\n(.*?)```", chapter, re.DOTALL)
        self.assertEqual(len(blocks), 4)
        self.token = ""
        hosts = {}
        typed = collections.Counter()
        for names, text in blocks:
            for name in names.split():
                if name not in hosts:
                    hosts[name] = self.network.add()
                    hosts[name].member = name
                for line in text.splitlines():
                    said = self.follow(hosts[name], line)
                    typed[name] += 1
                    if " invite " in line:
                        self.token = said.strip()
        self.assertEqual(list(hosts), ["alpha", "beta", "gamma", "delta", "epsilon"])
        self.assertEqual({typed[name] for name in list(hosts)[1:]}, {1})
        self.network.wait_for_all()
        self.assert_all_ping()


if __name__ == "__main__":
    harness.main()
