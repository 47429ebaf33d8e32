#!/usr/bin/python3
"""What takes root: commands, DNS servers and src_valid_mark, done by `weft host`, and undone however a node ends."""

import contextlib
import os
import signal

import harness
import nodes
import resolvconf

NOTES = "/run/weft-host"


class HostTest(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.left, self.right = nodes.pair(self, start=False)
        self.seen = f"{self.folder}/seen"
        self.stack.callback(self.forget)

    def forget(self):
        with contextlib.suppress(OSError):
            os.unlink(f"{NOTES}/{self.left.name}")

    def noted(self):
        return os.path.exists(f"{NOTES}/{self.left.name}")

    def helper(self, *arguments, code=0, host=None):
        result = (host or self.left.home).run(harness.WEFT, "host", *arguments, check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stderr

    def lines(self):
        with contextlib.suppress(FileNotFoundError), open(self.seen) as file:
            return file.read().splitlines()
        return []

    def wait_for_lines(self, expected):
        harness.wait_until(lambda: len(self.lines()) >= len(expected), f"{expected} in {self.seen}")
        self.assertEqual(self.lines(), expected)

    def says(self, text):
        """A command that writes a line."""
        return f"/bin/sh -c 'echo {text} >> {self.seen}'"


class Commands(HostTest):
    def test_commands_run_when_the_node_works_and_when_it_has_ended(self):
        self.left.write(
            on_up=[self.says("up $WEFT_INTERFACE $WEFT_EVENT"), "/bin/false", self.says("next")],
            on_down=[self.says("down $WEFT_CONFIG $WEFT_EVENT")])
        self.left.start()
        self.wait_for_lines([f"up {self.left.name} up", "next"])
        self.left.logs("/bin/false failed with exit code 1")
        self.assertEqual(os.stat(f"{NOTES}/{self.left.name}").st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(NOTES).st_mode & 0o777, 0o700)
        self.assertEqual(self.left.process.terminate(), 0)
        # weftd has waited for them.
        self.assertEqual(self.lines()[2:], [f"down {self.left.file} down"])
        self.assertFalse(self.noted())

    def test_commands_for_the_end_run_after_sigkill_too(self):
        self.left.write(on_down=[self.says("down")])
        self.left.start()
        harness.wait_until(self.noted, "a note")
        self.left.process.kill()
        self.wait_for_lines(["down"])
        harness.wait_until(lambda: not self.noted(), "the note is gone")
        harness.wait_until(lambda: not self.left.home.processes(), "nothing goes on")

    def test_a_command_gets_to_know_what_is_documented_and_has_nothing_else(self):
        self.left.write(fwmark=77, on_up=[f"/bin/sh -c 'env | sort > {self.seen}'",
                                          f"/bin/sh -c 'exec ls /proc/self/fd >> {self.seen}'",
                                          f"/bin/sh -c 'cat >> {self.seen}; pwd >> {self.seen}'"])
        self.left.start(environment={"SECRET": "1"})
        self.wait_for_lines(["PWD=/", f"WEFT_CONFIG={self.left.file}", "WEFT_EVENT=up",
                             f"WEFT_INTERFACE={self.left.name}", "WEFT_MARK=77", "0", "1", "2", "3", "/"])  # ls has one of its own

    def test_commands_of_a_file_that_others_can_change_are_not_run(self):
        self.left.write(on_up=[self.says("up")])
        for path in (self.folder, self.left.file):
            with self.subTest(path):
                before = os.stat(path).st_mode & 0o777
                os.chmod(path, before | 0o020)
                said = self.helper("up", self.left.name, "--config", self.left.file, code=1)
                self.assertIn(f"others than root can write to {path}; run: chmod go-w {path}", said)
                checked = self.left.home.run(harness.WEFT, "check", self.left.file)
                self.assertIn("interface.on_up: the commands will not be run: others than root", checked.stderr)
                os.chmod(path, before)
        os.chown(self.folder, 1, 1)
        self.assertIn("is not root's", self.helper("up", self.left.name, "--config", self.left.file, code=1))
        os.chown(self.folder, 0, 0)
        self.assertEqual(self.lines(), [])
        self.assertFalse(self.noted())

    def test_operators_cannot_change_commands_and_a_reload_says_when_they_change(self):
        self.left.write(on_up=[self.says("up")])
        self.left.start()
        self.wait_for_lines(["up"])
        other = f"{self.folder}/other.yaml"
        with open(self.left.file) as file:
            text = file.read()
        for changed in (text.replace("echo up", "echo evil"), text.replace('"on_up"', '"on_down"')):
            self.text_file("other.yaml", changed)
            for more in ((), ("--dry-run",)):
                said = self.left.weft("apply", other, *more, code=None)
                self.assertIn("commands come from the node's own file alone", said)
        self.text_file("other.yaml", text)
        self.left.weft("apply", other)
        self.left.write(on_up=[self.says("later")])
        self.assertIn("interface.on_up: stays as it is until weftd is restarted", self.left.weft("reload"))
        self.wait_for_lines(["up"])

    def test_the_helper_has_no_key_and_no_descriptor_of_weftds(self):
        self.left.write(on_down=[self.says("down")])
        self.left.start()
        harness.wait_until(lambda: self.noted() and len(self.left.home.processes()) == 2, "it waits for the end")
        guard, = (pid for pid in self.left.home.processes() if pid != self.left.process.pid)
        self.assertEqual(sorted(os.listdir(f"/proc/{guard}/fd")), ["0", "1", "2"])
        self.assertEqual(open(f"/proc/{guard}/environ").read(), "")
        needle = self.left.private_key.encode()
        with open(f"/proc/{guard}/maps") as maps, open(f"/proc/{guard}/mem", "rb") as memory:
            for line in maps:
                bounds, rights = line.split()[:2]
                if not rights.startswith("rw"):
                    continue
                begin, end = (int(part, 16) for part in bounds.split("-"))
                memory.seek(begin)
                self.assertNotIn(needle, memory.read(end - begin), line)

    def test_nothing_goes_on_for_a_file_that_has_nothing_of_this(self):
        self.left.start()
        self.assertEqual(self.left.home.processes(), [self.left.process.pid])
        self.left.process.terminate()
        self.assertFalse(self.noted())

    def test_under_a_manager_that_runs_the_helper_weftd_starts_none(self):
        self.left.write(on_up=[self.says("up")], on_down=[self.says("down")])
        for _ in range(2):
            self.left.process = harness.Process(self, [harness.WEFTD, "--config", self.left.file, "--no-helper"],
                                                self.left.home)
            self.left.wait_ready()
            self.assertEqual(self.left.home.processes(), [self.left.process.pid])
            self.helper("up", self.left.name, "--config", self.left.file)
            self.helper("up", self.left.name, "--config", self.left.file)  # as after a restart that keeps the interface
            self.left.process.kill()
        os.unlink(self.left.file)
        self.helper("down", self.left.name)
        self.helper("down", self.left.name)
        self.assertEqual(self.lines(), ["up", "down", "up", "down"])

    def test_nobody_but_root_and_no_odd_name_is_served(self):
        for name in ("../x", ".x", "a/b"):
            self.assertIn("is no name of a node", self.helper("down", name, code=2))
        result = harness.run("setpriv", "--reuid=nobody", "--clear-groups", harness.WEFT, "host", "down", "x",
                             check=False)
        self.assertIn("run it as root", result.stderr)
        self.assertEqual(result.returncode, 4)


class SourceMarks(HostTest):
    def read(self, link, key="src_valid_mark"):
        return self.left.home.run("cat", f"/proc/sys/net/ipv4/conf/{link}/{key}").stdout.strip()

    def set(self, **values):
        self.left.home.sysctl(**{f"ipv4__conf__{key}": value for key, value in values.items()})

    def setUp(self):
        super().setUp()
        self.left.home.ip("link", "add", "loose0", "type", "veth", "peer", "loose1")
        self.left.peers[0]["default_route"] = True
        self.set(net0__rp_filter=1, loose0__rp_filter=2)

    def test_links_with_a_strict_filter_look_at_marks_while_the_node_runs(self):
        self.left.start()
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.assertEqual([self.read(link) for link in ("all", "default", "loose0", "lo", self.left.name)], ["0"] * 5)
        self.left.process.kill()
        harness.wait_until(lambda: self.read("net0") == "0", "it is put back")

    def test_a_strict_filter_for_all_counts_for_those_that_are_less(self):
        self.set(all__rp_filter=1, net0__rp_filter=0)
        self.left.start()
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.assertEqual(self.read("loose0"), "0")
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "0")

    def test_what_somebody_else_has_set_stays(self):
        self.set(net0__src_valid_mark=1)
        self.left.start()
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "1", "it was so before")
        self.set(net0__src_valid_mark=0)
        self.left.start()
        harness.wait_until(self.noted, "a note")
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.set(net0__src_valid_mark=0)
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "0")

    def test_a_link_that_two_nodes_need_it_of_keeps_it_for_the_other(self):
        self.left.start()
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.helper("up", f"{self.left.name}-two", "--config", self.left.file)
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "1")
        self.helper("down", f"{self.left.name}-two")
        self.assertEqual(self.read("net0"), "0")

    def kill_with_helper(self):
        """As a manager that ends all of a group does, and who has no memory left."""
        self.left.start()
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        harness.wait_until(self.noted, "a note")
        helpers = [pid for pid in self.left.home.processes() if pid != self.left.process.pid]
        self.assertTrue(helpers)
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        self.left.process.kill()
        harness.wait_until(lambda: not self.left.home.processes(), "all have ended")
        self.assertEqual(self.read("net0"), "1", "nobody has undone it")

    def test_what_a_node_leaves_whose_helper_was_killed_too_is_put_back_by_unlock(self):
        self.kill_with_helper()
        self.right.home.run(harness.WEFT, "unlock", "--all")
        self.assertTrue(self.noted(), "another host's is not touched")
        with open(self.left.file) as file:
            two = self.text_file("two.yaml", file.read().replace(f'"name": "{self.left.name}"', '"name": "two0"'))
        self.helper("up", f"{self.left.name}-two", "--config", two)
        self.left.home.run(harness.WEFT, "unlock", self.left.name)
        self.assertEqual(self.read("net0"), "1", "another node needs it")
        self.helper("down", f"{self.left.name}-two")
        self.assertEqual(self.read("net0"), "0")
        self.kill_with_helper()
        self.left.home.run(harness.WEFT, "unlock", "--all")
        self.assertEqual(self.read("net0"), "0")
        self.assertFalse(self.noted())

    def test_and_by_its_next_start_whatever_its_file_says_by_then(self):
        for is_on in (True, False):
            self.left.peers[0]["default_route"] = True
            self.kill_with_helper()
            self.left.peers[0]["default_route"] = is_on
            self.left.start()
            harness.wait_until(lambda: self.noted() == is_on, "it is known what was left")
            harness.wait_until(lambda: self.read("net0") == ("1" if is_on else "0"), "it is so here")
            self.left.process.terminate()
            self.assertEqual(self.read("net0"), "0")

    def test_where_settings_are_read_only_a_line_has_the_remedy(self):
        self.left.write()
        said = self.left.home.run("unshare", "-m", "sh", "-c",
                                  "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "
                                  f"exec {harness.WEFT} host up {self.left.name} --config {self.left.file}",
                                  check=False).stderr
        self.assertIn("Cannot write /proc/sys/net/ipv4/conf/net0/src_valid_mark: Read-only file system", said)
        self.assertIn("--sysctl net.ipv4.conf.all.src_valid_mark=1", said)
        self.helper("down", self.left.name)

    def test_a_link_that_becomes_strict_later_has_it_set_and_put_back_in_the_end(self):
        self.left.start()
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.set(loose0__rp_filter=1)
        harness.wait_until(lambda: self.read("loose0") == "1", "it is set of the other link, too")
        self.left.logs("dropped by loose0, whose rp_filter is 1")
        self.left.process.kill()
        harness.wait_until(lambda: self.read("loose0") == self.read("net0") == "0", "it is put back")

    def test_of_a_node_that_has_never_worked_nothing_is_set_that_nobody_would_undo(self):
        self.left.write()
        self.left.home.ip("tuntap", "add", self.left.name, "mode", "tun")
        self.left.home.run(harness.WEFT, "host", "guard", self.left.name, "--config", self.left.file, input="c")
        self.assertEqual(self.read("net0"), "0")
        self.assertFalse(self.noted())

    def test_without_a_helper_a_node_does_it_itself(self):
        self.set(net0__rp_filter=0)
        self.left.peers[0]["default_route"] = False
        self.left.start()
        self.left.peers[0]["default_route"] = True
        self.left.write()
        self.left.weft("reload", "--yes")
        self.set(net0__rp_filter=1)
        harness.wait_until(lambda: self.read("net0") == "1", "it is set")
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "0")

    def test_a_full_tunnel_that_a_reload_turns_on_has_it_set_while_it_is_on(self):
        self.left.peers[0]["default_route"] = False
        self.left.start()
        for is_on in (True, False, True):
            self.left.peers[0]["default_route"] = is_on
            self.left.write()
            said = self.left.weft("reload", "--yes")
            self.assertEqual("src_valid_mark of net0 is set" in said, is_on, said)
            self.assertEqual(self.read("net0"), "1" if is_on else "0")
        self.left.process.terminate()
        self.assertEqual(self.read("net0"), "0")


class Dns(HostTest):
    def test_a_host_without_a_manager_is_told(self):
        if any(os.path.exists(f"{folder}/resolvconf") for folder in ("/usr/sbin", "/usr/bin")):
            self.skipTest("this host has resolvconf")
        self.left.write(dns=["10.64.0.1"])
        checked = self.left.home.run(harness.WEFT, "check", self.left.file, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn("interface.dns: this host has nothing to set DNS servers with", checked.stderr)
        self.left.start()
        self.left.logs("interface.dns: this host has nothing to set DNS servers with")

    def test_openresolv_is_given_the_servers_and_loses_them_again(self):
        self.left.write(dns=["10.64.0.1", "corp.example.net"])
        self.left.peers[0]["default_route"] = True
        self.left.start(*resolvconf.view(self))
        # A process that sees what the node sees, also when that has ended.
        keeper = harness.Process(self, ["nsenter", f"--target={self.left.process.pid}", "--mount", "sleep", "300"])
        harness.wait_until(lambda: os.readlink(f"/proc/{keeper.pid}/exe").endswith("/sleep"), "a process beside it")
        inside = ("nsenter", f"--target={keeper.pid}", "--mount")
        harness.wait_until(lambda: "nameserver 10.64.0.1" in resolvconf.servers(*inside), "its server is asked")
        self.assertEqual(resolvconf.servers(*inside), ["search corp.example.net", "nameserver 10.64.0.1"],
                         "and no other")
        # Somebody takes it away.
        away = ("sh", "-c", f"resolvconf -d {self.left.name} -f || resolvconf -d tun.{self.left.name} -f")
        for by_order in (True, False):
            harness.run(*inside, *away)
            self.assertEqual(resolvconf.servers(*inside), ["nameserver 192.0.2.53"])
            if by_order:
                self.assertIn("the DNS servers 10.64.0.1", self.left.weft("reload"))
            harness.wait_until(lambda: "nameserver 10.64.0.1" in resolvconf.servers(*inside), "its server is asked again")
            self.assertEqual(resolvconf.servers(*inside), ["search corp.example.net", "nameserver 10.64.0.1"])
            harness.wait_until(lambda: self.left.log().count("is in place again") == 2 - by_order, "the log tells")
        self.left.process.kill()
        harness.wait_until(lambda: resolvconf.servers(*inside) == ["nameserver 192.0.2.53"],
                           "the former server is back")


if __name__ == "__main__":
    harness.main()
