#!/usr/bin/python3
"""Which files are compiled and linted as one."""

import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tools/python")

import together  # noqa: E402

COUNTS = "namespace {\n\nint count(int a) {\n  return a;\n}\n\n} // namespace\n"


class Groups(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def groups(self, *texts, kinds=None):
        """The groups of files with these texts, by their numbers."""
        paths = [f"{self.folder}/{i}.cpp" for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "w") as file:
                file.write(text)
        found = together.groups_of(dict(zip(paths, kinds or [None] * len(paths))))
        return [[paths.index(path) for path in group] for group in found]

    def test_files_that_share_nothing_are_one(self):
        self.assertEqual(self.groups(COUNTS, COUNTS.replace("count", "sum"), "void run() {\n  go();\n}\n"), [[0, 1, 2]])

    def test_the_same_name_in_two_unnamed_namespaces_parts_them(self):
        self.assertEqual(self.groups(COUNTS, COUNTS), [[0], [1]])

    def test_who_calls_a_function_of_that_name_from_elsewhere_is_apart(self):
        call = "void run() {\n  count(1);\n}\n"
        self.assertEqual(self.groups(COUNTS, call), [[0], [1]])
        self.assertEqual(self.groups(call, COUNTS), [[0], [1]])

    def test_members_comments_and_texts_of_that_name_are_no_calls(self):
        for text in ("a.count(1)", "a->count(1)", "std::count(1)", "f(); // count(1)", 'f("count(1)")'):
            self.assertEqual(self.groups(COUNTS, f"void run() {{\n  {text};\n}}\n"), [[0, 1]], text)

    def test_who_includes_a_type_or_constant_of_that_name_is_apart(self):
        header = "protocol/network/token.hpp"
        user = f'#include "{header}"\n'
        for name in ("most_directories", "join_token", "refusal"):  # the last one's header is included by that
            own = COUNTS.replace("count", name)
            self.assertEqual(self.groups(own, user), [[0], [1]])
            self.assertEqual(self.groups(user, own), [[0], [1]])
        self.assertEqual(self.groups(COUNTS, user), [[0, 1]])

    def test_a_function_of_a_header_is_another_one_if_its_types_are(self):
        self.assertIn(("is_usable_range", "ip_prefix"), together.names_of_header("protocol/network/ranges.hpp"))
        user = '#include "protocol/network/ranges.hpp"\n'
        same = COUNTS.replace("int count(int a)", "bool is_usable_range(const weft::ip_prefix& it)")
        other = COUNTS.replace("int count(int a)", "bool is_usable_range(int it)")
        self.assertEqual(self.groups(same, user), [[0], [1]])
        self.assertEqual(self.groups(other, user), [[0, 1]])

    def test_there_is_one_entry_point_and_one_macro_of_a_name(self):
        for text in ("int main() {}\n", 'extern "C" int\nTestOneInput(int) {}\n', "#define LIMIT 3\n"):
            self.assertEqual(self.groups(text, text), [[0], [1]], text)

    def test_an_alias_may_be_shared_but_means_one_thing(self):
        whole, small = "using number =\n  long;\n", "using number = short;\n"
        self.assertEqual(self.groups(whole, small, whole), [[0, 2], [1]])
        self.assertEqual(self.groups("using number = long;\n", "using other::number;\n"), [[0], [1]])
        self.assertEqual(self.groups("using other::number;\n", "using other::number;\n"), [[0, 1]])

    def test_other_flags_make_another_group(self):
        self.assertEqual(self.groups("", "", "", kinds=["-O2", "-O0", "-O2"]), [[0, 2], [1]])

    def test_a_group_has_a_size(self):
        sizes = [len(group) for group in self.groups(*[""] * (together.MOST_TOGETHER + 1))]
        self.assertEqual(sizes, [together.MOST_TOGETHER, 1])


if __name__ == "__main__":
    unittest.main()
