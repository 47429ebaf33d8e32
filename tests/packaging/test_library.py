#!/usr/bin/python3
"""The installed library, as CMake and pkg-config find it, in programs outside of the tree."""

import json
import os
import re
import shlex
import shutil
import sys
import unittest
from unittest import mock

import support
from support import ROOT, run

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{ROOT}/tests/netns")
import harness  # noqa: E402
import nodes  # noqa: E402


class Library(support.FolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = f"{cls.folder}/prefix"
        run("cmake", "--install", support.BUILD, "--prefix", cls.prefix, "--strip")
        # What is compiled a second time comes from the cache, wherever it is.
        cls.environment = {**os.environ, "CCACHE_BASEDIR": cls.folder, "CCACHE_NOHASHDIR": "1",
                           "CMAKE_PREFIX_PATH": cls.prefix}
        cls.ccache = [found] if (found := shutil.which("ccache")) else []

    def configure(self, source, *options, check=True):
        build = f"{self.folder}/build-{self.id().split('.')[-1]}"
        return build, run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                          f"-DCMAKE_CXX_COMPILER_LAUNCHER={';'.join(self.ccache)}", *options,
                          env=self.environment, check=check)

    def pkg_config(self, *options):
        folders = [folder for folder, _, files in os.walk(self.prefix) if "weft.pc" in files]
        self.assertEqual(len(folders), 1, "there is one weft.pc")
        return run("pkg-config", *options, "weft",
                   env={**self.environment, "PKG_CONFIG_PATH": folders[0]}).stdout.strip()

    def assert_runs(self, program, says):
        self.assertIn(says, run(*support.as_nobody(program), cwd="/").stdout)

    def test_a_cmake_project_embeds_an_overlay_without_privileges(self):
        build, configured = self.configure(f"{HERE}/consumer")
        self.assertIn(f"weft {support.version()}, modules in: ''", configured.stdout,
                      "find_package leaves the module path alone")
        run("cmake", "--build", build, timeout=500, env=self.environment)
        self.assert_runs(f"{build}/consumer", "an overlay ran")
        with open(f"{build}/compile_commands.json") as file:
            command = json.load(file)[0]["command"]
        flags = [word for word in shlex.split(command) if word.startswith(("-W", "-f", "-D", "-O"))]
        # fmt and spdlog have their own.
        self.assertEqual([f for f in flags if not f.startswith(("-DSPDLOG", "-DFMT"))], ["-O3", "-DNDEBUG"],
                         "weft's own warnings and definitions stay at home")
        self.assertNotIn(ROOT, command.replace(HERE, ""), "nothing is taken from the sources")

    def test_a_cmake_project_asks_for_metrics_by_name(self):
        build, _ = self.configure(f"{HERE}/consumer", "-DWANTED=COMPONENTS;metrics")
        run("cmake", "--build", build, timeout=500, env=self.environment)
        self.assertNotIn("microhttpd", run("ldd", f"{build}/consumer").stdout, "it is loaded when it is used")
        self.assert_runs(f"{build}/consumer", "its metrics are served")

    def test_a_compiler_with_the_flags_of_pkg_config_builds_the_example(self):
        example = f"{ROOT}/tools/examples/embedded_service.cpp"
        program = f"{self.folder}/embedded_service"
        flags = shlex.split(self.pkg_config("--cflags"))
        run(*self.ccache, "g++", *flags, "-c", example, "-o", f"{program}.o", timeout=500, env=self.environment)
        for mode in ([], ["--static"]):
            run("g++", f"{program}.o", *shlex.split(self.pkg_config(*mode, "--libs")), "-o", program, timeout=300)
            self.assert_runs(program, "HELLO")

    def test_pkg_config_knows_the_version_and_the_prefix(self):
        self.assertEqual(self.pkg_config("--modversion"), support.version())
        prefix = self.pkg_config("--variable=prefix")
        self.assertEqual(os.path.realpath(prefix), os.path.realpath(self.prefix))

    def test_before_1_0_only_the_same_minor_version_will_do(self):
        major, minor, patch = map(int, support.version().split("."))
        self.assertEqual(major, 0, "this test is for what comes before 1.0")
        for wanted, fits in ((f"0.{minor}", True), (f"0.{minor}.{patch}", True), (f"0.{minor}.{patch + 1}", False),
                             (f"0.{minor + 1}", False), ("1.0", False)):
            with self.subTest(wanted=wanted):
                _, result = self.configure(f"{HERE}/consumer", f"-DWANTED={wanted}", check=False)
                self.assertEqual(result.returncode == 0, fits, result.stdout)
        if minor > 0:
            _, result = self.configure(f"{HERE}/consumer", f"-DWANTED=0.{minor - 1}", check=False)
            self.assertNotEqual(result.returncode, 0, "an older minor version")

    def test_a_library_that_is_missing_is_named(self):
        with mock.patch.dict(self.environment, PKG_CONFIG_LIBDIR="/nowhere"):
            _, result = self.configure(f"{HERE}/consumer", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("pkg-config does not find libsodium", " ".join(result.stdout.split()))

    def configure_examples(self):
        """They are a project of their own; its build folder."""
        examples = f"{self.folder}/{self.id().split('.')[-1]}"
        shutil.copytree(f"{ROOT}/tools/examples", examples)
        return self.configure(examples)[0]

    def test_the_examples_are_a_project_of_their_own(self):
        self.configure_examples()

    def test_networks_may_be_asked_for_by_name(self):
        self.configure(f"{HERE}/consumer", "-DWANTED=COMPONENTS;network")
        self.assertIn("-lweft_network", self.pkg_config("--libs"))

    def hosts(self):
        """A network's, in namespaces; they go with this test."""
        home = harness.NetnsTest("namespace")
        home.setUp()
        self.addCleanup(home.doCleanups)
        return nodes.Network(home)

    @unittest.skipIf(reason := harness.missing_prerequisite(), reason)
    def test_a_service_without_privileges_is_a_member_of_a_network(self):
        build = self.configure_examples()
        run("cmake", "--build", build, "--target", "join_by_token", timeout=500, env=self.environment)
        service = f"{build}/join_by_token"
        loaded = run("ldd", service).stdout
        for library in ("sqlite3", "curl", "microhttpd"):
            self.assertNotIn(library, loaded, "a member needs none")
        programs = {"WEFTD": f"{self.prefix}/sbin/weftd", "WEFT": f"{self.prefix}/bin/weft"}
        with mock.patch.multiple(harness, **programs):
            network = self.hosts()
            first = network.init()
            folder = f"{self.folder}/member"
            os.mkdir(folder)
            shutil.chown(folder, "nobody", "nogroup")
            host = network.host(9)
            command = support.as_nobody(service, f"{folder}/state")
            joined = host.run(*command, first.invite("--name", "service")).stdout
            self.assertIn("this is service, 10.200.", joined)
            again = host.run(*command).stdout  # without a token
            self.assertEqual(again.splitlines()[0], joined.splitlines()[0])
            self.assertIn("node1", again.splitlines(), "the other member is its peer")
            first.wait_for_peers([first, mock.Mock(member="service")])

    def test_only_public_headers_are_installed_and_they_include_each_other_by_name(self):
        include = f"{self.prefix}/include/weft"
        found = {os.path.relpath(f"{folder}/{file}", include)
                 for folder, _, files in os.walk(include) for file in files}
        included = {"weft.hpp", "metrics.hpp", "network.hpp"}
        for path in found:
            with open(f"{include}/{path}") as file:
                text = file.read()
            self.assertNotRegex(text, '#include "', path)
            included |= set(re.findall(r"#include <weft/([^>]+)>", text))
        self.assertEqual(found, included)
        self.assertNotIn("actors/overlay/overlay.hpp", found, "it is not public")

    def test_no_text_that_is_installed_names_a_folder_of_the_build(self):
        found = run("grep", "-rlIF", "-e", support.BUILD, "-e", ROOT + "/", self.prefix, check=False)
        self.assertEqual(found.stdout, "")

    def test_the_programs_are_installed_and_run(self):
        for program in ("sbin/weftd", "bin/weft"):
            shown = run(f"{self.prefix}/{program}", "--version").stdout
            self.assertIn(support.version(), shown)
        with open(f"{self.prefix}/lib/systemd/system/weft@.service") as file:
            self.assertIn(f"ExecStart={self.prefix}/sbin/weftd ", file.read())


if __name__ == "__main__":
    support.main()
