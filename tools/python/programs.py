"""What all scripts share that run other programs: tests between network namespaces and of packages, and measurements."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOCKETS = "/var/run/wireguard"
SKIPPED = 77  # ctest's SKIP_RETURN_CODE

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(AssertionError, RuntimeError):
    """A program that failed, or something that did not come: a failure of a test, an error of a measurement."""


def die_with_parent():
    """For preexec_fn: nothing that was started outlives a script that is killed."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def run(*argv, check=True, timeout=60, **options):
    """Runs a program to its end; its result, with what it printed.  With stderr=STDOUT that is in one place."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    result = subprocess.run([str(word) for word in argv], text=True, timeout=timeout, preexec_fn=die_with_parent,
                            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
    if check and result.returncode:
        raise Failed(f"{' '.join(map(str, argv))}: exit code {result.returncode}\n"
                     f"{result.stdout or ''}{result.stderr or ''}")
    return result


def wait_until(condition, what, seconds=60.0, pause=0.02):
    """Waits for a true value of `condition` and returns it.  A machine may be busy: `seconds` is not to say how fast
    something is, but that it comes to happen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def remove_namespace(name):
    """The network namespace, and what still runs in it."""
    if not os.path.exists(f"/run/netns/{name}"):
        return
    for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "del", name, check=False)


def stale(folder, pattern, base=10):
    """The names in a folder that `pattern` matches whole, if its group is the id of a process that is gone."""
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        match = pattern.fullmatch(name)
        if match and not os.path.exists(f"/proc/{int(match.group(1), base)}"):
            yield name
