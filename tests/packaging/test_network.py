#!/usr/bin/python3
"""A network that runs itself, by the packages on machines with systemd: made, joined, restarted, restored, removed."""

import json
import os
import unittest

import installed
import machine
import support
from support import run, wait_until

ISSUER = "/var/lib/weft-issuer/prod"
BACKUP = "/root/prod-backup"
# There is no journal of systemd's.
LOGS = "[Service]\nStandardOutput=append:/tmp/{0}-%i.log\nStandardError=append:/tmp/{0}-%i.log\n"


class Units(unittest.TestCase):
    """Each test has two machines with a link between them, and on the first one a network."""

    maxDiff = None

    def setUp(self):
        self.alpha, self.beta = self.machine("alpha"), self.machine("beta")
        run("ip", "link", "add", "weft-alpha", "netns", str(self.alpha.pid), "type", "veth",
            "peer", "name", "weft-beta", "netns", str(self.beta.pid))
        for number, host in enumerate((self.alpha, self.beta), 1):
            link = f"weft-{host.run('hostname').stdout.strip()}"
            host.run("ip", "address", "add", f"192.0.2.{number}/24", "dev", link)
            host.run("ip", "link", "set", link, "up")
        self.alpha.run("weft", "network", "init", "prod", "--range", "10.200.0.0/16", "--range", "fd00:200::/48",
                       "--endpoint", "192.0.2.1:51820")

    def machine(self, name):
        made = machine.Machine()
        self.addCleanup(made.stop)
        made.run("hostname", name)
        made.install("weft")
        for unit in ("weft", "weft-issuer"):
            made.write(f"/run/systemd/system/{unit}@.service.d/log.conf", LOGS.format(unit))
        made.systemctl("daemon-reload")
        return made

    def log(self, host):
        return host.run("sh", "-c", "cat /tmp/weft*.log").stdout

    def weft(self, host, *command):
        return host.run("weft", "network", *command).stdout

    def standing(self, host):
        return json.loads(self.weft(host, "status", "--json"))

    def assert_active(self, host, *units):
        for unit in units:
            self.assertEqual(host.property(f"{unit}@prod", "ActiveState"), "active", self.log(host))
            self.assertEqual(host.systemctl("is-enabled", f"{unit}@prod").stdout.strip(), "enabled")

    def join(self):
        token = self.weft(self.alpha, "invite").strip()
        self.weft(self.beta, "join", token)
        self.assert_active(self.beta, "weft")
        self.wait_for_ping()

    def wait_for_ping(self):
        to = next(each["prefixes"][0].split("/")[0] for each in json.loads(self.weft(self.alpha, "members", "--json"))
                  if each["name"] == "beta" and not each["removed"])
        network, host = to.rsplit(".", 1)
        wait_until(lambda: self.alpha.run("ping", "-c1", "-W1", f"{network}.{int(host) + 1}",
                                          check=False).returncode == 0, "a ping through the tunnel", 60)

    def owners(self, folder):
        return set(self.alpha.run("find", folder, "-printf", "%u:%g\n").stdout.split())

    def test_one_command_makes_a_network_whose_units_run_each_as_its_own_user(self):
        self.assert_active(self.alpha, "weft", "weft-issuer")
        self.assertEqual(self.owners(ISSUER), {"weft-issuer:weft-issuer"})
        self.assertEqual(self.owners("/var/lib/weft/prod"), {"root:root"})
        pid = self.alpha.property("weft-issuer@prod", "MainPID")
        self.assertEqual(self.alpha.run("ps", "-o", "user:20=", "-p", pid).stdout.strip(), "weft-issuer")
        self.join()
        self.alpha.systemctl("restart", "weft-issuer@prod")
        self.alpha.systemctl("restart", "weft@prod")
        self.beta.systemctl("restart", "weft@prod")
        self.assert_active(self.alpha, "weft", "weft-issuer")
        self.wait_for_ping()
        members = {each["name"]: each["removed"] for each in json.loads(self.weft(self.alpha, "members", "--json"))}
        self.assertEqual(members, {"alpha": False, "beta": False})
        pids = {unit: self.alpha.property(f"{unit}@prod", "MainPID") for unit in ("weft", "weft-issuer")}
        self.alpha.install("weft")  # as an upgrade
        self.assert_active(self.alpha, "weft", "weft-issuer")
        for unit, pid in pids.items():
            self.assertNotEqual(self.alpha.property(f"{unit}@prod", "MainPID"), pid, unit)
        self.wait_for_ping()
        refused = self.alpha.run("weft-issuer", ISSUER, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("systemctl start weft-issuer@prod", refused.stdout)
        self.weft(self.alpha, "remove", "beta")
        wait_until(lambda: "beta" not in self.alpha.run("weft", "peers", "-i", "prod").stdout, "beta is dropped", 30)

    def test_an_issuer_that_is_killed_comes_back_and_lets_nodes_in(self):
        pid = self.alpha.property("weft-issuer@prod", "MainPID")
        self.alpha.systemctl("kill", "--signal=KILL", "weft-issuer@prod")
        wait_until(lambda: self.alpha.property("weft-issuer@prod", "ActiveState") == "active"
                   and self.alpha.property("weft-issuer@prod", "MainPID") not in ("0", pid), "a new process", 60)
        self.join()

    def test_what_root_does_in_the_issuers_folder_leaves_the_issuer_its_files(self):
        self.weft(self.alpha, "backup", BACKUP)
        copies = set(self.alpha.run("ls", BACKUP).stdout.split())
        self.assertEqual(copies, {"journal.db", "root.pem", "root.key", "issuer.pem", "issuer.key", "store.db"})
        self.assertEqual(self.owners(BACKUP), {"root:root"})
        # Off-line, and back as root brings it.
        self.alpha.run("rm", f"{ISSUER}/root.key")
        self.alpha.run("cp", f"{BACKUP}/root.key", ISSUER)
        self.weft(self.alpha, "renew", "--issuer")
        self.alpha.run("weft-issuer", ISSUER, "--renew")
        self.alpha.run("rm", f"{ISSUER}/root.key")
        self.weft(self.alpha, "renew", "--directory")
        self.alpha.systemctl("stop", "weft-issuer@prod")
        self.alpha.run("weft-issuer", ISSUER, "--clock-is-right")
        self.alpha.systemctl("start", "weft-issuer@prod")
        self.alpha.systemctl("restart", "weft@prod")
        self.assert_active(self.alpha, "weft", "weft-issuer")
        self.assertEqual(self.owners(ISSUER), {"weft-issuer:weft-issuer"})
        self.join()

    def test_an_issuer_is_restored_as_the_page_says(self):
        self.weft(self.alpha, "backup", BACKUP)
        self.join()
        self.alpha.systemctl("stop", "weft-issuer@prod")
        self.alpha.run("rm", "-r", ISSUER)
        with open(f"{support.ROOT}/docs/network.md") as file:
            page = file.read()
        block = page.split("To put it back on a new host:")[1].split("```sh\n")[1].split("```")[0]
        *lines, last = block.splitlines()
        self.assertEqual(last, "weft network recover")
        self.alpha.run("sh", "-ec", f"cd {BACKUP}\n" + "\n".join(lines))
        self.assert_active(self.alpha, "weft", "weft-issuer")
        self.assertTrue(self.standing(self.alpha)["issuer"]["recovering"])
        self.assertIn("'weft network recover' ends that", self.weft(self.alpha, "status"))
        refused = self.alpha.run("weft", "network", "invite", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("weft network recover", refused.stdout)
        self.weft(self.alpha, "recover")
        self.assertFalse(self.standing(self.alpha)["issuer"]["recovering"])
        self.assertEqual(self.owners(ISSUER), {"weft-issuer:weft-issuer"})
        names = {each["name"] for each in json.loads(self.weft(self.alpha, "members", "--json"))}
        self.assertEqual(names, {"alpha", "beta"}, "beta joined after the backup")
        self.wait_for_ping()

    def test_a_network_that_is_not_to_start_says_how_and_a_directory_that_leaves_stops_its_issuer(self):
        self.assertIn(f"stay in {ISSUER}", self.weft(self.alpha, "leave", "--force"))
        for unit in ("weft@prod", "weft-issuer@prod"):
            self.assertEqual(self.alpha.property(unit, "ActiveState"), "inactive")
            self.assertNotEqual(self.alpha.systemctl("is-enabled", unit, check=False).stdout.strip(), "enabled")
        self.assertTrue(os.path.exists(self.alpha.path(f"{ISSUER}/issuer.key")))
        said = self.weft(self.beta, "init", "next", "--range", "10.201.0.0/16", "--endpoint", "192.0.2.2:51820",
                         "--no-start")
        start = next(line for line in said.splitlines() if line.startswith("Start it: "))
        self.assertEqual(self.beta.property("weft@next", "ActiveState"), "inactive")
        self.beta.run("sh", "-ec", start.removeprefix("Start it: "))
        for unit in ("weft@next", "weft-issuer@next"):
            self.assertEqual(self.beta.property(unit, "ActiveState"), "active", self.log(self.beta))
        self.beta.run("weft", "network", "invite")

    def test_a_purge_stops_all_and_leaves_keys_and_journal_alone(self):
        self.join()
        for host in (self.alpha, self.beta):
            host.run("dpkg", "--purge", "weft")
            self.assertEqual(host.run("sh", "-c", "ps -eo comm | grep weft || true").stdout, "")
            self.assertEqual(host.run("find", "/run/weft", "/run/weft-issuer", "/run/weft-host", check=False)
                             .stdout.count("No such file"), 3)
            self.assertEqual(host.run("find", "/etc/systemd/system", "-name", "weft*@*").stdout, "")
            self.assertTrue(os.path.exists(host.path("/etc/weft/prod.yaml")))
            self.assertTrue(os.path.exists(host.path("/var/lib/weft/prod/network/member.key")))
        for name in ("issuer.key", "journal/journal.sqlite"):
            self.assertTrue(os.path.exists(self.alpha.path(f"{ISSUER}/{name}")))


load_tests = installed.load_tests


if __name__ == "__main__":
    support.main()
