#!/usr/bin/python3
"""Measures hand-overs of a node under the installed unit, in the machine of tests/packaging.

For `systemctl restart` and `weft upgrade`, and for a restart once more without each directive that is named:
  gap      longest time between two answers to pings that go through the node, 500 in a second: median, lowest and
           highest of the hand-overs
  sandbox  processor time that systemd takes in the node's process before it becomes weftd: median

  tools/bench/restarts.py -r 20 --without InaccessiblePaths TemporaryFileSystem

The report is a table in Markdown.  The package is the one that tools/package has made (WEFT_PACKAGES), the other end is
WEFT_WEFTD.  Needs root.
"""

import argparse
import re
import statistics
import sys
import time
import unittest

import lab

sys.path.insert(0, f"{lab.ROOT}/tests/netns")
sys.path.insert(0, f"{lab.ROOT}/tests/packaging")
import test_upgrade  # noqa: E402, of tests/packaging

FILE = "/lib/systemd/system/weft@.service"
# Its whole way is the sandbox: what it takes itself is half a millisecond.
PROBE = "Type=oneshot\nExecStart=/bin/cat /proc/self/schedstat\nStandardOutput=truncate:/tmp/schedstat"


class HandOvers(test_upgrade.Upgrade):
    """One unit, and one way."""

    without, upgrades, rounds = None, False, 0

    def change_unit(self):
        if self.without:
            text = re.sub(rf"^{self.without}=.*\n", "", self.machine.read(FILE), flags=re.MULTILINE)
            self.machine.write(FILE, text)
        probe = re.sub(r"^(Exec|Type|FileDescriptor|SuccessExit|Restart|Wants|After|Assert).*\n", "",
                       self.machine.read(FILE), flags=re.MULTILINE).replace("[Service]\n", f"[Service]\n{PROBE}\n")
        self.machine.write("/run/systemd/system/probe@.service", probe)
        self.machine.systemctl("daemon-reload")

    def gap(self):
        ping = self.in_machine("ping", "-n", "-D", "-i", "0.002", "-W", "20", "10.200.2.1")
        time.sleep(0.3)
        if self.upgrades:
            self.upgrade()
        else:
            self.restart()
        time.sleep(0.3)
        ping.signal(2)
        ping.wait()
        times = [float(text) for text in re.findall(r"^\[([0-9.]+)\]", ping.output(), re.MULTILINE)]
        return 1000 * max(after - before for before, after in zip(times, times[1:]))

    def sandbox(self):
        self.machine.systemctl("start", "probe@a")
        return int(self.machine.read("/tmp/schedstat").split()[0]) / 1e6

    def runTest(self):
        self.change_unit()
        self.start_and_wait()
        before = self.present()
        gaps = [self.gap() for _ in range(self.rounds)]
        self.assert_goes_on(before)
        sandbox = statistics.median(self.sandbox() for _ in range(self.rounds))
        way = "weft upgrade" if self.upgrades else "systemctl restart"
        self.row[:] = [f"{way}, without {self.without}" if self.without else way, lab.spread(gaps), f"{sandbox:.1f}"]


def measure(rounds, without=None, upgrades=False):
    row = []
    kind = type("Measurement", (HandOvers,),
                {"without": without, "upgrades": upgrades, "rounds": rounds, "row": row})
    result = unittest.TestResult()
    kind("runTest").run(result)
    for _, why in result.errors + result.failures:
        raise RuntimeError(why)
    lab.say(" ".join(row))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--rounds", type=int, default=20, help="hand-overs of each")
    parser.add_argument("--without", nargs="*", default=[], help="directives of the unit", metavar="DIRECTIVE")
    arguments = parser.parse_args()
    rows = [measure(arguments.rounds), measure(arguments.rounds, upgrades=True)]
    rows += [measure(arguments.rounds, without) for without in arguments.without]
    print(lab.machine_line(lab.machine()) + "\n")
    print("\n".join(lab.markdown_table(["hand-over", "gap, ms", "sandbox, ms of processor"], rows)))


if __name__ == "__main__":
    sys.exit(main())
