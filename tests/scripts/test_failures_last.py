#!/usr/bin/python3
"""What is repeated above ctest's summary."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tools/python")

import failures_last  # noqa: E402

START = "        Start   1: one\n"
PASSED = "  1/3 Test   #1: one ..................   Passed    0.01 sec\n"
SKIPPED = "  3/3 Test   #3: three: x ............***Skipped   0.01 sec\n"
SUMMARY = "66% tests passed, 1 tests failed out of 3\n"


def failed(name, *output):
    return [f"  2/3 Test #2: {name} .................***Failed    0.01 sec\n", *(line + "\n" for line in output)]


class Failures(unittest.TestCase):
    def read(self, *lines):
        written = []
        failures_last.read(lines, written.append)
        return written

    def test_what_passes_is_as_it_was(self):
        lines = [START, PASSED, "\n", "100% tests passed, 0 tests failed out of 1\n"]
        self.assertEqual(self.read(*lines), lines)

    def test_the_output_of_a_failed_test_comes_again_and_the_summary_is_last(self):
        lines = [START, *failed("netns: two", "why", "", "that is it"), START, "a line of nobody\n", PASSED, SKIPPED,
                 "\n", SUMMARY, "The following tests FAILED:\n"]
        written = self.read(*lines)
        added = ["== what failed, again\n", "-- netns: two\n", "why\n", "that is it\n", "\n"]
        self.assertEqual(written, lines[:-2] + added + lines[-2:])

    def test_a_long_output_keeps_its_end(self):
        written = self.read(*failed("two", *(str(i) for i in range(1000))), SUMMARY)
        again = written[written.index("-- two\n") + 1:-2]
        self.assertEqual(again, [f"{i}\n" for i in range(1000 - failures_last.ROOM, 1000)])

    def test_many_that_failed_share_the_room(self):
        one = [str(i) for i in range(100)]
        written = self.read(*failed("two", *one), *failed("three", *one), SUMMARY)
        self.assertEqual(len(written[written.index("-- two\n"):written.index("-- three\n")]),
                         failures_last.ROOM // 2 + 1)


if __name__ == "__main__":
    unittest.main()
