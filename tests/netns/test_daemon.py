#!/usr/bin/python3
"""weftd as a process: how it starts, what it may do, and what it leaves alone."""

import contextlib
import fcntl
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness

NET_BIND_SERVICE = 1 << 10
NOBODY = 65534


def _lock_memory():
    """None if memory cannot be locked here, or the capability that it takes: CAP_IPC_LOCK where root may not raise
    the limit."""
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)
        return 0
    except (OSError, ValueError):
        with open("/proc/self/status") as file:
            effective = int(re.search(r"CapEff:\s*(\w+)", file.read()).group(1), 16)
        return effective & 1 << 14 or None


def _is_sanitized():
    with open(harness.WEFTD, "rb") as file:
        return b"__asan_init" in file.read()


SANITIZED = _is_sanitized()  # then it has much address space, and locks no memory
LOCK_MEMORY = _lock_memory()
NET_ADMIN = 1 << 12 | (LOCK_MEMORY or 0)


def serves(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(path)
        except OSError:
            return False
        return True


class Daemon(harness.NetnsTest):
    def setUp(self):
        super().setUp()
        self.home = self.namespace()
        self.name = self.interface_name()
        self.stack.callback(self.remove_sockets)

    def remove_sockets(self):
        harness.remove_sockets_of(self.name)

    def configure(self, *, folder=None, rest="", port=0, name=None):
        """Writes a file for a node whose sockets are in a folder of their own."""
        name = name or self.name
        folder = folder or f"{self.folder}/sockets"
        self.text_file(f"{name}.key", harness.genkey() + "\n")
        self.text_file(f"{name}.yaml", f"""interface:
  name: {name}
  private_key_file: {name}.key
  listen: 0.0.0.0:{port}
  addresses: [10.99.1.1/24]
  socket_folder: {folder}/wg
control:
  socket_folder: {folder}/weft
{rest}""")
        self.sockets = [f"{folder}/{kind}/{name}.sock" for kind in ("wg", "weft")]
        return f"{self.folder}/{name}.yaml"

    def start(self, *options, file=None, wait=True, wrapper=(), **more):
        file = file or self.configure(**more)
        process = harness.Process(self, [*wrapper, harness.WEFTD, "--config", file, *options], self.home)
        if wait:
            self.wait_until_up(process)
        return process

    def wait_until_up(self, process):
        def up():
            self.assertIsNone(process.code, process.output())
            return "is up" in process.output()
        harness.wait_until(up, "weftd starts")

    def weft(self, *arguments, check=True):
        return harness.run(harness.WEFT, *arguments, "--socket-folder", os.path.dirname(self.sockets[1]),
                           "--interface", self.name, check=check)

    def status(self):
        """What the socket of wg(8) answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(self.sockets[0])
            client.sendall(b"get=1\n\n")
            answer = b""
            while not answer.endswith(b"\n\n"):
                part = client.recv(1 << 16)
                self.assertTrue(part, answer)
                answer += part
        return answer.decode()

    def drop_in(self, name=None, **options):
        """Starts a drop-in in the background and returns its process id."""
        name = name or self.name
        before = set(self.home.processes())
        self.home.run(harness.WEFTD, name, **options)
        pid, = set(self.home.processes()) - before
        return pid

    @staticmethod
    def threads(pid):
        """What /proc/PID/task/*/status says, for each thread."""
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as file:
                yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def assert_threads_may(self, pid, capabilities, seccomp="0"):
        threads = list(self.threads(pid))
        self.assertGreater(len(threads), 4)
        for thread in threads:
            for kind in ("CapPrm", "CapEff", "CapBnd"):
                self.assertEqual(int(thread[kind], 16), capabilities, f"{kind} of {thread['Name']}")
            for kind in ("CapInh", "CapAmb"):
                self.assertEqual(int(thread[kind], 16), 0, f"{kind} of {thread['Name']}")
            self.assertEqual(thread["NoNewPrivs"], "1", thread["Name"])
            self.assertEqual(thread["Seccomp"], seccomp, thread["Name"])
        return threads


class Start(Daemon):
    ROUNDS = int(os.environ.get("WEFT_START_ROUNDS", "40"))

    def test_beside_a_monitor_that_polls_every_node_has_its_sockets(self):
        """`wg show` removes sockets that nobody serves, and each start finds such ones."""
        monitors = [harness.Process(self, ["sh", "-c", "while :; do wg show all dump; done"]) for _ in range(2)]
        paths = [f"{folder}/{self.name}.sock" for folder in (harness.SOCKETS, harness.CONTROL_SOCKETS)]
        for number in range(self.ROUNDS):
            pid = self.drop_in()
            for path in paths:
                harness.wait_until(lambda path=path: serves(path), f"{path} is served in round {number}")
            os.kill(pid, signal.SIGKILL)
            harness.wait_until(lambda: not self.home.processes() and not self.home.has_link(self.name), "its end")
        for monitor in monitors:
            monitor.kill()

    def test_a_socket_that_somebody_removes_comes_back(self):
        daemon = self.start()
        for path in self.sockets:
            os.unlink(path)
            harness.wait_until(lambda path=path: serves(path), f"{path} is back")
        self.weft("reload")
        self.status()
        self.assertEqual(daemon.terminate(), 0)
        for path in self.sockets:
            self.assertEqual(os.listdir(os.path.dirname(path)), [])

    def test_a_lock_that_any_user_may_take_holds_up_no_start(self):
        self.start().terminate()
        for path in self.sockets:
            harness.Process(self, ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "flock", "-x",
                                   os.path.dirname(path), "sleep", "60"])
        os.chmod(self.folder, 0o755)
        time.sleep(0.3)
        start = time.monotonic()
        daemon = self.start()
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(daemon.terminate(), 0)

    def test_killed_at_any_moment_it_leaves_nothing_that_matters(self):
        file = self.configure()
        chance = random.Random(1)
        for _ in range(20):
            daemon = self.start(file=file, wait=False)
            time.sleep(chance.uniform(0, 0.2))
            daemon.kill()
        daemon = self.start(file=file)
        for path in self.sockets:
            self.assertTrue(serves(path))
            names = [name for name in os.listdir(os.path.dirname(path)) if not name.startswith(".weft-s")]
            self.assertIn(f"{self.name}.sock", names)
            self.assertLessEqual(set(names), {f"{self.name}.sock", f"{self.name}.replace"})
        self.assertEqual(daemon.terminate(), 0)

    def test_told_to_end_at_any_moment_it_ends_and_leaves_nothing(self):
        file = self.configure()
        chance = random.Random(2)
        for i in range(20):
            daemon = self.start(file=file, wait=False)
            time.sleep(chance.uniform(0, 0.2))
            daemon.signal((signal.SIGTERM, signal.SIGINT)[i % 2])
            self.assertIn(daemon.wait(60), (0, -signal.SIGTERM, -signal.SIGINT), daemon.output())
            self.assertFalse(self.home.has_link(self.name))
            for path in self.sockets:
                with contextlib.suppress(FileNotFoundError):
                    self.assertEqual(os.listdir(os.path.dirname(path)), [])

    def test_a_reload_that_is_asked_for_at_any_moment_ends_nothing(self):
        file = self.configure()
        chance = random.Random(3)
        for _ in range(10):
            daemon = self.start(file=file, wait=False)
            # Before it is weftd at all, `ip netns exec` would end.
            harness.wait_until(lambda: b"weftd" in open(f"/proc/{daemon.pid}/cmdline", "rb").read().split(b"\0")[0]
                               and self.blocks_hang_up(daemon.pid), "weftd runs")
            time.sleep(chance.uniform(0, 0.1))
            daemon.signal(signal.SIGHUP)
            self.wait_until_up(daemon)
            self.assertEqual(daemon.terminate(), 0)

    @staticmethod
    def blocks_hang_up(pid):
        with open(f"/proc/{pid}/status") as file:
            blocked = re.search(r"SigBlk:\s*(\w+)", file.read()).group(1)
        return int(blocked, 16) & 1

    def test_too_little_memory_is_said_and_no_abort(self):
        if SANITIZED:
            self.skipTest("AddressSanitizer needs address space")
        file = self.configure()
        # With less than the program itself the kernel ends it before its first instruction.
        sections = harness.run("size", harness.WEFTD).stdout.splitlines()[1].split()[:3]
        least = sum(map(int, sections)) / (1 << 20) + 1
        for megabytes in (12, 20, 30, 40, 50, 60, 80, 100, 150, 200, 250, 300, 400, 600):
            if megabytes < least:
                continue
            daemon = self.start(file=file, wait=False, wrapper=[
                "sh", "-c", f'ulimit -v {megabytes * 1024} && exec "$@"', "sh"])
            harness.wait_until(lambda: daemon.code is not None or "is up" in daemon.output(), "a start or an end")
            code = daemon.terminate() if daemon.code is None else daemon.code
            self.assertIn(code, (0, 1, 127), f"{megabytes} MB: {daemon.output()}")
            if code == 1:
                self.assertRegex(daemon.output(), r"(?m)^(weftd: |.* critical: )\w+")

    def test_closed_standard_descriptors_harm_nobody(self):
        def close_all():
            for number in range(3):
                with contextlib.suppress(OSError):
                    os.close(number)
        process = subprocess.Popen(["ip", "netns", "exec", self.home.name, harness.WEFTD, self.name],
                                   preexec_fn=close_all)
        self.assertEqual(process.wait(60), 0)
        pid, = self.home.processes()
        for number in range(3):
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/{number}"), "/dev/null")
        os.kill(pid, signal.SIGTERM)
        harness.wait_until(lambda: not self.home.processes(), "its end")
        code = subprocess.run([harness.WEFT, "genkey"], preexec_fn=close_all, timeout=20).returncode
        self.assertIn(code, (0, 1))

    def test_a_drop_in_keeps_no_descriptor_of_its_caller(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        process = subprocess.Popen(["ip", "netns", "exec", self.home.name, harness.WEFTD, self.name],
                                   pass_fds=[writing], stdin=subprocess.DEVNULL)
        os.close(writing)
        self.assertEqual(process.wait(60), 0)
        os.set_blocking(reading, False)
        harness.wait_until(lambda: self.ended(reading), "nobody has the pipe any more")
        pid, = self.home.processes()
        os.kill(pid, signal.SIGTERM)

    @staticmethod
    def ended(pipe):
        try:
            return os.read(pipe, 1) == b""
        except BlockingIOError:
            return False


class Log(Daemon):
    def test_that_nobody_reads_stops_nothing(self):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x")
        os.set_blocking(writing, True)
        file = self.configure(rest="log: {level: debug}\n")
        daemon = subprocess.Popen(["ip", "netns", "exec", self.home.name, harness.WEFTD, "--config", file],
                                  stderr=writing, stdin=subprocess.DEVNULL)
        self.addCleanup(daemon.kill)
        os.close(writing)
        harness.wait_until(lambda: serves(self.sockets[1]), "it starts")
        for _ in range(20):
            self.weft("reload")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(60), 0)
        os.close(reading)

    def test_has_its_last_lines(self):
        daemon = self.start()
        self.assertEqual(daemon.terminate(), 0)
        self.assertIn(f"interface {self.name} is gone", daemon.output())

    def test_on_a_full_disk_stops_nothing(self):
        file = self.configure(rest="log: {level: debug}\n")
        with open("/dev/full", "w") as full:
            daemon = subprocess.Popen(["ip", "netns", "exec", self.home.name, harness.WEFTD, "--config", file],
                                      stderr=full, stdin=subprocess.DEVNULL)
        self.addCleanup(daemon.kill)
        harness.wait_until(lambda: serves(self.sockets[1]), "it starts")
        self.weft("reload")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(60), 0)


class Privileges(Daemon):
    def test_every_thread_may_change_networks_and_nothing_else(self):
        daemon = self.start()
        threads = self.assert_threads_may(daemon.pid, NET_ADMIN)
        if LOCK_MEMORY is not None and not SANITIZED:
            self.assertTrue(all(int(thread["VmLck"].split()[0]) > 0 for thread in threads), "memory is locked")
        with open(f"/proc/{daemon.pid}/limits") as file:
            self.assertRegex(file.read(), r"Max core file size\s+0\s+0")
        # What needs privileges still works.
        self.weft("reload")
        self.home.ip("link", "set", self.name, "mtu", 1400)
        self.status()
        self.assertNotIn("warning", daemon.output())

    def test_a_low_port_costs_one_more_capability_and_a_drop_in_may_be_told_one(self):
        daemon = self.start(port=53)
        self.assert_threads_may(daemon.pid, NET_ADMIN | NET_BIND_SERVICE)
        daemon.terminate()
        pid = self.drop_in()
        self.assert_threads_may(pid, NET_ADMIN | NET_BIND_SERVICE)
        harness.run("wg", "set", self.name, "listen-port", "53")
        self.assertEqual(harness.run("wg", "show", self.name, "listen-port").stdout.strip(), "53")
        os.kill(pid, signal.SIGTERM)

    def test_a_file_of_another_user_is_read_again_and_said_to_cost_a_right(self):
        file = self.configure()
        os.chown(file, NOBODY, NOBODY)
        daemon = self.start(file=file)
        self.assertRegex(daemon.output(), f"warning: {re.escape(file)} belongs to another user.*chown root")
        self.assert_threads_may(daemon.pid, NET_ADMIN | 1 << 2)
        self.weft("reload")

    @unittest.skipIf(SANITIZED, "LeakSanitizer makes calls that weftd does not make")
    def test_as_another_user_with_the_filter_a_tunnel_works_and_can_be_changed(self):
        folder = f"{self.folder}/sockets"
        for path in (folder, f"{folder}/wg", f"{folder}/weft"):
            os.mkdir(path, 0o755)
            os.chown(path, NOBODY, NOBODY)
        file = self.configure(port=51820)
        os.chmod(self.folder, 0o711)
        for path in (file, file.replace(".yaml", ".key")):
            os.chown(path, NOBODY, NOBODY)
        daemon = self.start("--user", "nobody", "--seccomp", file=file, wrapper=self.with_open_tun())
        for thread in self.assert_threads_may(daemon.pid, NET_ADMIN, seccomp="2"):
            self.assertEqual(set(thread["Uid"].split()), {str(NOBODY)})
        text = open(file).read()
        with open(file, "w") as changed:
            changed.write(text.replace("51820", "51821").replace("10.99.1.1/24", "10.99.2.1/24"))
        self.weft("reload")
        self.assertIn("10.99.2.1/24", self.home.ip("addr", "show", self.name).stdout)
        self.assertIn("listen_port=51821\n", self.status())
        self.assertEqual(daemon.terminate(), 0)

    def with_open_tun(self):
        """A /dev/net/tun that all users may open, as udev makes it."""
        return ["unshare", "--mount", "sh", "-c", f'mknod -m 666 {self.folder}/tun c 10 200 && '
                f'mount --bind {self.folder}/tun /dev/net/tun && exec "$@"', "sh"]

    @unittest.skipIf(SANITIZED, "LeakSanitizer makes calls that weftd does not make")
    def test_with_the_filter_nothing_is_refused_that_a_node_does(self):
        left, right = self.hosts()
        ends = []
        for number, (host, other) in enumerate(((left, 2), (right, 1)), 1):
            name = f"{self.name}{number}"
            ends.append((host, name, self.configure(
                name=name, port=51820, folder=f"{self.folder}/{number}",
                rest=f"log: {{level: debug}}\nreload: watch\nmetrics: {{socket: {self.folder}/{number}/metrics}}\n")))
        keys = [harness.pubkey(open(file.replace(".yaml", ".key")).read()) for _, _, file in ends]
        daemons = []
        for number, (host, name, file) in enumerate(ends, 1):
            text = open(file).read().replace("10.99.1.1/24", f"10.77.0.{number}/24")
            self.text_file(os.path.basename(file), text + f"""peers:
  - public_key: {keys[2 - number]}
    endpoint: 10.90.0.{3 - number}:51820
    allowed_ips: [10.77.0.{3 - number}/32]
""")
            daemons.append(harness.Process(self, [harness.WEFTD, "--seccomp", "--config", file], host))
        for daemon in daemons:
            self.wait_until_up(daemon)
        self.assert_threads_may(daemons[0].pid, NET_ADMIN, seccomp="2")
        self.assert_pings(left, "10.77.0.2", 5)
        self.transfer(left, right, "10.77.0.2")
        harness.wait_until(lambda: os.path.exists(f"{self.folder}/1/metrics"), "metrics are served")
        with socket.socket(socket.AF_UNIX) as reader:
            reader.connect(f"{self.folder}/1/metrics")
            reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            self.assertIn(b"weft_build_info", b"".join(iter(lambda: reader.recv(65536), b"")))
        host, name, file = ends[0]
        folder = f"{self.folder}/1/weft"
        os.unlink(f"{folder}/{name}.sock")
        harness.wait_until(lambda: serves(f"{folder}/{name}.sock"), "its socket is back")
        self.text_file(os.path.basename(file), open(file).read().replace("10.90.0.2:51820", "localhost:51820"))
        harness.wait_until(lambda: "configuration applied" in daemons[0].output(), "the file is read again")
        for daemon in daemons:
            self.assertEqual(daemon.terminate(), 0)
            refused = [line for line in daemon.output().splitlines() if "not permitted" in line]
            self.assertTrue(all("(io_uring)" in line for line in refused), refused)  # which the filter does not allow
            self.assertNotIn("error", daemon.output())

    def test_a_user_who_does_not_exist_is_said(self):
        daemon = self.start("--user", "weft-nobody-is-called-so", wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("There is no user 'weft-nobody-is-called-so'", daemon.output())


class Group(Daemon):
    GROUP = 54321

    def test_members_use_the_socket_whatever_the_umask_was(self):
        os.chmod(self.folder, 0o711)
        daemon = self.start(rest=f"  group: '{self.GROUP}'\n", wrapper=["sh", "-c", 'umask 077; exec "$@"', "sh"])
        self.assertEqual(self.connect(), "connected")
        self.assertEqual(self.connect(group=NOBODY), "Permission denied")
        shutil.copy(harness.WEFT, f"{self.folder}/weft")
        self.assertIn("the group that the daemon's configuration names", self.weft_of(NOBODY))
        self.assertEqual(self.weft_of(self.GROUP), "")
        os.chmod(os.path.dirname(self.sockets[1]), 0o700)
        said = self.weft_of(self.GROUP)
        self.assertIn(f"run: chmod 755 {os.path.dirname(self.sockets[1])}", said)
        self.assertNotIn("group", said)
        os.chmod(os.path.dirname(self.sockets[1]), 0o755)
        self.assert_threads_may(daemon.pid, NET_ADMIN)
        # It is put back with its group.
        os.unlink(self.sockets[1])
        harness.wait_until(lambda: serves(self.sockets[1]), "the socket is back")
        self.assertEqual(self.connect(), "connected")

    def test_a_folder_that_keeps_them_out_is_named(self):
        os.makedirs(f"{self.folder}/sockets/weft", 0o700)
        daemon = self.start(rest=f"  group: '{self.GROUP}'\n")
        harness.wait_until(lambda: "lets nobody in; run: chmod 755" in daemon.output(), "a warning")

    def weft_of(self, group):
        """What `weft` says to a user who has this group alone."""
        return subprocess.run([f"{self.folder}/weft", "reload", "--socket-folder", os.path.dirname(self.sockets[1]),
                               "--interface", self.name], user=NOBODY, group=group, extra_groups=[], text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20, cwd="/").stderr

    def connect(self, group=None):
        code = ("import socket, sys\nclient = socket.socket(socket.AF_UNIX)\n"
                "try: client.connect(sys.argv[1]); print('connected')\n"
                "except OSError as error: print(error.strerror)\n")
        return subprocess.run(["/usr/bin/python3", "-c", code, self.sockets[1]], user=NOBODY,
                              group=group or self.GROUP, extra_groups=[], text=True, capture_output=True,
                              timeout=20, cwd="/").stdout.strip()


if __name__ == "__main__":
    harness.main()
