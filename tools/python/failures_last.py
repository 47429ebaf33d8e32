#!/usr/bin/python3
"""Passes on what ctest prints, and repeats what failed above its summary: who reads the end of a long log sees why.

usage: ctest --output-on-failure ... | failures_last.py"""

import re
import sys

#: Lines that are repeated, shared by all failed tests; what is left of each are its last.
ROOM = 60
LEAST = 8


def read(lines, write):
    """Passes on `lines`; the name and the output of each failed test come again before the summary."""
    failed, output = [], None
    for line in lines:
        if re.match(r"\d+% tests passed", line):
            repeat(failed, write)
        ended = re.match(r" *\d+/\d+ Test +#\d+: (.*?) \.\.\.", line)
        if ended or re.match(r" +Start +\d+: ", line):
            output = None
        if ended and not re.search(r"(\.|\s)(Passed|\*\*\*Skipped|\*\*\*Not Run \(Disabled)", line):
            output = []
            failed.append((ended[1], output))
        elif output is not None and line.strip():
            output.append(line)
        write(line)


def repeat(failed, write):
    if not failed:
        return
    write("== what failed, again\n")
    room = max(LEAST, ROOM // len(failed))
    for name, output in failed:
        write(f"-- {name}\n")
        for line in output[-room:]:
            write(line)
    write("\n")


def write_out(line):
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.stdin.reconfigure(errors="replace")
    sys.stdout.reconfigure(errors="replace")
    read(sys.stdin, write_out)
