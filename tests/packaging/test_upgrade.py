#!/usr/bin/python3
"""The sessions of a node under the installed unit: what a restart, an upgrade, a stop and a failure make of them."""

import json
import os
import re
import sys
import threading
import time

import installed
import support
from support import wait_until

sys.path.insert(0, f"{support.ROOT}/tests/netns")
import harness  # noqa: E402
import nodes  # noqa: E402

UNIT = "weft@a"
HAND_OVERS = 50  # as many as a minute allows: after two there are new keys anyway

NODE = """
interface:
  name: a
  private_key_file: a.key
  listen: 51820
  addresses: [10.200.1.1/24, "fd00:200:1::1/64"]
  cluster_networks: [10.200.0.0/16]
peers:
  - name: far
    public_key: {far}
    endpoint: 10.90.0.2:51820
    allowed_ips: [10.200.2.0/24]
"""

# Leaves junk to systemd in the node's name.
JUNK = """
import os, socket
for name in ("state", "state", "tun", "udp4", "strangers6", "machine", "nonsense"):
    made = os.memfd_create("junk")
    os.write(made, b"junk" * 100)
    to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    to.connect(os.environ["NOTIFY_SOCKET"])
    socket.send_fds(to, [b"FDSTORE=1\\nFDPOLL=0\\nFDNAME=" + name.encode()], [made])
"""

# A program that says it is ready to go on with a node, and fails.
ENDS_AT_ONCE = """#!/usr/bin/python3
import os, socket
node = socket.socket(socket.AF_UNIX)
node.connect("/run/weft/a.upgrade")
socket.recv_fds(node, 65536, 250)
node.sendall(b"READY\\n")
os._exit(1)
"""


class Upgrade(harness.NetnsTest, installed.InstalledTest):
    """A machine with the packages, and the tunnel's other end.

    machine 10.90.0.1 (eth0), 10.200.1.1 (a) -- far 10.90.0.2 (net0), 10.200.2.1
    """

    def setUp(self):
        super().setUp()
        self.start_machine()
        self.install("weft")
        home = self.namespace("far")
        home.ip("link", "add", "net0", "type", "veth", "peer", "name", "eth0", "netns", str(self.machine.pid))
        home.add_address("10.90.0.2/24", "net0")
        home.ip("link", "set", "net0", "up")
        for line in ("addr add 10.90.0.1/24 dev eth0", "link set eth0 up"):
            self.machine.run("ip", *line.split())
        self.far = nodes.Node(self, home, 2)
        self.machine.write("/etc/weft/a.key", harness.genkey() + "\n", 0o600)
        self.write(NODE.format(far=self.far.public_key))
        self.far.peers.append({"public_key": harness.pubkey(self.machine.read("/etc/weft/a.key")), "name": "near",
                               "allowed_ips": ["10.200.1.0/24"]})
        self.far.start()
        self.keep_logs()
        # However often it is restarted in a row.
        self.drop_in("often", "[Unit]\nStartLimitIntervalSec=0")

    def write(self, text):
        self.machine.write("/etc/weft/a.yaml", text, 0o600)

    def add_to_interface(self, *lines):
        self.write(self.machine.read("/etc/weft/a.yaml").replace(
            "\n  listen:", "".join(f"\n  {line}" for line in lines) + "\n  listen:"))

    def in_machine(self, *argv):
        """A program that runs there until it is stopped."""
        return harness.Process(self, ["nsenter", f"--target={self.machine.pid}", "--mount", "--net", "--root", "--wd=/",
                                      *argv])

    def start_and_wait(self):
        self.start("a")
        # Room for what comes meanwhile, however busy the machine is.
        self.machine.run("ip", "link", "set", "dev", "a", "txqueuelen", "20000")
        self.wait_for_far()

    def answers(self):
        return self.machine.run("ping", "-n", "-c", "1", "-W", "1", "10.200.2.1", check=False).returncode == 0

    def wait_for_far(self):
        wait_until(self.answers, f"an answer\n{self.log('a')}", 60)

    def status(self):
        return json.loads(self.machine.run("weft", "status", "a", "--json").stdout)[0]

    def handshakes(self):
        """Of both sides."""
        near, = self.status()["peers"]
        far, = self.far.status()["peers"]
        return near["last_handshake"], far["last_handshake"]

    def link(self):
        """Its index, which no other link gets."""
        return self.machine.run("ip", "-o", "link", "show", "a").stdout.split(":")[0]

    def host(self):
        """What the node has made of its host."""
        return [self.machine.run(*command.split()).stdout for command in (
            "ip -o addr show dev a", "ip route show table all dev a", "ip rule", "ip -6 rule")]

    def stored(self):
        return self.machine.property(UNIT, "NFileDescriptorStore")

    def pings(self):
        """100 a second, until they are told to end; each answer with its time."""
        return self.in_machine("ping", "-n", "-D", "-i", "0.01", "-W", "20", "10.200.2.1")

    def assert_all_answered(self, pings):
        time.sleep(0.5)
        pings.signal(2)
        pings.wait()
        sent = int(re.search(r"(\d+) packets transmitted", pings.output()).group(1))
        answered = sorted(map(int, re.findall(r"icmp_seq=(\d+) ttl", pings.output())))
        # The last ones may be on their way.
        self.assertEqual(answered, list(range(1, len(answered) + 1)), self.log("a"))
        self.assertGreater(len(answered), sent - 500)
        times = [float(text) for text in re.findall(r"^\[([0-9.]+)\]", pings.output(), re.MULTILINE)]
        gap = max(after - before for before, after in zip(times, times[1:]))
        print(f"{len(answered)} pings; longest time between two answers: {1000 * gap:.0f} ms", flush=True)

    def restart(self):
        pid = self.main_pid("a")
        self.machine.systemctl("restart", UNIT)
        self.assertNotEqual(self.main_pid("a"), pid)

    def assert_goes_on(self, before):
        """The sessions, the link and what belongs to it are as they were, and nobody else has anything of it."""
        self.assertEqual((self.handshakes(), self.link(), self.host()), before, self.log("a"))
        self.assertEqual(self.stored(), "0")

    def present(self):
        return self.handshakes(), self.link(), self.host()

    def assert_nothing_is_lost(self, hand_over):
        before = self.present()
        pings = self.pings()
        service = harness.Process(self, ["iperf3", "-s", "-1", "--forceflush"], self.far.home)
        wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        transfer = self.in_machine("iperf3", "-c", "10.200.2.1", "-n", "40M", "-b", "20M")
        begin, count = time.monotonic(), 0
        while count < HAND_OVERS and time.monotonic() - begin < 60:
            hand_over()
            count += 1
        print(f"{count} hand-overs took {time.monotonic() - begin:.0f} s", flush=True)
        self.assertGreaterEqual(count, 3)
        self.assertEqual(transfer.wait(120), 0, transfer.output())
        self.assert_all_answered(pings)
        self.assert_goes_on(before)
        self.assertEqual(self.log("a").count("goes on in this process"), count)
        self.assertEqual(self.far.drops("replayed"), 0)
        self.assertNotIn("error", self.log("a"))

    def test_restarts_lose_no_ping_no_session_and_no_transfer(self):
        self.start_and_wait()
        self.assert_nothing_is_lost(self.restart)

    def upgrade(self):
        pid = self.main_pid("a")
        answer = json.loads(self.machine.run("weft", "upgrade", "a", "--json").stdout)
        self.assertNotEqual(answer["process"], pid)
        self.assertEqual(answer, {"interface": "a", "process": self.main_pid("a"), "goes_on": True})

    def rights(self):
        """Of the node's process, as the kernel has them."""
        return [line for line in self.machine.run("cat", f"/proc/{self.main_pid('a')}/status").stdout.splitlines()
                if line.startswith(("Cap", "Uid", "NoNewPrivs", "Seccomp:"))]

    def test_weft_upgrade_goes_on_within_the_unit(self):
        self.start_and_wait()
        properties = ("ActiveEnterTimestampMonotonic", "NRestarts", "InvocationID")
        unit = [self.machine.property(UNIT, name) for name in properties], self.rights()
        self.assert_nothing_is_lost(self.upgrade)
        self.assertEqual(([self.machine.property(UNIT, name) for name in properties], self.rights()), unit)
        # To systemd it is a process like any other.
        before = self.present()
        self.restart()
        self.assert_goes_on(before)
        self.upgrade()
        self.kill("a")
        self.wait_for_far()
        self.upgrade()
        self.machine.systemctl("stop", UNIT)
        self.assertEqual(self.state("a"), "inactive")
        self.assertNotIn(" a:", self.machine.run("ip", "-o", "link").stdout)

    def test_a_package_upgrade_loses_no_ping(self):
        self.start_and_wait()
        before, pid = self.present(), self.main_pid("a")
        pings = self.pings()
        self.install("weft")
        self.assertNotEqual(self.main_pid("a"), pid)
        self.assert_all_answered(pings)
        self.assert_goes_on(before)

    def test_a_program_that_does_not_start_or_a_file_with_mistakes_changes_nothing(self):
        self.start_and_wait()
        before, pid = self.present(), self.main_pid("a")
        text = self.machine.read("/etc/weft/a.yaml")
        self.write(text + "interfaec: {}\n")
        result = self.machine.run("weft", "upgrade", "a", check=False)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertIn("interfaec", result.stdout)
        self.write(text)
        self.machine.run("mv", "/usr/sbin/weftd", "/usr/sbin/weftd.kept")
        self.machine.write("/usr/sbin/weftd", "#!/bin/sh\nexit 1\n", 0o755)
        result = self.machine.run("weft", "upgrade", "a", check=False)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("the node goes on as it is", result.stdout)
        self.machine.run("mv", "/usr/sbin/weftd.kept", "/usr/sbin/weftd")
        self.assertEqual(self.main_pid("a"), pid)
        self.assert_goes_on(before)
        self.upgrade()
        self.assert_goes_on(before)

    def test_a_program_that_fails_when_it_has_the_place_is_started_again(self):
        self.start_and_wait()
        pid = self.main_pid("a")
        self.machine.run("mv", "/usr/sbin/weftd", "/usr/sbin/weftd.kept")
        self.machine.write("/usr/sbin/weftd", ENDS_AT_ONCE, 0o755)
        upgrade = threading.Thread(target=lambda: self.machine.run("weft", "upgrade", "a", check=False))
        upgrade.start()
        self.addCleanup(upgrade.join)
        wait_until(lambda: self.main_pid("a") != pid, "the node's process ends", 60)
        self.machine.run("mv", "/usr/sbin/weftd.kept", "/usr/sbin/weftd")
        wait_until(lambda: self.state("a") == "active", "systemd starts it again", 60)
        self.wait_for_far()

    def test_a_unit_that_cannot_go_on_in_another_process_is_restarted(self):
        self.drop_in("seccomp", "[Service]\nExecStart=\nExecStart=/usr/sbin/weftd --config /etc/weft/%i.yaml --no-helper "
                                "--helper-file /run/weft/%i.helper --seccomp\nSystemCallFilter=")
        self.start_and_wait()
        before, begin = self.present(), self.machine.property(UNIT, "ActiveEnterTimestampMonotonic")
        self.upgrade()
        self.assert_goes_on(before)
        self.assertNotEqual(self.machine.property(UNIT, "ActiveEnterTimestampMonotonic"), begin)

    def test_a_stop_ends_sessions_and_takes_all_away(self):
        def routing():
            lines = self.machine.run("sh", "-c", "ip rule; ip -6 rule; ip route show table all").stdout.splitlines()
            return [line for line in lines if " eth0 " not in line]  # the kernel adds to that later on
        before = routing()
        self.start_and_wait()
        self.restart()
        handshakes = self.handshakes()
        self.machine.systemctl("stop", UNIT)
        self.assertEqual(self.stored(), "0")
        self.assertNotIn(" a:", self.machine.run("ip", "-o", "link").stdout)
        self.assertEqual(routing(), before)
        for path in ("/run/weft/a.sock", "/run/wireguard/a.sock"):
            self.assertFalse(os.path.exists(self.machine.path(path)), path)
        time.sleep(1.1)  # stamps of handshakes have seconds here
        self.start_and_wait()
        self.assertNotEqual(self.handshakes()[0], handshakes[0])

    def test_commands_and_servers_of_the_host_stay_unless_the_file_has_others(self):
        for event in ("up", "down"):
            self.add_to_interface(f"on_{event}: [\"/bin/sh -c 'echo {event} >> /etc/seen'\"]")
        self.start_and_wait()
        before = self.present()
        self.restart()
        self.assert_goes_on(before)
        self.assertEqual(self.machine.read("/etc/seen"), "up\n")
        self.write(self.machine.read("/etc/weft/a.yaml").replace("echo up", "echo again"))
        self.restart()
        self.assert_goes_on(before)
        self.assertEqual(self.machine.read("/etc/seen"), "up\ndown\nagain\n")
        self.machine.systemctl("stop", UNIT)
        self.assertEqual(self.machine.read("/etc/seen"), "up\ndown\nagain\ndown\n")

    def test_a_changed_file_is_read_by_the_next_process(self):
        self.start_and_wait()
        before = self.handshakes()
        self.write(self.machine.read("/etc/weft/a.yaml").replace("[10.200.2.0/24]", "[10.200.2.0/24, 10.200.9.0/24]"))
        self.restart()
        wait_until(lambda: "10.200.9.0/24" in self.machine.run("wg", "show", "a", "allowed-ips").stdout, "it is read")
        self.assertEqual(self.handshakes(), before)

    def test_a_start_that_fails_once_does_not_lose_the_sessions(self):
        self.start_and_wait()
        before = self.present()
        self.machine.write("/tmp/once", "")
        self.drop_in("once", "[Service]\nExecStartPre=+/bin/sh -c '! rm /tmp/once'")
        self.machine.systemctl("restart", UNIT, check=False)
        wait_until(lambda: self.state("a") == "active", "the next attempt", 60)
        self.wait_for_far()
        self.assert_goes_on(before)

    def test_after_a_kill_sessions_begin_anew(self):
        self.start_and_wait()
        link = self.link()
        self.kill("a")
        self.wait_for_far()
        self.assertNotEqual(self.link(), link)
        self.assertEqual(self.stored(), "0")

    def test_after_systemctl_kill_sessions_begin_anew_with_the_next_start(self):
        self.start_and_wait()
        link = self.link()
        self.machine.systemctl("kill", UNIT)
        wait_until(lambda: self.state("a") == "inactive", "it has ended", 60)
        self.assertEqual(self.stored(), "0")
        self.assertNotIn(" a:", self.machine.run("ip", "-o", "link").stdout)
        time.sleep(1.1)  # stamps of handshakes have seconds here
        self.start_and_wait()
        self.assertNotEqual(self.link(), link)

    def test_a_restart_that_fails_for_good_ends_the_sessions_of_a_full_tunnel(self):
        def rules():
            return self.machine.run("ip", "rule").stdout
        before = rules()
        self.write(self.machine.read("/etc/weft/a.yaml") + "    default_route: true\n")
        self.start_and_wait()
        self.assertNotEqual(rules(), before)
        self.drop_in("zz-never", "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=1\n"
                                 "[Service]\nRestartSec=100ms\nExecStartPre=/bin/false")
        self.machine.systemctl("restart", UNIT, check=False)
        wait_until(lambda: self.state("a") == "failed", "systemd gives up", 60)
        self.assertEqual(self.stored(), "0")
        self.assertNotIn(" a:", self.machine.run("ip", "-o", "link").stdout)
        os.unlink(self.machine.path("/run/systemd/system/weft@.service.d/zz-never.conf"))
        self.machine.systemctl("daemon-reload")
        self.machine.systemctl("reset-failed", UNIT)
        time.sleep(1.1)
        self.start_and_wait()
        self.machine.systemctl("stop", UNIT)
        self.assertEqual(rules(), before)

    def test_a_file_with_mistakes_changes_nothing_until_it_is_mended(self):
        self.start_and_wait()
        before, text = self.present(), self.machine.read("/etc/weft/a.yaml")
        self.write(text + "interfaec: {}\n")
        self.restart()
        self.assert_goes_on(before)
        self.assertIn("interfaec", self.log("a"))
        self.write(text)
        self.assertIn("nothing to change", self.machine.run("weft", "reload", "a").stdout)
        self.assertTrue(self.answers())
        # A start has nothing to go on with.
        self.write(text + "interfaec: {}\n")
        self.machine.systemctl("stop", UNIT)
        self.assertNotEqual(self.machine.systemctl("start", UNIT, check=False).returncode, 0)
        self.assertEqual(self.state("a"), "failed")

    def test_what_somebody_else_has_left_is_refused(self):
        self.machine.write("/tmp/junk.py", JUNK)
        self.drop_in("junk", "[Service]\nNotifyAccess=all\nExecStartPost=+/usr/bin/python3 /tmp/junk.py\n"
                             "BindReadOnlyPaths=/tmp/junk.py")
        self.start_and_wait()
        self.assertEqual(self.stored(), "7")
        os.unlink(self.machine.path("/run/systemd/system/weft@.service.d/junk.conf"))
        self.machine.systemctl("daemon-reload")
        self.kill("a")
        self.wait_for_far()
        self.assertIn("what the service manager has kept is not used", self.log("a"))
        self.assertEqual(self.stored(), "0")
        before = self.present()
        self.restart()
        self.assert_goes_on(before)

    def test_without_a_store_a_restart_begins_anew(self):
        self.drop_in("none", "[Service]\nFileDescriptorStoreMax=0")
        self.start_and_wait()
        link = self.link()
        self.restart()
        self.wait_for_far()
        self.assertNotEqual(self.link(), link)


load_tests = installed.load_tests

if __name__ == "__main__":
    support.main()
