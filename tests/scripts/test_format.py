#!/usr/bin/python3
"""tools/format finds a file of any folder that is not formatted, and mends it."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77
FOLDERS = ("protocol", "config", "platform", "messages", "actors", "tools", "tests")
GOOD = "int twice(int number) {\n  return 2 * number;\n}\n"
BAD = "int twice(int number)\n{\n    return 2*number;\n}\n"


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for name in FOLDERS:
            os.makedirs(f"{self.root}/{name}/inner")
            self.write(f"{name}/inner/good.cpp", GOOD)
        shutil.copy(f"{ROOT}/tools/format", f"{self.root}/tools/")
        shutil.copy(f"{ROOT}/.clang-format", self.root)

    def write(self, path, text):
        with open(f"{self.root}/{path}", "w") as file:
            file.write(text)

    def format(self, mode="check"):
        done = subprocess.run([f"{self.root}/tools/format", mode], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def test_what_is_formatted_passes(self):
        self.assertEqual(self.format(), (0, f"format: {len(FOLDERS)} files, check: ok\n"))

    def test_a_file_of_each_folder_is_found_and_mended(self):
        for name in FOLDERS:
            for end in ("cpp", "hpp"):
                path = f"{name}/inner/bad.{end}"
                self.write(path, BAD)
                code, said = self.format()
                self.assertEqual(code, 1)
                self.assertIn(path, said)
                self.assertNotIn("good.cpp", said)
                self.assertEqual(self.format("fix")[0], 0)
                self.assertEqual(self.format()[0], 0)
                with open(f"{self.root}/{path}") as file:
                    self.assertEqual(file.read(), GOOD)

    def test_an_unknown_word_is_an_error(self):
        self.assertEqual(self.format("Check")[0], 2)


if __name__ == "__main__":
    if not shutil.which("clang-format"):
        print("clang-format is not installed: tools/setup installs it")
        sys.exit(SKIPPED)
    unittest.main()
