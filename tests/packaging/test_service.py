#!/usr/bin/python3
"""The packages on a machine with systemd: installed, run, upgraded, removed."""

import glob
import os
import re
import shutil
import time

import installed
import support
from support import run, wait_until

UNIT = "/lib/systemd/system/weft@.service"
# systemd-analyze's exposure of the unit, in tenths: a new capability, say,
# goes beyond it.  What makes it up is in docs/operations.md.
MOST_EXPOSURE = 19
# And of the issuer's, which has no network and no capabilities.
MOST_ISSUER_EXPOSURE = 4

NODE = """
interface:
  name: {name}
  private_key_file: {name}.key
  listen: 127.0.0.1:{port}
  addresses: [10.99.{number}.1/24]
peers:
  - public_key: {peer}
    endpoint: 127.0.0.1:{peer_port}
    allowed_ips: [10.99.{peer_number}.0/24]
    persistent_keepalive: 1s
"""


class Service(installed.InstalledTest):
    """Each test has a machine of its own, with weft and two nodes, a and b, that know each other."""

    nodes = {"a": 1, "b": 2}

    def setUp(self):
        self.start_time = time.time() - 1
        self.start_machine()
        self.before = self.files()
        self.install()

    def files(self):
        """Kind, mode and path of every file of the machine, but for the package manager's notes and what is built here."""
        skip = "/var/lib/dpkg|/var/log|/var/cache|/tmp|/var/tmp|/dev|/run/systemd|/var/lib/systemd"
        for busy in (support.ROOT, os.path.expanduser("~/.cache")):
            skip += "|" + re.escape(busy)
        listed = self.machine.run("sh", "-c", "find / /run -xdev -regextype posix-extended "
                                  rf"-regex '({skip})(/.*)?' -prune -o -printf '%y%m %p\n'").stdout
        return set(listed.splitlines())

    def added(self):
        """Paths that were not there before, but for what others make on the host meanwhile."""
        paths = {line.split(" ", 1)[1] for line in self.files() - self.before}
        return {path for path in paths if not self.is_of_host(path) and self.exists(path)}

    def exists(self, path):
        """Whether the machine's folder has it: what the host had and has removed since may be known by name still."""
        folder, name = os.path.split(self.machine.path(path))
        try:
            return name in os.listdir(folder)
        except OSError:
            return False

    def is_of_host(self, path):
        """Whether the host has it, from after the beginning."""
        try:
            return os.lstat(path).st_ctime >= self.start_time
        except OSError:
            return False

    def gone(self):
        """Paths that the host has and the machine no longer."""
        paths = {line.split(" ", 1)[1] for line in self.before - self.files()}
        return {path for path in paths if os.path.lexists(path) and not os.path.lexists(self.machine.path(path))}

    def configure(self):
        keys = {}
        for name in self.nodes:
            keys[name] = self.machine.run("weft", "genkey").stdout
            self.machine.write(f"/etc/weft/{name}.key", keys[name], 0o600)
        for name, other in (("a", "b"), ("b", "a")):
            peer = run("wg", "pubkey", stdin=None, input=keys[other]).stdout.strip()
            self.machine.write(f"/etc/weft/{name}.yaml", NODE.format(
                name=name, number=self.nodes[name], port=51820 + self.nodes[name], peer=peer,
                peer_number=self.nodes[other], peer_port=51820 + self.nodes[other]), 0o600)
        self.keep_logs()

    def start_both(self):
        self.configure()
        self.start("a", "b")

    def wait_for_handshakes(self, *names):
        def done():
            shown = [self.machine.run("wg", "show", name, "latest-handshakes").stdout.split() for name in names]
            return all(fields and fields[-1] != "0" for fields in shown)
        wait_until(done, "handshakes")

    def status_fields(self, name):
        with open(self.machine.path(f"/proc/{self.main_pid(name)}/status")) as file:
            return dict(line.split(":", 1) for line in file)

    def test_systemd_has_nothing_to_say_against_the_unit(self):
        result = self.machine.run("systemd-analyze", "verify", "--man=no", UNIT)
        self.assertEqual([line for line in result.stdout.splitlines() if "weft" in line], [])

    def test_the_unit_is_exposed_as_little_as_is_documented(self):
        result = self.machine.run("systemd-analyze", "security", "--no-pager", "--offline=true",
                                  f"--threshold={MOST_EXPOSURE}", UNIT, check=False)
        self.assertEqual(result.returncode, 0, result.stdout)
        with open(f"{support.ROOT}/docs/operations.md") as file:
            self.assertIn(f" {MOST_EXPOSURE / 10} ", file.read(), "the documented exposure")

    def test_the_issuers_unit_is_sound_and_its_folder_its_own(self):
        unit = UNIT.replace("weft@", "weft-issuer@")
        result = self.machine.run("systemd-analyze", "verify", "--man=no", unit)
        self.assertEqual([line for line in result.stdout.splitlines() if "weft" in line], [])
        result = self.machine.run("systemd-analyze", "security", "--no-pager", "--offline=true",
                                  f"--threshold={MOST_ISSUER_EXPOSURE}", unit, check=False)
        self.assertEqual(result.returncode, 0, result.stdout)
        owner = self.machine.run("stat", "--format=%U:%G %a", "/var/lib/weft-issuer").stdout.strip()
        self.assertEqual(owner, "weft-issuer:weft-issuer 700")
        # And the folder of its sockets, before any unit has started.
        owner = self.machine.run("stat", "--format=%U:%G %a", "/run/weft-issuer").stdout.strip()
        self.assertEqual(owner, "weft-issuer:weft-issuer 755")

    def test_what_is_saved_and_what_is_remembered_is_there_after_a_restart(self):
        self.start_both()
        self.wait_for_handshakes("a", "b")
        peer = self.machine.run("wg", "show", "a", "peers").stdout.strip()
        self.machine.run("weft", "peer", "set", peer, "--name", "far", "--save", "-i", "a")
        text = self.machine.read("/etc/weft/a.yaml")
        self.assertIn('name: "far"', text)
        self.assertIn("persistent_keepalive: 1s", text)
        self.machine.systemctl("restart", "weft@a")
        self.assertIn("far", self.machine.run("weft", "peers", "-i", "a").stdout)
        self.assertIn(peer, self.machine.read("/var/lib/weft/a/peers"))
        self.assertEqual(os.stat(self.machine.path("/var/lib/weft/a")).st_mode & 0o7777, 0o700)

    def test_metrics_are_served_by_a_node_over_tcp_and_at_a_socket(self):
        self.configure()
        path = "/etc/weft/a.yaml"
        self.machine.write(path, self.machine.read(path)
                           + "metrics: {listen: 127.0.0.1:9586, socket: /run/weft/a.metrics}\n")
        self.start("a", "b")
        self.wait_for_handshakes("a", "b")
        ask = ("import socket, sys\nplace = sys.argv[1]\n"
               "made = socket.socket(socket.AF_UNIX if '/' in place else socket.AF_INET)\n"
               "made.connect(place if '/' in place else ('127.0.0.1', int(place)))\n"
               "made.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n')\n"
               "while part := made.recv(65536):\n    sys.stdout.write(part.decode())\n")
        for place in ("9586", "/run/weft/a.metrics"):
            page = self.machine.run("/usr/bin/python3", "-c", ask, place).stdout
            self.assertIn("200 OK", page.splitlines()[0], place)
            self.assertIn('weft_peers{interface="a",state="up"} 1', page, place)
        self.assertNotIn("error", self.log("a"))

    def test_nodes_run_with_one_capability_and_a_system_call_filter(self):
        self.start_both()
        self.wait_for_handshakes("a", "b")
        fields = self.status_fields("a")
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(fields[kind], 16), 1 << 12, f"{kind}: CAP_NET_ADMIN")
        self.assertEqual(fields["NoNewPrivs"].strip(), "1")
        self.assertEqual(fields["Seccomp"].strip(), "2")
        for name in self.nodes:
            self.assertNotIn("error", self.log(name))
            warnings = [line for line in self.log(name).splitlines() if "warning" in line]
            self.assertEqual([line for line in warnings if "peer_troubled" not in line], [], "the other node came later")

    def test_nodes_see_and_write_nothing_but_what_they_need(self):
        self.start_both()
        pid = self.machine.property("weft@a", "MainPID")
        # In the mount namespace of the node, but with all capabilities.
        inside = ("nsenter", f"--target={self.main_pid('a')}", "--mount", "--wd=/", "sh", "-c")
        self.assertNotEqual(pid, "0")
        for folder in ("/etc", "/etc/weft", "/usr", "/var", "/var/lib", "/run", "/run/systemd", "/dev",
                       "/sys/fs/cgroup"):
            result = self.machine.run(*inside, f"touch {folder}/weft-probe", check=False)
            self.assertIn("Read-only file system", result.stdout, folder)
        self.assertEqual(self.machine.run(*inside, "ls /proc | grep -vx '[0-9]*'", check=False).stdout.split(),
                         ["self", "thread-self"], "of /proc only processes")
        for folder in ("/run/weft", "/run/wireguard", "/tmp"):
            self.machine.run(*inside, f"touch {folder}/weft-probe && rm {folder}/weft-probe")
        self.machine.write("/home/weft-probe", "secret\n")
        self.machine.write("/root/weft-probe", "secret\n")
        shown = self.machine.run(*inside, "ls /home /root; find /dev ! -type d ! -type l").stdout
        self.assertNotIn("weft-probe", shown)
        devices = {line for line in shown.splitlines() if line.startswith("/dev/") and not line.startswith("/dev/pts/")}
        self.assertEqual(devices, {f"/dev/{name}" for name in
                                   ("full", "net/tun", "null", "random", "tty", "urandom", "zero")})
        result = self.machine.run(*inside, "systemctl --no-pager list-units", check=False)
        self.assertNotEqual(result.returncode, 0, "systemd takes no orders from a node")

    def test_nodes_reach_no_socket_of_roots_and_read_no_secret_but_their_own(self):
        self.configure()
        # Before a node starts, and while it runs.
        self.machine.write("/run/docker.sock", "")
        self.machine.write("/run/NetworkManager/resolv.conf", "nameserver 192.0.2.1\n")
        self.machine.write("/run/NetworkManager/system-connections/wifi", "psk=secret\n")
        self.start("a")
        self.machine.write("/run/containerd/containerd.sock", "")
        self.assertNotEqual(self.machine.read("/etc/shadow"), "")
        inside = ("nsenter", f"--target={self.main_pid('a')}", "--mount", "--wd=/", "sh", "-c")
        shown = set(self.machine.run(*inside, "cd /run && find . ! -type d").stdout.split())
        self.assertIn("./weft/a.sock", shown)
        self.assertIn("./wireguard/a.sock", shown)
        used = r"\./(weft/|wireguard/|nscd/|systemd/(resolve/|notify$)|resolvconf/|avahi-daemon/|NetworkManager/(?!system-connections/))"
        self.assertEqual([path for path in shown if not re.match(used, path)], [])
        # As its owner does it: another file under the same name.
        self.machine.write("/run/NetworkManager/resolv.conf.new", "nameserver 192.0.2.2\n")
        self.machine.run("mv", "/run/NetworkManager/resolv.conf.new", "/run/NetworkManager/resolv.conf")
        self.assertIn("192.0.2.2", self.machine.run(*inside, "cat /run/NetworkManager/resolv.conf").stdout)
        for secret in ("/etc/shadow", "/etc/gshadow", "/etc/shadow-"):
            self.assertEqual(self.machine.run(*inside, f"! test -e {secret} || cat {secret}").stdout, "", secret)
        for folder in ("/etc/ssh", "/var/backups", "/var/log"):
            self.assertEqual(self.machine.run(*inside, f"ls -A {folder}", check=False).stdout.strip(), "", folder)

    def test_the_memory_of_nodes_is_locked(self):
        self.configure()
        self.start("a")
        with open(self.machine.path(f"/proc/{self.main_pid('a')}/limits")) as file:
            if not re.search(r"Max locked memory +unlimited", file.read()):
                self.skipTest("systemd may not raise limits here")
        self.assertGreater(int(self.status_fields("a")["VmLck"].split()[0]), 0)

    def test_nodes_share_the_folders_of_their_sockets(self):
        self.start_both()
        for folder in ("weft", "wireguard"):
            self.assertEqual(os.stat(self.machine.path(f"/run/{folder}")).st_mode & 0o7777, 0o755, folder)
        self.machine.systemctl("stop", "weft@a")
        self.assertEqual(os.listdir(self.machine.path("/run/wireguard")), ["b.sock"])
        self.assertEqual(self.machine.run("wg", "show", "interfaces").stdout.split(), ["b"])
        links = self.machine.run("ip", "-br", "link").stdout
        self.assertIn("b ", links)
        self.assertNotIn("\na ", links)

    def test_reload_has_a_node_read_its_file_again(self):
        self.start_both()
        pid = self.main_pid("a")
        path = "/etc/weft/a.yaml"
        self.machine.write(path, self.machine.read(path).replace("10.99.2.0/24", "10.99.77.0/24"))
        self.machine.systemctl("reload", "weft@a")
        wait_until(lambda: "10.99.77.0/24" in self.machine.run("wg", "show", "a", "allowed-ips").stdout,
                   "the new allowed IPs are in force")
        self.assertEqual(self.main_pid("a"), pid)

    def test_a_node_that_watches_its_file_notices_a_new_one(self):
        self.configure()
        path = "/etc/weft/a.yaml"
        self.machine.write(path, self.machine.read(path) + "reload: watch\n")
        self.start("a")
        self.machine.write(path, self.machine.read(path).replace("10.99.2.0/24", "10.99.77.0/24"))
        wait_until(lambda: "10.99.77.0/24" in self.machine.run("wg", "show", "a", "allowed-ips").stdout,
                   "the new allowed IPs are in force")

    def test_a_node_that_is_killed_comes_back(self):
        self.start_both()
        self.kill("a")
        self.wait_for_handshakes("a")

    def add_to_interface(self, name, *lines):
        path = f"/etc/weft/{name}.yaml"
        self.machine.write(path, self.machine.read(path).replace(
            "\n  listen:", "".join(f"\n  {line}" for line in lines) + "\n  listen:"))

    def test_commands_are_run_outside_of_the_sandbox_and_after_sigkill_too(self):
        self.configure()
        # Where the node itself can write nothing.
        for event in ("up", "down"):
            self.add_to_interface("a", f"on_{event}: [\"/bin/sh -c 'echo $WEFT_INTERFACE $WEFT_EVENT >> /etc/seen'\"]")
        self.start("a")
        self.assertEqual(self.machine.read("/etc/seen"), "a up\n", self.log("a"))
        pid = self.main_pid("a")
        inside = ("nsenter", f"--target={pid}", "--mount", "--wd=/")
        self.assertNotIn("weft-host", self.machine.run(*inside, "ls", "/run").stdout)
        self.machine.systemctl("kill", "--signal=KILL", "weft@a")
        wait_until(lambda: self.state("a") == "active" and self.main_pid("a") not in (0, pid), "a new process")
        self.machine.systemctl("stop", "weft@a")
        self.assertEqual(self.machine.read("/etc/seen"), "a up\na down\n" * 2)
        self.assertEqual(self.machine.run("find", "/run/weft-host", "-name", "a").stdout, "")

    def test_a_command_that_fails_stops_no_node(self):
        self.configure()
        self.add_to_interface("a", "on_up: [/bin/false]")
        self.start("a")
        self.assertEqual(self.state("a"), "active")
        self.assertIn("/bin/false failed with exit code 1", self.log("a"))

    def test_systemd_resolved_asks_the_servers_of_a_node_while_it_runs(self):
        packages = os.environ.get("WEFT_TEST_PACKAGES", "/var/cache/weft-tests")
        found = glob.glob(f"{packages}/systemd-resolved_*.deb")
        if not found:
            self.skipTest(f"there is no package of systemd-resolved in {packages}; tools/setup downloads it")
        shutil.copy(found[0], self.machine.path("/tmp/resolved.deb"))
        # systemd itself may be of another revision.
        self.machine.run("dpkg", "--install", "--force-depends", "/tmp/resolved.deb")
        self.machine.systemctl("start", "dbus", "systemd-resolved")
        self.configure()
        self.add_to_interface("a", "dns: [10.64.0.1]")
        self.add_to_interface("b", "dns: [10.64.0.2, corp.example.net]")
        before = self.machine.read("/etc/resolv.conf")
        self.start("a", "b")

        def shown(name, what):
            return self.machine.run("resolvectl", what, name).stdout.split(":", 1)[1].split()
        self.assertEqual([shown("a", what) for what in ("dns", "domain", "default-route")],
                         [["10.64.0.1"], ["~."], ["yes"]], self.log("a"))
        self.assertEqual([shown("b", what) for what in ("dns", "domain", "default-route")],
                         [["10.64.0.2"], ["corp.example.net"], ["no"]], self.log("b"))
        for again in (("weft", "host", "up", "a"), ("systemctl", "restart", "weft@a")):
            self.machine.run("resolvectl", "revert", "a")
            self.machine.run(*again)
            self.assertEqual(shown("a", "dns"), ["10.64.0.1"], f"{again} sets what somebody took away\n{self.log('a')}")
        # The node cannot itself, and has it done.
        for again in (("weft", "reload", "a"), ()):
            self.machine.run("resolvectl", "revert", "a")
            if again:
                self.machine.run(*again)
            wait_until(lambda: shown("a", "dns") == ["10.64.0.1"], f"what somebody took away is set again\n{self.log('a')}")
            wait_until(lambda: self.log("a").rstrip().endswith("in place again"), "the node sees it")
        self.machine.systemctl("kill", "--signal=KILL", "weft@b")
        self.machine.systemctl("stop", "weft@a", "weft@b")
        self.assertNotIn("10.64.0.", self.machine.run("resolvectl", "dns").stdout)
        self.assertEqual(self.machine.read("/etc/resolv.conf"), before)

    def test_a_mistake_in_the_file_is_not_tried_again(self):
        self.configure()
        self.machine.write("/etc/weft/a.yaml", "interface: {nam: a}\n")
        self.assertNotEqual(self.machine.systemctl("start", "weft@a", check=False).returncode, 0)
        self.assertEqual(self.state("a"), "failed")
        self.assertEqual(self.machine.property("weft@a", "ExecMainStatus"), "2")
        self.assertIn("/etc/weft/a.yaml:1:", self.log("a"))

    def test_without_a_file_there_is_no_attempt(self):
        result = self.machine.systemctl("start", "weft@nobody", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("Assertion failed", result.stdout)

    def test_a_group_may_use_the_socket_of_a_node_that_is_in_it(self):
        self.configure()
        path = "/etc/weft/a.yaml"
        self.machine.write(path, self.machine.read(path) + "control: {group: operator}\n")
        self.drop_in("group", "[Service]\nSupplementaryGroups=operator")
        self.start("a")
        socket = os.stat(self.machine.path("/run/weft/a.sock"))
        self.assertEqual((socket.st_gid, socket.st_mode & 0o777), (37, 0o660), self.log("a"))

    def test_an_upgrade_restarts_the_nodes_that_run(self):
        self.configure()
        self.start("a")
        pid = self.main_pid("a")
        self.install("weft")
        self.assertEqual(self.state("a"), "active")
        self.assertNotEqual(self.main_pid("a"), pid)
        self.assertEqual(self.state("b"), "inactive")

    def lock(self, name):
        """Has a node's file want a lock."""
        path = f"/etc/weft/{name}.yaml"
        self.machine.write(path, self.machine.read(path).replace("interface:\n", "interface:\n  kill_switch: true\n"),
                           0o600)

    def locks(self):
        tables = self.machine.run("nft", "list", "tables").stdout.splitlines()
        return {line.rpartition("weft_lock_")[2] for line in tables if "weft_lock_" in line}

    def property_of_lock(self, name):
        return self.machine.property("weft-lock@a", name)

    def test_a_lock_is_there_before_its_node_and_outlives_all_but_an_unlock(self):
        self.configure()
        self.lock("a")
        self.machine.systemctl("start", "weft-lock@a")
        self.machine.systemctl("start", "weft-lock@b")
        self.assertEqual(self.locks(), {"a"}, "b has no kill_switch")
        self.start("a", "b")
        self.assertEqual(self.property_of_lock("Result"), "success")
        self.machine.systemctl("restart", "weft@a")
        self.assertEqual(self.locks(), {"a"})
        self.install("weft")
        self.assertEqual(self.locks(), {"a"})
        self.machine.run("nft", "flush", "ruleset")
        wait_until(lambda: self.locks() == {"a"}, "the lock is put back")
        pid = self.main_pid("a")
        self.machine.systemctl("kill", "--signal=KILL", "weft@a")
        self.assertEqual(self.locks(), {"a"})
        wait_until(lambda: self.state("a") == "active" and self.main_pid("a") not in (0, pid), "a new process")
        self.machine.systemctl("stop", "weft@a", "weft-lock@a")
        self.assertEqual(self.locks(), {"a"})
        self.assertIn("weft unlock a", self.log("a").splitlines()[-1])
        self.machine.run("weft", "unlock", "a")
        self.assertEqual(self.locks(), set())

    def test_systemd_orders_a_lock_before_the_network_and_its_node_behind_it(self):
        before = self.property_of_lock("Before").split()
        for unit in ("network-pre.target", "weft@a.service"):
            self.assertIn(unit, before)
        self.assertIn("weft-lock@a.service", self.machine.property("weft@a", "Wants"))
        result = self.machine.run("systemd-analyze", "verify", "--man=no", UNIT.replace("weft@", "weft-lock@"))
        self.assertEqual([line for line in result.stdout.splitlines() if "weft" in line], [])

    def test_a_lock_is_set_where_there_is_no_var_yet(self):
        self.configure()
        self.lock("a")
        self.assertNotIn("/var", self.property_of_lock("RequiresMountsFor").split())
        self.machine.systemctl("start", "weft-lock@a")
        self.assertEqual(self.machine.run("ls", "/var/lib/weft-lock").stdout, "a.yaml\n")
        self.machine.systemctl("stop", "weft-lock@a")
        self.machine.run("weft", "unlock", "a")
        self.machine.run("mount", "-t", "tmpfs", "tmpfs", "/var")
        self.machine.systemctl("start", "weft-lock@a")
        self.assertEqual(self.locks(), {"a"})
        self.assertEqual(self.machine.run("ls", "/var").stdout, "", "nothing is left where /var will be")
        self.machine.run("umount", "/var")
        self.start("a")
        self.machine.run("weft", "unlock", "a")
        self.assertNotIn("is locked from now on", self.log("a"))
        self.machine.systemctl("restart", "weft@a")
        self.assertIn("a is locked from now on, as its file has kill_switch", self.log("a"))
        self.assertEqual(self.locks(), {"a"})

    def test_removal_lifts_the_locks(self):
        self.configure()
        self.lock("a")
        self.start("a")
        self.assertEqual(self.locks(), {"a"})
        self.machine.run("dpkg", "--remove", "weft", "weft-dev")
        self.assertEqual(self.locks(), set())

    def test_removal_keeps_what_is_in_etc_weft_and_purging_leaves_nothing(self):
        self.assertIn("d700 /etc/weft", self.files())
        self.start_both()
        self.wait_for_handshakes("a", "b")
        self.machine.systemctl("enable", "weft@a")
        self.machine.run("dpkg", "--remove", "weft", "weft-dev")
        self.assertEqual(self.machine.run("ip", "-br", "link").stdout.count("\n"), 1, "only lo is left")
        kept = {f"/etc/weft/{name}.{kind}" for name in self.nodes for kind in ("key", "yaml")}
        remembered = {f"/var/lib/weft/{name}{file}" for name in self.nodes for file in ("", "/peers")}
        self.assertEqual(self.added(), kept | remembered
                         | {"/etc/weft", "/var/lib/weft", "/var/lib/weft-issuer", "/etc/systemd/system/multi-user.target.wants",
                            "/etc/systemd/system/multi-user.target.wants/weft@a.service"})
        self.machine.run("dpkg", "--purge", "weft", "weft-dev")
        self.assertEqual(self.added(), kept | {"/etc/weft", "/etc/systemd/system/multi-user.target.wants"})
        self.assertEqual(self.gone(), set())

    def test_purging_leaves_nothing_of_what_only_the_package_made(self):
        self.machine.run("dpkg", "--purge", "weft", "weft-dev")
        self.assertEqual(self.added() | self.gone(), set())


load_tests = installed.load_tests

if __name__ == "__main__":
    support.main()
