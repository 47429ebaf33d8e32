#!/usr/bin/python3
"""Steering weftd: by its Unix socket, and over TLS from another host."""

import json
import os
import re
import resource
import socket
import ssl

import harness


class Steered(harness.NetnsTest):
    """A daemon on the left, steered from the right, where its peer is."""

    PORT = 7447

    def setUp(self):
        super().setUp()
        self.left, self.right = self.hosts()
        self.pki("init")
        self.pki("issue", "node", "--role", "node", "--host", "10.90.0.1")
        self.pki("issue", "alice", "--role", "operator")
        self.pki("issue", "dash", "--role", "viewer")
        self.name = self.interface_name()
        self.text_file(f"{self.name}.key", (key := harness.genkey()) + "\n")
        self.text_file(f"{self.name}.yaml", f"""interface:
  name: {self.name}
  private_key_file: {self.name}.key
  listen: "[::]:51820"
  addresses: [10.200.0.1/24]
control:
  socket_folder: {self.folder}
  listen: 10.90.0.1:{self.PORT}
  certificate: pki/node.pem
  key: pki/node.key
  ca: pki/ca.pem
  revocations: pki/crl.pem
log: {{level: debug}}
""")
        self.daemon = self.start()
        self.far = harness.Device(self, "weftd", self.right)
        self.far.configure(port=51821, addresses=["10.200.0.2/24"])
        self.far.set("peer", harness.pubkey(key), "allowed-ips", "10.200.0.1/32")

    def start(self):
        daemon = harness.Process(self, [harness.WEFTD, "--config", f"{self.folder}/{self.name}.yaml"], self.left)
        harness.wait_until(lambda: "is up" in daemon.output(), "weftd starts")
        return daemon

    def pki(self, *arguments, folder="pki"):
        return harness.run(harness.WEFT, "pki", *arguments, "--folder", f"{self.folder}/{folder}")

    def as_user(self, user, pki="pki", ca=None):
        folder = f"{self.folder}/{pki}"
        return ["--at", f"10.90.0.1:{self.PORT}", "--certificate", f"{folder}/{user}.pem",
                "--key", f"{folder}/{user}.key", "--ca", ca or f"{self.folder}/pki/ca.pem"]

    def weft(self, user, *command, code=0, **options):
        result = self.right.run(harness.WEFT, *command, *self.as_user(user, **options), check=False)
        self.assertEqual(result.returncode, code, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout if code == 0 else result.stderr

    def local(self, *command, code=0):
        result = self.left.run(harness.WEFT, *command, "--interface", self.name, "--socket-folder", self.folder,
                               check=False)
        self.assertEqual(result.returncode, code, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout if code == 0 else result.stderr

    def watch(self, user, count):
        watch = harness.Process(self, [harness.WEFT, "watch", "--json", "--count", count, *self.as_user(user)],
                                self.right)
        harness.wait_until(lambda: "accepted" in self.daemon.output() or watch.output(), "the watcher is let in")
        return watch

    def knock(self, *certificate):
        """A TLS client that is none of weft's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(*certificate)
        plain = harness.in_namespace(self.right, lambda: socket.create_connection(("10.90.0.1", self.PORT), 10))
        with plain, self.assertRaises(OSError), context.wrap_socket(plain) as secure:
            secure.sendall(bytes(64))
            while secure.recv(4096):
                pass
            raise OSError("closed")

    def logged(self, text):
        harness.wait_until(lambda: text in self.daemon.output(), f"the daemon logs {text!r}")


class Control(Steered):
    def test_a_peer_comes_and_goes_from_another_host(self):
        watch = harness.Process(self, [harness.WEFT, "watch", "--json", *self.as_user("dash")], self.right)
        self.logged("dash")
        self.weft("alice", "peer", "add", self.far.public_key, "--name", "far", "--endpoint", "10.90.0.2:51821",
                  "--allowed-ip", "10.200.0.2/32")
        self.wait_for_ping(self.left, "10.200.0.2")
        peers = json.loads(self.weft("dash", "peers", "--json"))
        self.assertIn(self.far.public_key, json.dumps(peers))
        self.weft("alice", "peer", "remove", "far")
        self.assertEqual(self.left.ping("10.200.0.2", 1, wait=0.3), 0)

        def kinds():
            lines = [json.loads(line) for line in watch.output().splitlines() if line.startswith("{")]
            return [line.get("kind") or line.get("event") for line in lines]
        harness.wait_until(lambda: "peer_removed" in kinds(), "all events come")
        wanted = ["peer_added", "handshake_completed", "peer_up", "peer_removed"]
        self.assertEqual([kind for kind in kinds() if kind in wanted], wanted)

    def test_who_does_not_belong_is_refused_and_told_why(self):
        self.pki("init", folder="others")
        self.pki("issue", "alice", "--role", "operator", folder="others")
        self.weft("alice", "status", pki="others", code=3)
        self.knock(f"{self.folder}/others/alice.pem", f"{self.folder}/others/alice.key")
        self.logged("did not come in")
        # A viewer changes nothing.
        error = self.weft("dash", "peer", "add", self.far.public_key, code=4)
        self.assertIn("operator", error)
        self.logged("may not: As viewer (certificate dash): add_peer")
        self.assertEqual(json.loads(self.weft("dash", "peers", "--json")), [])
        # Without a certificate.
        self.knock()
        harness.wait_until(lambda: self.daemon.output().count("did not come in") >= 2, "the second is refused, too")
        # Revoked while it is there.
        watch = harness.Process(self, [harness.WEFT, "watch", "--json", *self.as_user("dash")], self.right)
        harness.wait_until(lambda: self.daemon.output().count("dash") >= 3, "dash watches")
        self.pki("revoke", "dash")
        self.logged("revoked")
        self.assertIn("revoked", self.weft("dash", "status", code=4))
        self.assertEqual(watch.wait(), 4, "a watcher that is not let in again gives up")
        self.assertIn("revoked", watch.output())
        self.weft("alice", "status")

    def test_what_changed_while_files_cannot_be_read_is_in_force_soon_after(self):
        watch = harness.Process(self, [harness.WEFT, "watch", "--json", *self.as_user("dash")], self.right)
        harness.wait_until(lambda: "dash came in" in self.daemon.output(), "dash watches")
        # No descriptor is left, and then there are some.
        pid = self.daemon.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            self.pki("revoke", "dash")
            self.logged("Too many open files")
            self.assertNotIn("was revoked", self.daemon.output())
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.logged("was revoked")
        self.logged("certificates were loaded again")
        watch.terminate()
        # A renewed certificate, whose place is taken by something else for a while.
        path = f"{self.folder}/pki/node.pem"
        watch = harness.Process(self, [harness.WEFT, "watch", "--json", *self.as_user("alice")], self.right)
        harness.wait_until(lambda: "alice came in" in self.daemon.output(), "alice watches")
        self.assertIn("info: control: certificate alice came in", self.daemon.output())
        self.assertIn("debug: control: certificate dash came in", self.daemon.output(), "viewers come often")
        self.pki("issue", "node", "--role", "node", "--host", "10.90.0.1")
        os.rename(path, path + ".away")
        os.mkdir(path)
        harness.wait_until(lambda: f"Cannot read {path}" in self.daemon.output(), "the daemon says that it cannot")
        loaded = self.daemon.output().count("loaded again")
        os.rmdir(path)
        os.rename(path + ".away", path)
        harness.wait_until(lambda: self.daemon.output().count("loaded again") > loaded, "it is in force")
        watch.terminate()
        self.weft("alice", "status")

    def test_a_node_comes_up_without_its_files_for_control_and_opens_by_itself(self):
        self.local("shutdown")
        harness.wait_until(lambda: self.daemon.code is not None, "weftd ends")
        path = f"{self.folder}/pki/crl.pem"
        os.rename(path, path + ".away")
        config = f"{self.folder}/{self.name}.yaml"
        checked = harness.run(harness.WEFT, "check", config, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn(f"{config}:12:16: control.revocations: ", checked.stderr)
        self.daemon = self.start()
        self.logged("nobody can come in over the network")
        self.local("peer", "add", self.far.public_key, "--endpoint", "10.90.0.2:51821", "--allowed-ip", "10.200.0.2/32")
        self.wait_for_ping(self.left, "10.200.0.2")
        status = json.loads(self.local("peers", "--json"))
        self.assertEqual(len(status), 1)
        shown = self.left.run(harness.WEFT, "status", self.name, "-v", "--socket-folder", self.folder).stdout
        self.assertIn("closed: ", shown)
        os.rename(path + ".away", path)
        self.logged("clients can come in over the network now")
        self.weft("alice", "status")
        harness.run(harness.WEFT, "check", config)

    def test_an_older_list_of_revocations_lets_nobody_in_again(self):
        path = f"{self.folder}/pki/crl.pem"
        with open(path, encoding="ascii") as file:
            old = file.read()
        self.pki("revoke", "dash")
        self.assertIn("revoked", self.weft("dash", "status", code=4))
        self.text_file("pki/crl.pem", old)

        def noticed():  # the files are looked at when somebody comes, once a second
            self.assertIn("revoked", self.weft("dash", "status", code=4))
            return "older than one that was in force" in self.daemon.output()
        harness.wait_until(noticed, "the daemon notices the older list")
        self.local("shutdown")
        harness.wait_until(lambda: self.daemon.code is not None, "weftd ends")
        self.daemon = self.start()
        self.logged("nobody can come in over the network")
        self.pki("revoke", "dash")
        self.logged("clients can come in over the network now")
        self.assertIn("revoked", self.weft("dash", "status", code=4))
        self.weft("alice", "status")

    def test_a_node_that_was_revoked_is_not_obeyed(self):
        lists = ["--revocations", f"{self.folder}/pki/crl.pem"]
        self.weft("alice", "status", *lists)
        self.pki("revoke", "node")
        self.assertIn("was revoked", self.weft("alice", "peer", "remove", self.far.public_key, *lists, code=4))

    def test_garbage_and_idle_connections_do_no_harm(self):
        def connect():
            made = socket.socket()
            made.connect(("10.90.0.1", self.PORT))
            return made
        idle = [harness.in_namespace(self.right, connect) for _ in range(200)]
        try:
            for i, one in enumerate(idle):
                try:
                    if i % 2:
                        one.sendall(os.urandom(4096))
                except OSError:
                    pass
            self.weft("alice", "peer", "add", self.far.public_key, "--endpoint", "10.90.0.2:51821",
                      "--allowed-ip", "10.200.0.2/32")
            self.wait_for_ping(self.left, "10.200.0.2")
        finally:
            for one in idle:
                one.close()
        self.assertIsNone(self.daemon.code)

    def test_the_unix_socket_is_for_root_and_the_group_alone(self):
        self.assertIn(self.name, self.local("status", "--json"))
        self.local("peer", "add", self.far.public_key, "--name", "far", "--allowed-ip", "10.200.0.2/32")
        self.local("peer", "set", "far", "--endpoint", "10.90.0.2:51821")
        self.wait_for_ping(self.left, "10.200.0.2")
        self.local("allow", "add", "far", "10.200.9.0/24")
        self.assertIn("10.200.9.0/24", self.local("peers", "--json"))
        self.local("allow", "remove", "far", "10.200.9.0/24")
        self.assertNotIn("10.200.9.0/24", self.local("peers", "--json"))
        self.local("peer", "remove", "nobody", code=5)
        mode = os.stat(f"{self.folder}/{self.name}.sock").st_mode & 0o777
        self.assertEqual(mode & 0o007, 0)
        self.local("shutdown")
        harness.wait_until(lambda: self.daemon.code == 0, "weftd ends")
        self.assertIn("weftd running?", self.local("peers", code=3))

    def test_apply_and_reload_say_what_changed_or_what_is_wrong(self):
        path = f"{self.folder}/{self.name}.yaml"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.text_file(f"{self.name}.yaml", text.replace("10.200.0.1/24", "10.200.0.9/24"))
        self.assertIn("10.200.0.9/24", self.local("reload"))
        self.text_file(f"{self.name}.yaml", text + "bogus: 1\n")
        error = self.local("reload", code=2)
        self.assertRegex(error, rf"{re.escape(path)}:\d+:1: unknown key|unknown key 'bogus'")
        self.assertIn("10.200.0.9/24", self.left.ip("addr", "show", self.name).stdout)


if __name__ == "__main__":
    harness.main()
