#!/usr/bin/python3
"""The linter finds what is planted, also in files that it looks at together."""

import importlib.machinery
import importlib.util
import os
import shutil
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77
FLAGS = ["-std=c++20"]
GOOD = "int twice(int number) {\n  return 2 * number;\n}\n"
MISNAMED = "int TwiceAsMuch(int number) {\n  return 2 * number;\n}\n"
UNINITIALISED = "int some() {\n  int number;\n  return number;\n}\n"
# One of each group of checks, with the headers of libraries that they are about.
KINDS = {
    "bugprone-use-after-move": "#include <string>\n#include <utility>\nstd::size_t left(std::string text) {\n"
                               "  const auto taken = std::move(text);\n  return text.size() + taken.size();\n}\n",
    "cert-err34-c": "#include <cstdlib>\nint number(const char* text) {\n  return std::atoi(text);\n}\n",
    "concurrency-mt-unsafe": "#include <cstdlib>\nconst char* home() {\n  return std::getenv(\"HOME\");\n}\n",
    "misc-unused-parameters": "namespace {\nint one(int number) {\n  return 1;\n}\n} // namespace\n"
                              "int two() {\n  return one(2) + 1;\n}\n",
    "modernize-use-override": "struct base {\n  virtual ~base() = default;\n  virtual int number();\n};\n"
                              "struct heir : base {\n  virtual int number();\n};\n",
    "performance-for-range-copy": "#include <string>\n#include <vector>\n"
                                  "std::size_t all(const std::vector<std::string>& texts) {\n  std::size_t sum = 0;\n"
                                  "  for (const std::string text : texts)\n    sum += text.size();\n  return sum;\n}\n",
    "cppcoreguidelines-narrowing-conversions": "int whole(double number) {\n  int rounded = 0;\n  rounded += number;\n"
                                               "  return rounded;\n}\n",
    "readability-else-after-return": "int sign(int number) {\n  if (number < 0) {\n    return -1;\n  } else {\n"
                                     "    return 1;\n  }\n}\n",
}

sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("lint", f"{ROOT}/tools/lint")
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", _loader))
_loader.exec_module(lint)


class Planted(unittest.TestCase):
    def setUp(self):
        # Below the root, whose .clang-tidy holds.
        os.makedirs(lint.BUILD, exist_ok=True)
        lint.scope()  # once for all tests
        folder = tempfile.TemporaryDirectory(dir=lint.BUILD, prefix="planted-")
        self.addCleanup(folder.cleanup)
        for name, value in (("ROOT", folder.name), ("BUILD", f"{folder.name}/build")):
            self.addCleanup(setattr, lint, name, getattr(lint, name))
            setattr(lint, name, value)
            os.makedirs(value, exist_ok=True)
        os.mkdir(f"{lint.ROOT}/tests")

    def look_at(self, *texts):
        """What is found in files with these texts, as one source."""
        paths = [f"tests/{i}.cpp" for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(f"{lint.ROOT}/{path}", "w") as file:
                file.write(text)
        return "\n".join(lint.findings([lint.check(0, paths, FLAGS)]))

    def test_what_is_good_is_passed_in_silence(self):
        self.assertEqual(self.look_at(GOOD), "")

    def test_each_file_of_a_group_is_looked_at(self):
        found = self.look_at(GOOD, MISNAMED, UNINITIALISED)
        self.assertIn("1.cpp:1:5: error: invalid case style for function 'TwiceAsMuch'", found)
        self.assertIn("2.cpp:2:7: error: variable 'number' is not initialized", found)
        self.assertNotIn("0.cpp", found)

    def test_each_kind_is_found_where_headers_of_libraries_are_passed_over(self):
        for kind, text in KINDS.items():
            with self.subTest(kind):
                self.assertIn(f"[{kind}", self.look_at(GOOD, text))

    def test_what_a_header_of_the_project_has_is_found(self):
        with open(f"{lint.ROOT}/tests/own.hpp", "w") as file:
            file.write("#include <vector>\n" + MISNAMED)
        self.assertIn("own.hpp:2:5: error: invalid case style for function 'TwiceAsMuch'",
                      self.look_at('#include "own.hpp"\n' + GOOD))

    def test_a_group_that_does_not_compile_is_taken_apart(self):
        found = self.look_at(GOOD, GOOD, MISNAMED)
        self.assertNotIn("redefinition", found)
        self.assertIn("'TwiceAsMuch'", found)

    def test_only_the_files_with_errors_are_taken_out_of_a_group(self):
        paths = ["tests/0.cpp", "tests/1.cpp", "tests/2.cpp"]
        broken = f"{lint.ROOT}/tests/1.cpp:1:5: error: redefinition of 'twice' [clang-diagnostic-error]\n"
        self.assertEqual(lint.parts_of(paths, broken), [["tests/1.cpp"], ["tests/0.cpp", "tests/2.cpp"]])
        elsewhere = "/usr/include/a.h:1:5: error: unknown type name 'a' [clang-diagnostic-error]\n"
        self.assertEqual(lint.parts_of(paths, elsewhere), [[path] for path in paths])

    def test_what_does_not_compile_by_itself_is_found(self):
        self.assertIn("use of undeclared identifier 'absent'", self.look_at("int some() {\n  return absent;\n}\n"))

    def test_what_a_folder_leaves_out_is_left_out_in_its_groups(self):
        with open(f"{lint.ROOT}/tests/.clang-tidy", "w") as file:
            file.write("InheritParentConfig: true\nChecks: '-readability-identifier-naming'\n")
        found = self.look_at(GOOD, MISNAMED, UNINITIALISED)
        self.assertNotIn("'TwiceAsMuch'", found)
        self.assertIn("'number' is not initialized", found)

    def test_the_nearest_settings_hold_and_files_with_others_are_apart(self):
        os.makedirs(f"{lint.ROOT}/tools/micro")
        for folder in ("tests", "tools/micro"):
            with open(f"{lint.ROOT}/{folder}/.clang-tidy", "w") as file:
                file.write("InheritParentConfig: true\n")
        for path, folder in (("tests/actors/a.cpp", "tests"), ("tools/micro/a.cpp", "tools/micro"),
                             ("tools/a.cpp", ""), ("actors/loop/a.cpp", "")):
            self.assertEqual(lint.settings_of(path), folder)

    def test_every_folder_is_looked_at_and_a_file_that_no_target_compiles_is_named(self):
        for folder in ("protocol", "config", "platform", "messages", "actors", "tools", "tests"):
            self.assertIn(folder, lint.ALL)
            os.makedirs(f"{lint.ROOT}/{folder}/inner", exist_ok=True)
            for name in ("compiled", "forgotten"):
                with open(f"{lint.ROOT}/{folder}/inner/{name}.cpp", "w") as file:
                    file.write(GOOD)
        compiled = {f"{folder}/inner/compiled.cpp": FLAGS for folder in lint.ALL}
        self.assertEqual(lint.not_compiled(compiled, lint.ALL),
                         sorted(f"{folder}/inner/forgotten.cpp" for folder in lint.ALL))
        self.assertEqual(lint.not_compiled(compiled, ["actors"]), ["actors/inner/forgotten.cpp"])

    def test_the_same_finding_is_told_once(self):
        told = "/a/tests/x.hpp:1:2: error: something [some-check]\n  a line\n"
        self.assertEqual(list(lint.findings([told, told])), told.splitlines())

    def test_it_works_without_the_headers_of_clang(self):
        program = f"{lint.ROOT}/bin/clang-tidy"
        with unittest.mock.patch("shutil.which", return_value=program):
            self.assertEqual(lint.scope.__wrapped__(), [])
        with unittest.mock.patch("shutil.which", return_value=None), self.assertRaisesRegex(SystemExit, "tools/setup"):
            lint.scope.__wrapped__()


if __name__ == "__main__":
    if not shutil.which("clang-tidy"):
        print("clang-tidy is not installed: tools/setup installs it")
        sys.exit(SKIPPED)
    unittest.main()
