"""Three real nodes of etcd (Debian's etcd-server) on hosts of their own beside those of a network: TLS, passwords."""

import base64
import http.client
import json
import os
import signal
import ssl

import harness

PROGRAM = "/usr/bin/etcd"
PASSWORD = "the directories' password"


def is_there():
    return os.access(PROGRAM, os.X_OK)


def encoded(text):
    return base64.b64encode(text).decode()


class Cluster:
    """Nodes 0, 1 and 2 at 10.90.0.201, .202 and .203 of the network's switch."""

    def __init__(self, network, *arguments, small=()):
        """`arguments` for each node; the disks of the nodes `small` have 150 MB."""
        self.test, self.arguments = network.test, arguments
        self.hosts = [network.host(201 + node) for node in range(3)]
        self.addresses = [f"10.90.0.{201 + node}" for node in range(3)]
        self.folder = f"{self.test.folder}/etcd"
        self.authority = f"{self.folder}/authority.pem"  # and the nodes' own
        self.password_file = f"{self.folder}/password"
        self.processes = [None] * 3
        self.token = None
        os.mkdir(self.folder, 0o700)
        harness.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{self.folder}/key.pem", "-out", self.authority, "-days", "30", "-subj", "/CN=etcd",
                    "-addext", "subjectAltName=" + ",".join(f"IP:{address}" for address in self.addresses))
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(PASSWORD + "\n")
        for node in small:
            self.test.small_disk(self.disk(node), "150m")  # a write-ahead log is 64 MB from the beginning
        for node in range(3):
            self.start(node)
        harness.wait_until(self.answers, "etcd answers", 60, pause=0.2)
        self.ask_for_passwords()

    @property
    def urls(self):
        return [f"https://{address}:2379" for address in self.addresses]

    def disk(self, node):
        return f"{self.folder}/n{node}"

    def start(self, node):
        clients, peers = self.urls[node], f"http://{self.addresses[node]}:2380"
        cluster = ",".join(f"n{each}=http://{address}:2380" for each, address in enumerate(self.addresses))
        self.processes[node] = harness.Process(
            self.test,
            [PROGRAM, "--name", f"n{node}", "--data-dir", f"{self.disk(node)}/data", "--listen-client-urls", clients,
             "--advertise-client-urls", clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
             "--initial-cluster", cluster, "--initial-cluster-state", "new", "--heartbeat-interval", "100",
             "--election-timeout", "1000", "--cert-file", self.authority, "--key-file", f"{self.folder}/key.pem",
             *self.arguments],
            self.hosts[node])

    def kill(self, node):
        self.processes[node].signal(signal.SIGKILL)
        self.processes[node].wait()

    def post(self, path, body, node=0, token=None):
        """The answer of a node, which is an object."""
        def ask():
            context = ssl.create_default_context(cafile=self.authority)
            there = http.client.HTTPSConnection(self.addresses[node], 2379, context=context, timeout=10)
            try:
                there.request("POST", path, json.dumps(body), {"Authorization": token} if token else {})
                return json.loads(there.getresponse().read())
            finally:
                there.close()
        return harness.in_namespace(self.hosts[node], ask)

    def answers(self, node=0):
        """It has a leader; who may ask for that needs no password."""
        try:
            return self.post("/v3/maintenance/status", {}, node).get("leader", "0") != "0"
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def as_root(self, path, node=0, **body):
        """The same for what needs rights."""
        if self.token is None:  # its making takes a while
            who = {"name": "root", "password": "root's"}
            said = self.post("/v3/auth/authenticate", who, node)
            self.test.assertIn("token", said, "root's log-in")  # there may be no leader
            self.token = said["token"]
        said = self.post(path, body, node, self.token)
        if "error" in said:
            self.token = None  # it may have ended
        self.test.assertNotIn("error", said, path)
        return said

    def compact(self):
        """Away with all that was before the present revision."""
        revision = self.as_root("/v3/kv/range", key=encoded(b"weft/"))["header"]["revision"]
        self.as_root("/v3/kv/compaction", revision=revision, physical=True)

    def ask_for_passwords(self):
        """As docs/network.md has it: a user `weft` whose role is for keys under `weft/`."""
        def tell(path, **body):
            said = self.post(f"/v3/auth/{path}", body)
            self.test.assertIn("header", said, path)
        key, end = encoded(b"weft/"), encoded(b"weft0")
        tell("role/add", name="root")
        tell("user/add", name="root", password="root's")
        tell("user/grant", user="root", role="root")
        tell("role/add", name="weft")
        tell("role/grant", name="weft", perm={"permType": "READWRITE", "key": key, "range_end": end})
        tell("user/add", name="weft", password=PASSWORD)
        tell("user/grant", user="weft", role="weft")
        tell("enable")
