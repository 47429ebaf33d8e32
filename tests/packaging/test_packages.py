#!/usr/bin/python3
"""What is in the Debian packages, looked at without installing them."""

import os
import re
import shutil
import subprocess
import unittest

import support
from support import ROOT, run


class Packages(support.FolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = f"{cls.folder}/root"
        cls.files = {}
        for name in ("weft", "weft-dev"):
            run("dpkg-deb", "--extract", support.package(name), cls.root)
            listed = run("dpkg-deb", "--contents", support.package(name)).stdout.splitlines()
            cls.files[name] = {line.split()[5].lstrip("."): line.split()[:2] for line in listed}

    def field(self, package, name):
        return run("dpkg-deb", "--field", support.package(package), name).stdout.strip()

    def multiarch(self):
        return run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").stdout.strip()

    def test_weft_has_what_a_node_needs(self):
        files = self.files["weft"]
        for path in ("/usr/sbin/weftd", "/usr/bin/weft", "/usr/lib/systemd/system/weft@.service",
                     "/usr/sbin/weft-issuer", "/usr/lib/systemd/system/weft-issuer@.service",
                     "/usr/lib/tmpfiles.d/weft.conf",
                     "/usr/share/man/man8/weft-issuer.8.gz",
                     "/usr/lib/systemd/system/weft-lock@.service",
                     "/usr/lib/systemd/system/weft-host@.service", "/usr/lib/systemd/system/weft-host@.path", "/usr/share/doc/weft/full-tunnel.md",
                     "/usr/share/man/man1/weft.1.gz", "/usr/share/man/man8/weftd.8.gz",
                     "/usr/share/doc/weft/examples/node.yaml", "/usr/share/doc/weft/copyright",
                     "/usr/share/doc/weft/changelog.Debian.gz", "/usr/share/doc/weft/operations.md",
                     "/usr/share/weft/prometheus/alerts.yml", "/usr/share/weft/grafana/weft.json"):
            self.assertIn(path, files)
        self.assertEqual(files["/etc/weft/"], ["drwx------", "root/root"])
        self.assertFalse(any(path.startswith("/etc/weft/") and path != "/etc/weft/" for path in files))
        for file, place in (("weft.bash", "bash-completion/completions/weft"),
                            ("_weft", "zsh/vendor-completions/_weft"), ("weft.fish", "fish/vendor_completions.d/weft.fish")):
            if os.path.exists(f"{ROOT}/tools/completions/{file}"):
                self.assertIn(f"/usr/share/{place}", files)

    def test_weft_dev_has_what_a_program_needs(self):
        files, libraries = self.files["weft-dev"], f"/usr/lib/{self.multiarch()}"
        for path in ("/usr/include/weft/weft.hpp", "/usr/include/weft/messages/control.hpp",
                     "/usr/include/weft/metrics.hpp", f"{libraries}/libweft_metrics.a",
                     "/usr/include/weft/network.hpp", f"{libraries}/libweft_network.a",
                     f"{libraries}/libweft_actors.a", f"{libraries}/libweft_protocol.a",
                     f"{libraries}/cmake/weft/weftConfig.cmake", f"{libraries}/cmake/weft/weftConfigVersion.cmake",
                     f"{libraries}/pkgconfig/weft.pc", "/usr/share/doc/weft-dev/copyright",
                     "/usr/share/doc/weft-dev/examples/CMakeLists.txt"):
            self.assertIn(path, files)
        shared = {path for path in files if not path.endswith("/")} & set(self.files["weft"])
        self.assertEqual(shared, set(), "in both packages")

    def test_everything_is_roots_and_only_root_may_write(self):
        for name, files in self.files.items():
            for path, (mode, owner) in files.items():
                self.assertEqual(owner, "root/root", path)
                if path != "/etc/weft/":
                    self.assertRegex(mode, "^([d-]rwxr-xr-x|-rw-r--r--)$",
                                 f"{name}: {path}")

    def test_the_control_fields_are_right(self):
        for name, section in (("weft", "net"), ("weft-dev", "libdevel")):
            self.assertEqual(self.field(name, "Section"), section)
            self.assertEqual(self.field(name, "Version").split("-")[0], support.version())
            self.assertRegex(self.field(name, "Maintainer"), r"^.+ <\S+@\S+>$")
            synopsis, *description = self.field(name, "Description").splitlines()
            self.assertLess(len(synopsis), 80)
            self.assertGreater(len(description), 3)
            self.assertTrue(all(re.match(r" (\.|\S.{1,78})$", line) for line in description), description)
        depends = self.field("weft", "Depends")
        for library in ("libc6", "libcaf-core0.17", "libsodium23", "libssl3", "libyaml-cpp0.7", "libmnl0", "libc-ares2",
                        "libnftables1", "liburing2"):
            self.assertIn(library, depends, "computed from the programs")
        for library in ("libcurl4", "libmicrohttpd12"):
            self.assertRegex(depends, rf"\b{library}\b", "it is loaded when it is used")
        self.assertNotIn("-dev", depends)
        self.assertIn("libcaf-dev (>= 0.17.6)", self.field("weft-dev", "Depends"))

    def test_the_programs_run_and_are_stripped(self):
        weftd, weft = f"{self.root}/usr/sbin/weftd", f"{self.root}/usr/bin/weft"
        self.assertEqual(run(*support.as_nobody(weftd, "--version")).stdout.strip(), f"weftd {support.version()}")
        self.assertIn("Usage:", run(*support.as_nobody(weft, "--help")).stdout)
        issuer = f"{self.root}/usr/sbin/weft-issuer"
        self.assertEqual(run(*support.as_nobody(issuer, "--version")).stdout.strip(), f"weft-issuer {support.version()}")
        for program in (weftd, weft, issuer):
            self.assertIn("stripped", run("file", "--brief", program).stdout.replace("not stripped", ""))
            dynamic = run("readelf", "--dynamic", program).stdout
            self.assertIn("BIND_NOW", dynamic)
            self.assertNotRegex(dynamic, "NEEDED.*(curl|microhttpd)", "they are loaded when they are used")
        for archive in ("actors", "protocol"):
            sections = run("readelf", "--section-headers",
                           f"{self.root}/usr/lib/{self.multiarch()}/libweft_{archive}.a").stdout
            self.assertNotIn(".debug_info", sections)

    def test_the_example_configuration_is_valid(self):
        weft, node = f"{self.root}/usr/bin/weft", f"{self.folder}/node.yaml"
        shutil.copy(f"{self.root}/usr/share/doc/weft/examples/node.yaml", node)
        for command, file in (("genkey", "weft0.key"), ("genpsk", "beta.psk")):
            with open(os.open(f"{self.folder}/{file}", os.O_WRONLY | os.O_CREAT, 0o600), "w") as keys:
                subprocess.run([weft, command], stdout=keys, check=True)
        run(weft, "check", node)

    def test_the_maintainers_scripts_are_good_shell(self):
        for script in ("postinst", "prerm", "postrm"):
            text = run("dpkg-deb", "--info", support.package("weft"), script).stdout
            self.assertIn("set -e", text)
            run("sh", "-n", "-c", text)

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed: tools/setup packaging")
    def test_lintian_finds_no_error(self):
        for name in self.files:
            result = run("lintian", "--fail-on", "error,warning", support.package(name), check=False, timeout=300)
            self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    support.main()
