"""Two hosts on a cable, for measurements: network namespaces, and processes in them.

Whatever a lab makes is removed when it is left, also after an error, SIGINT or SIGTERM. Names carry the
process id, so that several labs can exist at once; what a killed one left behind is swept by the next.
"""

import contextlib
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../python")
from programs import ROOT, SOCKETS, die_with_parent, remove_namespace, run, stale, wait_until  # noqa: E402, F401

PREFIX = "weftbench-"
CABLE = ("192.0.2.1", "192.0.2.2")  # addresses of the two hosts on the cable
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Process:
    """A program that runs until it is stopped. `ip netns exec` becomes it, so the process id is its own."""

    def __init__(self, argv, log, **options):
        self.log = log
        with open(log, "w") as output:
            self._popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=output, preexec_fn=die_with_parent, **options)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    def stop(self):
        """SIGTERM, and SIGKILL if that does not help."""
        self._popen.terminate()
        try:
            return self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()

    def interrupt(self):
        self._popen.send_signal(signal.SIGINT)
        return self._popen.wait(60)

    def output(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def cpu_seconds(self):
        """User and system time of the process so far, to 1/100 s."""
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return 0.0

    def memory_mb(self, peak=False):
        """Resident memory in MiB: now, or at its highest."""
        with open(f"/proc/{self.pid}/status") as file:
            found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", file.read())
        return int(found.group(1)) / 1024 if found else 0.0


class Host:
    """A network namespace."""

    def __init__(self, lab, label):
        self.lab = lab
        self.name = f"{PREFIX}{os.getpid()}-{label}"
        run("ip", "netns", "add", self.name)
        lab.stack.callback(remove_namespace, self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments, **options):
        return run("ip", "-n", self.name, *arguments, **options)

    def run(self, *argv, **options):
        return run("ip", "netns", "exec", self.name, *argv, **options)

    def start(self, *argv, **options):
        """Starts a program here; it is stopped with the lab at the latest."""
        process = Process(["ip", "netns", "exec", self.name, *argv], self.lab.new_file("log"), **options)
        self.lab.stack.callback(process.stop)
        return process

    def has_link(self, interface):
        return self.ip("link", "show", interface, check=False).returncode == 0


class Lab:
    """Two hosts, `left` and `right`, with a cable between them; or, with options of lossy_path.py, a path that loses
    packets."""

    def __init__(self, path=()):
        self._path = path

    def __enter__(self):
        require_root()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: sys.exit(128 + received))
        sweep()
        self.stack = contextlib.ExitStack()
        try:
            self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))
            os.environ["STATE_DIRECTORY"] = f"{self.folder}/state"  # not this host's own
            self._files = 0
            self.left, self.right = self.hosts = (Host(self, "left"), Host(self, "right"))
            self._join()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        # a second signal must not interrupt the removal
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self.stack.close()

    def _join(self):
        self.cable = ends = [f"cable{os.getpid()}{end}" for end in "ab"]
        if self._path:
            self._start_path()
        else:
            run("ip", "link", "add", ends[0], "netns", self.left.name, "type", "veth",
                "peer", "name", ends[1], "netns", self.right.name)
        for host, end, address in zip(self.hosts, ends, CABLE):
            host.ip("address", "add", f"{address}/24", "dev", end)
            host.ip("link", "set", end, "up")

    def _start_path(self):
        path = Process(["/usr/bin/python3", "-B", f"{ROOT}/tools/bench/lossy_path.py", *self._path,
                        *(f"{end}@{host.name}" for host, end in zip(self.hosts, self.cable))], self.new_file("log"))
        self.stack.callback(path.stop)
        wait_until(lambda: "ready" in path.output() or not path.running, "the path")
        if not path.running:
            raise RuntimeError(f"the path ended:\n{path.output()}")

    def new_file(self, suffix):
        """A name for a file that goes with the lab."""
        self._files += 1
        return f"{self.folder}/{self._files}.{suffix}"

    def text_file(self, suffix, text):
        path = self.new_file(suffix)
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        return path


def require_root():
    if os.geteuid() != 0:
        sys.exit("needs root, for network namespaces and TUN devices")
    if not os.path.exists("/dev/net/tun"):
        sys.exit("there is no /dev/net/tun on this machine")


def sweep():
    """Removes namespaces of labs whose process is gone."""
    for name in stale("/run/netns", re.compile(rf"{PREFIX}(\d+)-\w+")):
        remove_namespace(name)


def interface_name(end):
    """A name for a tunnel that nobody else on this machine has: control sockets share one folder."""
    return f"wb{os.getpid()}{end}"


def remove_socket(interface):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{SOCKETS}/{interface}.sock")


def key_pair():
    private = run("wg", "genkey").stdout.strip()
    return private, run("wg", "pubkey", input=private).stdout.strip()


def iperf_server(host, address):
    """Starts an iperf3 server and waits until it listens."""
    server = host.start("iperf3", "-s", "-B", address, "--forceflush")
    wait_until(lambda: "Server listening" in server.output(), "iperf3 server")
    return server


def iperf(host, address, seconds, *arguments):
    """Runs an iperf3 client and returns the `end` part of its report."""
    result = host.run("iperf3", "--json", "-c", address, "-t", seconds, *arguments, check=False,
                      timeout=seconds + 60)
    try:
        report = json.loads(result.stdout)
    except ValueError:
        raise RuntimeError(f"iperf3: {result.stdout}{result.stderr}") from None
    if "error" in report:
        raise RuntimeError(f"iperf3: {report['error']}")
    return report["end"]


def machine():
    """Where and when it was measured, and what else the machine did."""
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*:\s*(.+)", file.read())
        if found:
            model = found.group(1)
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def machine_line(facts):
    return (f"{facts['processors']} x {facts['processor']}, Linux {facts['kernel']}, {facts['date']}; "
            f"load average before: {facts['load_before']}")


def program(name):
    """The path of one of weft's programs: from the build for measurements, or else from the usual one."""
    folders = [os.environ.get("WEFT_BUILD", f"{ROOT}/build-bench"), f"{ROOT}/build"]
    for folder in folders:
        for path in (f"{folder}/tools/{name}", f"{folder}/tools/bench/{name}"):
            if os.access(path, os.X_OK):
                return path
    sys.exit(f"{name} is not built; tools/bench/run builds it")


def write_json(path, data):
    with open(path, "w") as file:
        json.dump(data, file, indent=1)
        file.write("\n")


def markdown_table(head, rows):
    """Lines of a table; cells are text."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def short(value):
    """A number with three significant digits, without an exponent; whole numbers as they are."""
    if value == 0 or isinstance(value, int):
        return f"{value:,.0f}"
    digits = 2 - int(f"{abs(value):.2e}".split("e")[1])  # of the rounded value
    text = f"{round(value, digits):.{max(0, digits)}f}"
    return f"{int(text):,}" if "." not in text else text


def spread(values):
    """`4.1 (3.9-4.4)`: the median, the lowest and the highest."""
    return f"{short(statistics.median(values))} ({short(min(values))}-{short(max(values))})"


def have(name):
    return shutil.which(name) is not None
