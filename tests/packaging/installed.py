"""Tests that have a machine of their own, with the packages."""

import os
import unittest

import machine
import support
from support import wait_until


class InstalledTest(unittest.TestCase):
    maxDiff = None

    def start_machine(self):
        self.machine = machine.Machine()
        self.addCleanup(self.machine.stop)

    def install(self, *names):
        self.machine.install(*(names or ("weft", "weft-dev")))

    def keep_logs(self):
        """There is no journal."""
        self.drop_in("log", "[Service]\nStandardOutput=append:/tmp/%i.log\nStandardError=append:/tmp/%i.log")

    def drop_in(self, name, text):
        self.machine.write(f"/run/systemd/system/weft@.service.d/{name}.conf", text + "\n")
        self.machine.systemctl("daemon-reload")

    def start(self, *names):
        for name in names:
            result = self.machine.systemctl("start", f"weft@{name}", check=False)
            self.assertEqual(result.returncode, 0, result.stdout + self.log(name))

    def log(self, name):
        log = f"/tmp/{name}.log"
        return self.machine.read(log) if os.path.exists(self.machine.path(log)) else "no log"

    def state(self, name):
        return self.machine.property(f"weft@{name}", "ActiveState")

    def main_pid(self, name):
        return int(self.machine.property(f"weft@{name}", "MainPID"))

    def kill(self, name):
        """And waits until systemd has started it again."""
        pid = self.main_pid(name)
        self.machine.systemctl("kill", "--signal=KILL", f"weft@{name}")
        wait_until(lambda: self.state(name) == "active" and self.main_pid(name) not in (0, pid), "a new process", 30)


def load_tests(loader, tests, pattern):
    """Skips all where no machine can be made."""
    try:
        machine.Machine().stop()
    except machine.Unavailable as reason:
        support.skip_all(reason)
    return tests
