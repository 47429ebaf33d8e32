#!/usr/bin/python3
"""Certificates that end: who says so, and how another one takes their place."""

import json

import harness
from test_control import Steered


class Certificates(Steered):
    def setUp(self):
        super().setUp()
        self.pki("issue", "node", "--role", "node", "--host", "10.90.0.1", "--days", "10")
        self.pki("issue", "alice", "--role", "operator", "--days", "5")
        self.weft("alice", "status")  # the daemon looks at its files when somebody comes
        self.logged("certificates were loaded again")

    def status(self, *options):
        return self.left.run(harness.WEFT, "status", self.name, "--socket-folder", self.folder, *options).stdout

    def warnings(self, user):
        return self.right.run(harness.WEFT, "status", *self.as_user(user)).stderr

    def test_who_has_a_certificate_that_ends_soon_is_told(self):
        self.logged("control.certificate: the certificate 'node' ends in 9 days")
        self.assertIn("'weft pki renew node'", self.daemon.output())
        self.assertNotIn("control.ca", self.daemon.output())
        self.assertIn("certificate 'node' ends in 9 days", self.status())
        access = json.loads(self.status("--json"))[0]["access"]
        self.assertEqual(access["certificates"]["certificate"]["name"], "node")
        self.assertEqual(self.daemon.output().count("ends in"), 1)
        self.assertIn("weft: warning: the certificate", self.warnings("alice"))
        self.assertEqual(self.warnings("dash"), "")

    def test_renewed_ones_are_taken_up_with_role_and_hosts(self):
        self.pki("renew", "node")
        self.pki("renew", "alice")
        self.pki("renew", "dash")
        self.assertEqual(self.warnings("alice"), "")
        loaded = self.daemon.output().count("certificates were loaded again")
        self.assertEqual(loaded, 2)
        self.assertNotIn("ends in", self.status())
        self.weft("alice", "log-level", "debug")
        self.weft("dash", "log-level", "info", code=4)

    def test_files_that_are_not_in_force_are_shown(self):
        path = f"{self.folder}/pki/crl.pem"
        with open(path, encoding="ascii") as file:
            list_of_revocations = file.read()
        self.text_file("pki/crl.pem", "garbage\n")
        self.weft("alice", "status")
        harness.wait_until(lambda: "not in force" in self.status(), "the status says so")
        self.assertIn("crl.pem", json.loads(self.status("--json"))[0]["access"]["refused"])
        self.text_file("pki/crl.pem", list_of_revocations)
        harness.wait_until(lambda: "not in force" not in self.status(), "the status is well again")


if __name__ == "__main__":
    harness.main()
