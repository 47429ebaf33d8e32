"""Runs WireGuard programs between network namespaces made for one test.

Everything a test makes is removed when it ends: on success, on failure, on
SIGTERM, and when the file's deadline passes.  Names carry the process id, so
several runs can go on at once; what a killed run left is swept by the next.

Environment:
  WEFT_WEFTD, WEFT_WEFT  the programs under test (default: build/tools/...)
  WEFT_NEXT_WEFTD        weftd with the next format of hand-overs (default: beside them, in tests/netns)
  WEFT_NETNS_PAIRS       `LEFT:RIGHT ...` for tests with two programs
  WEFT_NETNS_PROGRAMS    programs for tests with one (default: weftd)
  WEFT_NETNS_DEADLINE    seconds for one test file (default: 240)
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../../tools/python")
import programs  # noqa: E402
from programs import ROOT, SKIPPED, SOCKETS, run, wait_until  # noqa: E402

WEFTD = os.path.abspath(os.environ.get("WEFT_WEFTD", f"{ROOT}/build/tools/weftd"))
WEFT = os.path.abspath(os.environ.get("WEFT_WEFT", f"{ROOT}/build/tools/weft"))
# As the next release could be: it leaves its successor another format.
NEXT_WEFTD = os.path.abspath(os.environ.get(
    "WEFT_NEXT_WEFTD", f"{os.path.dirname(WEFTD)}/../tests/netns/weftd_of_next_format"))
CONTROL_SOCKETS = "/run/weft"
ISSUER_SOCKETS = "/run/weft-issuer"
HOST_NOTES = "/run/weft-host"
# What comes back within these seconds did not wait until its silent session was given up, after 15 s.
BEFORE_GIVEN_UP = 14.0

_open_stacks = []
_libc = ctypes.CDLL(None, use_errno=True)


def remove_netns_folder():
    """Of ip-netns(8), unless another test has something there."""
    with contextlib.suppress(OSError):
        os.rmdir("/etc/netns")


def genkey():
    return run("wg", "genkey").stdout.strip()


def pubkey(private):
    return run("wg", "pubkey", input=private).stdout.strip()


def genpsk():
    return run("wg", "genpsk").stdout.strip()


def remove_sockets_of(name):
    """What a node of that interface has left that was killed."""
    for path in (f"{SOCKETS}/{name}.sock", f"{CONTROL_SOCKETS}/{name}.sock", f"{CONTROL_SOCKETS}/{name}.replace",
                 f"{HOST_NOTES}/{name}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


class Process:
    """A program that runs in a namespace until it is stopped."""

    def __init__(self, test, argv, namespace=None, environment=None, pass_fds=()):
        self.argv = [str(a) for a in argv]
        command = self.argv if namespace is None else ["ip", "netns", "exec", namespace.name, *self.argv]
        self.log = tempfile.TemporaryFile("w+", dir=test.folder)
        self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                       preexec_fn=programs.die_with_parent, pass_fds=pass_fds,
                                       env={**os.environ, **(environment or {})})
        test.processes.append(self)
        test.stack.callback(self.kill)

    @property
    def pid(self):
        return self._popen.pid  # `ip netns exec` becomes the program

    @property
    def code(self):
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, seconds=60):
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv} did not end within {seconds} s\n{self.output()}") from None

    def signal(self, number):
        self._popen.send_signal(number)

    def terminate(self, seconds=60):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.code is None:
            self._popen.kill()
            self._popen.wait()

    def output(self):
        self.log.flush()
        with open(f"/proc/self/fd/{self.log.fileno()}", errors="replace") as file:
            return file.read()


class Namespace:
    """A network namespace: a host of the test."""

    def __init__(self, test, label):
        self.test = test
        self.name = f"weft-{os.getpid()}-{test.number()}{label}"
        run("ip", "netns", "add", self.name)
        test.stack.callback(self.remove)
        self.ip("link", "set", "lo", "up")
        # Else these are as the machine has them: answers may take another way than questions, and marks count nowhere.
        self.sysctl(**{f"ipv4__conf__{link}__{key}": 0 for link in ("all", "default", "lo")
                       for key in ("rp_filter", "src_valid_mark")})

    def remove(self):
        programs.remove_namespace(self.name)

    def ip(self, *arguments, **options):
        return run("ip", "-n", self.name, *arguments, **options)

    def run(self, *argv, **options):
        return run("ip", "netns", "exec", self.name, *argv, **options)

    def sysctl(self, **values):
        """Sets keys, with double underscores for dots."""
        lines = [f"echo {value} > /proc/sys/net/{key.replace('__', '/')}" for key, value in values.items()]
        self.run("sh", "-ec", "\n".join(lines))

    def nft(self, *commands):
        """Applies nftables commands in their order."""
        self.run("nft", "-f", "-", input="\n".join(commands) + "\n")

    def add_address(self, address, interface):
        self.ip("addr", "add", address, "dev", interface, *(("nodad",) if ":" in address else ()))

    def has_link(self, interface):
        return self.ip("link", "show", interface, check=False).returncode == 0

    def ping(self, address, count=10, size=56, interval=0.02, source=None, wait=2.0):
        """Pings and returns how many answers came.  On a busy machine ping takes many times its interval."""
        result = self.run("ping", "-n", "-c", count, "-i", interval, "-W", wait, "-s", size,
                          *(("-I", source) if source else ()), address, check=False, timeout=120 + 5 * count * interval)
        received = re.search(r"(\d+) received", result.stdout)
        return int(received.group(1)) if received else 0

    def processes(self):
        return [int(pid) for pid in run("ip", "netns", "pids", self.name).stdout.split()]

    def udp_socket(self, family=socket.AF_INET):
        """A UDP socket of this namespace."""
        return in_namespace(self, lambda: socket.socket(family, socket.SOCK_DGRAM))


def in_namespace(namespace, function):
    """Calls `function` within the namespace: sockets made there stay there."""
    clone_newnet = 0x40000000
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace.name}", os.O_RDONLY)
    try:
        if _libc.setns(there, clone_newnet):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return function()
        finally:
            if _libc.setns(home, clone_newnet):
                os._exit(3)
    finally:
        os.close(home)
        os.close(there)


class Device:
    """One end of a tunnel: a program, its interface and its key."""

    def __init__(self, test, program, namespace, *, start=True):
        self.test, self.program, self.namespace = test, program, namespace
        self.home = namespace  # where the interface is
        self.name = test.interface_name()
        self.private_key = genkey()
        self.public_key = pubkey(self.private_key)
        self.process = None
        test.stack.callback(self.remove_socket)
        if start:
            self.start()

    @property
    def socket_path(self):
        return f"{SOCKETS}/{self.name}.sock"

    def remove_socket(self):
        remove_sockets_of(self.name)

    def start(self):
        """Starts the program as a drop-in, in the foreground."""
        self.process = Process(self.test, [*PROGRAMS[self.program], "-f", self.name], self.namespace,
                               {"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
        self.wait_ready()

    def wait_ready(self, seconds=60):
        def ready():
            if self.process and self.process.code is not None:
                raise AssertionError(f"{self.process.argv} ended with {self.process.code}\n{self.process.output()}")
            return self.serves() and self.home.has_link(self.name)
        wait_until(ready, f"{self.program} {self.name} is ready", seconds)

    def serves(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            try:
                client.connect(self.socket_path)
            except OSError:
                return False
            return True

    def uapi(self, request):
        """Sends one request and returns the answer up to its empty line."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(60)
            client.connect(self.socket_path)
            client.sendall(request.encode())
            answer = b""
            while not answer.endswith(b"\n\n"):
                part = client.recv(1 << 16)
                if not part:
                    raise AssertionError(f"the connection ended after {answer!r}")
                answer += part
            return answer.decode()

    def set(self, *arguments, **options):
        return run("wg", "set", self.name, *arguments, **options)

    def set_key(self, private_key):
        self.private_key = private_key
        self.public_key = pubkey(private_key)
        self.set("private-key", self.test.secret_file(private_key))

    def configure(self, *, port=0, addresses=(), mtu=1420, fwmark=None):
        """Key, port, addresses and link, for which `wg` and `ip` are used."""
        self.set_key(self.private_key)
        if port:
            self.set("listen-port", port)
        if fwmark is not None:
            self.set("fwmark", fwmark)
        for address in addresses:
            self.home.add_address(address, self.name)
        self.home.ip("link", "set", self.name, "mtu", mtu, "up")

    def add_peer(self, other, allowed_ips, endpoint=None, keepalive=None, psk=None):
        """`other`: a Device or a public key."""
        arguments = ["peer", getattr(other, "public_key", other), "allowed-ips", ",".join(allowed_ips)]
        if endpoint:
            arguments += ["endpoint", endpoint]
        if keepalive is not None:
            arguments += ["persistent-keepalive", keepalive]
        if psk:
            arguments += ["preshared-key", self.test.secret_file(psk)]
        self.set(*arguments)

    def remove_peer(self, other):
        self.set("peer", getattr(other, "public_key", other), "remove")

    def show(self, field):
        return run("wg", "show", self.name, field).stdout.strip()

    def peer(self, other):
        """What `wg show dump` says of a peer, or None."""
        key = getattr(other, "public_key", other)
        for line in self.show("dump").splitlines()[1:]:
            cells = line.split("\t")
            if cells[0] == key:
                return PeerState(*cells)
        return None

    def counters(self, other):
        """(received, sent) bytes as `wg show transfer` has them."""
        state = self.peer(other)
        return state.received, state.sent


class PeerState:
    def __init__(self, key, psk, endpoint, allowed_ips, handshake, received, sent, keepalive):
        self.public_key, self.preshared_key, self.endpoint = key, psk, endpoint
        self.allowed_ips = set() if allowed_ips == "(none)" else set(allowed_ips.split(","))
        self.handshake, self.received, self.sent = int(handshake), int(received), int(sent)
        self.keepalive = keepalive


class NetnsTest(unittest.TestCase):
    """A test with namespaces, links, devices and processes."""

    program = "weftd"
    longMessage = True
    _counter = 0

    def setUp(self):
        self.stack = contextlib.ExitStack()
        _open_stacks.append(self.stack)
        self.addCleanup(self._close)
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix=f"weft-test-{os.getpid()}-")
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        os.environ["STATE_DIRECTORY"] = f"{self.folder}/state"  # not this host's own

    def _close(self):
        self.stack.close()
        _open_stacks.remove(self.stack)

    def diagnostics(self):
        return "\n".join(f"--- output of {' '.join(p.argv)} (code {p.code})\n{p.output()[-4000:]}"
                         for p in self.processes)

    def number(self):
        NetnsTest._counter += 1
        return NetnsTest._counter

    def small_disk(self, folder, size):
        """A file system of that size."""
        os.mkdir(folder, 0o700)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "weft-test", folder)
        self.stack.callback(run, "umount", "--lazy", folder, check=False)

    def interface_name(self):
        return f"wt{os.getpid():x}-{self.number()}"

    def namespace(self, label=""):
        return Namespace(self, label)

    def link(self, left, right, left_addresses=(), right_addresses=(), *, name="net0", peer_name=None, mtu=1500):
        """A cable between two namespaces: `name` in `left`, `peer_name` in `right`."""
        peer_name = peer_name or name
        run("ip", "link", "add", name, "netns", left.name, "type", "veth",
            "peer", "name", peer_name, "netns", right.name)
        for host, interface, addresses in ((left, name, left_addresses), (right, peer_name, right_addresses)):
            for address in addresses:
                host.add_address(address, interface)
            host.ip("link", "set", interface, "mtu", mtu, "up")
        for host, interface in ((left, name), (right, peer_name)):
            wait_until(lambda: " state UP " in host.ip("link", "show", interface).stdout,
                       f"{interface} carries packets")

    def hosts(self, *, mtu=1500):
        """Two hosts with a cable: 10.90.0.1 and .2, fd90::1 and ::2."""
        left, right = self.namespace("l"), self.namespace("r")
        self.link(left, right, ["10.90.0.1/24", "fd90::1/64"], ["10.90.0.2/24", "fd90::2/64"], mtu=mtu)
        return left, right

    def tunnel(self, programs=None, *, outer="10.90.0.{}", psk=None, mtu=1420, link_mtu=1500, both_endpoints=False,
               hosts=None):
        """Two devices that know each other: 10.77.0.1 and .2, fd77::1 and ::2 inside.

        The left one knows the other's endpoint, and so it is the initiator.
        """
        programs = programs or (getattr(self, "left", self.program), getattr(self, "right", self.program))
        hosts = hosts or self.hosts(mtu=link_mtu)
        ends = [Device(self, program, host) for program, host in zip(programs, hosts)]
        for i, end in enumerate(ends, 1):
            end.configure(port=51820 + i, addresses=[f"10.77.0.{i}/24", f"fd77::{i}/64"], mtu=mtu)
        for i, (end, other) in enumerate((ends, ends[::-1]), 1):
            endpoint = f"{outer.format(3 - i)}:{51823 - i}" if i == 1 or both_endpoints else None
            end.add_peer(other, [f"10.77.0.{3 - i}/32", f"fd77::{3 - i}/128"], endpoint, psk=psk)
        return ends

    def secret_file(self, text):
        path = f"{self.folder}/secret-{self.number()}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
        return path

    def text_file(self, name, text):
        """A file with keys in it: for the owner alone."""
        path = f"{self.folder}/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def assert_pings(self, namespace, address, count=10, **options):
        """Each of `count` pings is answered, however late."""
        # Of several pings the last is awaited for twice the time that one took so far: one at a time.
        answers = sum(namespace.ping(address, 1, wait=20, **options) for _ in range(count))
        self.assertEqual(answers, count, f"answers of {address}")

    def assert_both_ways(self, left, right, count=10):
        """Pings each way over both families, addresses as of tunnel()."""
        self.assert_pings(left.home, "10.77.0.2", count)
        self.assert_pings(left.home, "fd77::2", count)
        self.assert_pings(right.home, "10.77.0.1", count)
        self.assert_pings(right.home, "fd77::1", count)

    def wait_for_ping(self, namespace, address, seconds=60.0):
        """Waits for one answer and returns how long it took."""
        start = time.monotonic()
        wait_until(lambda: namespace.ping(address, 1, wait=0.3) == 1, f"an answer of {address}", seconds)
        return time.monotonic() - start

    def transfer(self, client, server, address, *options, seconds=1):
        """An iperf3 run; returns what it measured, as iperf3's JSON has it under `end`."""
        service = Process(self, ["iperf3", "-s", "-1", "-B", address, "--forceflush"], server)
        wait_until(lambda: "Server listening" in service.output(), "iperf3 listens")
        result = client.run("iperf3", "-J", "-c", address, "-t", seconds, *options, check=False, timeout=seconds + 90)
        report = json.loads(result.stdout)
        self.assertNotIn("error", report, f"iperf3 {options}")
        service.wait()
        return report["end"]


PAIRS = [pair.split(":") for pair in os.environ.get(
    "WEFT_NETNS_PAIRS", "weftd:weftd weftd:wireguard-go wireguard-go:weftd").split()]
PROGRAMS = {"weftd": [WEFTD], "wireguard-go": [shutil.which("wireguard-go") or "wireguard-go"]}


def _variant(cls, suffix, **attributes):
    name = f"{cls.__name__}__{suffix}".replace("-", "_")
    module = sys.modules[cls.__module__]
    setattr(module, name, type(name, (cls, NetnsTest), {"__module__": cls.__module__, **attributes}))


def for_each_pair(cls):
    """Makes a test class of the mixin `cls` for each pair: `left` initiates, `right` responds."""
    for left, right in PAIRS:
        _variant(cls, f"{left}_to_{right}", left=left, right=right)
    return cls


def for_each_program(cls):
    """Makes a test class of the mixin `cls` for each program under test, as `program`."""
    for program in os.environ.get("WEFT_NETNS_PROGRAMS", "weftd").split():
        _variant(cls, program, program=program)
    return cls


class _Result(unittest.TextTestResult):
    """Adds to a failure what the programs printed, while they still are there."""

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._explain(test)

    def addError(self, test, err):
        super().addError(test, err)
        self._explain(test)

    def _explain(self, test):
        if hasattr(test, "diagnostics"):
            self.stream.writeln(test.diagnostics())


def _clean_up_and_exit(number, frame):
    signal.signal(number, signal.SIG_IGN)
    if number == signal.SIGALRM:
        traceback.print_stack(frame)
    sys.stderr.write(f"ended by {signal.Signals(number).name}; removing what the test made\n")
    for stack in reversed(_open_stacks):
        stack.close()
    os._exit(1)


def _sweep():
    """Removes what runs that were killed have left."""
    for name in programs.stale("/run/netns", re.compile(r"weft-(\d+)-.*")):
        programs.remove_namespace(name)
    for folder, pattern in ((tempfile.gettempdir(), r"weft-test-(\d+)-.*"), ("/etc/netns", r"weft-(\d+)-.*")):
        for name in programs.stale(folder, re.compile(pattern)):
            shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
    for folder in (SOCKETS, CONTROL_SOCKETS, ISSUER_SOCKETS, HOST_NOTES):
        for name in programs.stale(folder, re.compile(r"wt([0-9a-f]+)-\d+(?:|\.sock|\.replace|\.directory|\.directory\.sock)"), base=16):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")


def is_sanitized(program):
    """Whether AddressSanitizer is in it, which needs terabytes of address space and must be the first library."""
    with open(program, "rb") as file:
        return b"__asan_init" in file.read()


def missing_prerequisite():
    """Why these tests cannot run here, or None."""
    if os.geteuid():
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    probe = f"weft-{os.getpid()}-probe"
    result = run("ip", "netns", "add", probe, check=False)
    if result.returncode:
        return f"this machine makes no network namespaces: {result.stderr.strip()}"
    run("ip", "netns", "del", probe)
    return None


def prepare():
    """Before anything is made: whatever ends this program, what it makes is removed."""
    reason = missing_prerequisite()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    _sweep()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _clean_up_and_exit)
    signal.alarm(int(os.environ.get("WEFT_NETNS_DEADLINE", "240")))


def main():
    prepare()
    runner = unittest.TextTestRunner(verbosity=2, resultclass=_Result)
    program = unittest.main(module="__main__", testRunner=runner, exit=False)
    if not program.result.wasSuccessful():
        sys.exit(1)
    if program.result.testsRun == 0:
        sys.exit("no test ran")
    if len(program.result.skipped) == program.result.testsRun:
        sys.exit(SKIPPED)
