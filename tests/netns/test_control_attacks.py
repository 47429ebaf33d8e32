#!/usr/bin/python3
"""Attacks on a daemon's remote control, while packets flow through its tunnel.

What CAF believes of whoever reaches it is tried without a certificate, as viewer and as operator.  Whatever happens to
the attacker, no packet is lost, the session lives on, others steer the daemon, and it does not grow.
"""

import collections
import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import ssl
import struct
import sys
import time

import harness

PORT = 7447
HEADER = 32
SERVER_HANDSHAKE, CLIENT_HANDSHAKE, DIRECT, ROUTED, MONITOR, DOWN, HEARTBEAT = range(7)
NAMED_RECEIVER, SELECT_CONNECTION = 1, 2
REQUEST, RESPONSE = 1 << 60, 1 << 63
REQUESTS = ("get_status", "check_handshake", "subscribe", "unsubscribe", "apply_config", "reload_config", "add_peer",
            "update_peer", "remove_peer", "set_endpoint", "add_allowed_ip", "remove_allowed_ip", "generate_keys",
            "set_log_level", "begin_handshake", "get_configuration", "expect_file", "confirm_config", "reset_peer",
            "set_offloads")


def header(operation, length, flags=0, data=0, source=0, destination=0):
    return struct.pack(">BxxBIQQQ", operation, flags, length, data, source, destination)


def frame(operation, payload, **fields):
    return header(operation, len(payload), **fields) + payload


def elements(types, rest=b""):
    """A message within another one."""
    return b"\0\0" + bytes([len(types)]) + types.encode() + rest


def content(types, rest=b""):
    """A message's payload: no stages, the types, the content."""
    return b"\0" + elements(types, rest)


def atom(text):
    value = 0xf
    for letter in text:
        value = value << 6 | " 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz".index(letter)
    return value


def error(context):
    return b"\1" + struct.pack(">Q", atom("exit")) + context


#: Of messages/control.hpp.
CONTROL_VERSION = 5


def hello(node=b"", version=CONTROL_VERSION):
    return (b"weft-clt" + struct.pack(">I", version) + node).ljust(64, b"\0")


def tls(files=None):
    """TLS with a certificate, or without one, that believes every daemon."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if files:
        context.load_cert_chain(f"{files}.pem", f"{files}.key")
    return context


class Connection:
    """Byte by byte, over TLS if there is a context."""

    def __init__(self, home, context=None, path=None):
        def connect():
            if path:
                local = socket.socket(socket.AF_UNIX)
                local.settimeout(10)
                local.connect(path)
                return local
            remote = socket.create_connection(("10.90.0.1", PORT), 10)
            # As weft's own clients: small messages would wait 40 ms for the other side's acknowledgement.
            remote.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return remote
        self.stream = harness.in_namespace(home, connect) if home else connect()
        try:
            if context:
                self.stream = context.wrap_socket(self.stream)
        except OSError:
            self.close()
            raise

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Whether the other side still took it."""
        try:
            self.stream.sendall(data)
            return True
        except OSError:
            return False

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.stream.recv(size - len(data))
            if not part:
                raise ConnectionError("the connection has ended")
            data += part
        return data

    def await_end(self):
        """Reads until the other side ends it."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while self.stream.recv(1 << 16):
                pass

    def enter(self):
        """Comes in and shakes hands as CAF does."""
        said = self.ask(hello(bytes(32)))
        assert said[12] == 0, said
        length, = struct.unpack_from(">I", self.receive(HEADER), 4)
        greeting = self.receive(length)
        self.server = greeting[:32]
        self.facade, = struct.unpack_from(">Q", greeting, 34 + greeting[33])
        self.node = self.server[:31] + bytes([self.server[31] ^ 1])
        self.stream.sendall(frame(CLIENT_HANDSHAKE, self.node)
                            + frame(CLIENT_HANDSHAKE, self.node, flags=SELECT_CONNECTION))
        return self

    def ask(self, said):
        self.stream.sendall(said)
        return self.receive(512)

    def next_message(self):
        while True:
            head = self.receive(HEADER)
            length, = struct.unpack_from(">I", head, 4)
            payload = self.receive(length)
            if head[0] == DIRECT:
                return payload

    # What may be sent, and what may not.

    def request(self, name, rest=b"", number=1, source=5):
        return frame(DIRECT, content(f"@<>+weft::{name}", rest), data=REQUEST | number, source=source,
                     destination=self.facade)

    def status(self, number):
        return self.request("get_status", bytes(8), number)

    def to_named(self, name, types):
        return frame(DIRECT, content(types, bytes(64)), flags=NAMED_RECEIVER, data=REQUEST | 1, source=5,
                     destination=atom(name))

    def to_facade(self, types, rest=b"", data=REQUEST):
        return frame(DIRECT, content(types, rest), data=data, source=5, destination=self.facade)

    def actor(self, number, node):
        return struct.pack(">Q", number) + node

    def down(self, context):
        """The end of an actor of the client's, for a reason with `context`."""
        return (self.request("check_handshake", bytes(52))
                + frame(DOWN, self.node + self.server + error(context), source=5))


def attacks():
    """Name, and what to send: each ends the connection."""
    noise = random.Random(1).randbytes
    yield "finds the spawn server", lambda c: c.to_named("SpawnServ", "@<>+@atom+@atom+@str")
    yield "kills the spawn server", lambda c: c.to_named("SpawnServ", "@<>+@exit")
    yield "finds the configuration server", lambda c: c.to_named("ConfigServ", "@<>+@atom+@atom+@str")
    yield "kills the configuration server", lambda c: c.to_named("ConfigServ", "@<>+@exit")
    yield "kills its facade", lambda c: c.to_facade(
        "@<>+@exit", c.actor(c.facade, c.server) + error(elements("@<>")))
    yield "links an actor to itself", lambda c: c.to_facade(
        "@<>+@atom+@strong_actor_ptr", struct.pack(">Q", atom("link")) + c.actor(c.facade, c.server), 0)
    yield "passes on", lambda c: frame(ROUTED, c.node + c.server + content("@<>+weft::get_status", bytes(8)),
                                       data=REQUEST | 1, source=5, destination=c.facade)
    yield "watches another actor", lambda c: frame(MONITOR, c.node + c.server, destination=c.facade - 1)
    yield "greets as a server", lambda c: frame(SERVER_HANDSHAKE, c.node, data=3)
    for operation in (DIRECT, ROUTED, MONITOR, DOWN, HEARTBEAT, CLIENT_HANDSHAKE):
        yield f"announces 4 GiB ({operation})", lambda c, operation=operation: header(
            operation, 0xffffffff, data=REQUEST | 1, source=5, destination=c.facade)
    yield "announces too much", lambda c: header(
        DIRECT, (4 << 20) + 2000, data=REQUEST | 1, source=5, destination=c.facade
    ) + content("@<>+weft::apply_config", noise(1 << 20))
    yield "ends an actor with 4 GiB", lambda c: c.down(elements("@<>+@charbuf", b"\xff\xff\xff\xff\x0f"))
    yield "ends an actor with other actors", lambda c: c.down(
        elements("@<>" + "+@strong_actor_ptr" * 6, b"".join(c.actor(100 + i, c.node) for i in range(6))))
    yield "garbage", lambda c: b"\xee" + noise(8191)


class Attacks(harness.NetnsTest):
    """A tunnel between two daemons.  The left one is steered, and attacked, from the right."""

    def setUp(self):
        super().setUp()
        self.left, self.right = self.hosts()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.pki("init")
        self.pki("issue", "node", "--role", "node", "--host", "10.90.0.1")
        for user in ("alice", "mallory"):
            self.pki("issue", user, "--role", "operator")
        self.pki("issue", "eve", "--role", "viewer")
        self.far = harness.Device(self, "weftd", self.right)
        self.far.configure(port=51821, addresses=["10.200.0.2/24"])
        self.name = self.interface_name()
        self.text_file(f"{self.name}.key", (key := harness.genkey()) + "\n")
        self.text_file(f"{self.name}.yaml", f"""interface:
  name: {self.name}
  private_key_file: {self.name}.key
  listen: "[::]:51820"
  addresses: [10.200.0.1/24]
peers:
  - {{name: far, public_key: {self.far.public_key}, allowed_ips: [10.200.0.2/32]}}
control:
  socket_folder: {self.folder}
  listen: 10.90.0.1:{PORT}
  certificate: pki/node.pem
  key: pki/node.key
  ca: pki/ca.pem
  revocations: pki/crl.pem
""")
        self.daemon = harness.Process(self, [harness.WEFTD, "--config", f"{self.folder}/{self.name}.yaml"], self.left)
        harness.wait_until(lambda: "is up" in self.daemon.output(), "weftd starts")
        self.far.add_peer(harness.pubkey(key), ["10.200.0.1/32"], "10.90.0.1:51820")
        self.wait_for_ping(self.right, "10.200.0.1")

    def pki(self, *arguments):
        return harness.run(harness.WEFT, "pki", *arguments, "--folder", f"{self.folder}/pki")

    def command(self, user, *arguments):
        files = f"{self.folder}/pki/{user}"
        return [harness.WEFT, *arguments, "--at", f"10.90.0.1:{PORT}", "--certificate", f"{files}.pem",
                "--key", f"{files}.key", "--ca", f"{self.folder}/pki/ca.pem"]

    def weft(self, user, *arguments, check=True):
        """Runs `weft` on another host than the attackers'."""
        return self.left.run(*self.command(user, *arguments), check=check)

    def watch(self):
        process = harness.Process(self, self.command("alice", "watch", "--json"), self.right)
        self.logged("alice came in")
        return process

    def context(self, user):
        return tls(f"{self.folder}/pki/{user}")

    def expire(self, user):
        """Gives `user` a certificate that held until yesterday."""
        pki = f"{self.folder}/pki"
        request = harness.run("openssl", "req", "-new", "-key", f"{pki}/{user}.key",
                              "-subj", f"/OU=weft operator/CN={user}").stdout
        extensions = self.text_file("extensions", "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
                                    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        harness.run("openssl", "x509", "-req", "-CA", f"{pki}/ca.pem", "-CAkey", f"{pki}/ca.key", "-days", "-1",
                    "-set_serial", "1", "-extfile", extensions, "-out", f"{pki}/{user}.pem", input=request)

    def certificate(self):
        """The daemon's."""
        with Connection(self.right, self.context("eve")) as client:
            return client.stream.getpeercert(binary_form=True)

    def resident(self):
        """KiB of the daemon's memory, now and at most."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            text = file.read()
        return [int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) for field in ("VmRSS", "VmHWM")]

    def session(self):
        peer, = json.loads(self.weft("alice", "peers", "--json").stdout)
        return peer["last_handshake"]

    @contextlib.contextmanager
    def traffic(self):
        """What must hold throughout an attack, and after it."""
        watch = self.watch()
        before, session = self.resident()[0], self.session()
        ping = harness.Process(self, ["ping", "-n", "-i", "0.05", "-c", "2000", "10.200.0.1"], self.right)

        def answers():
            return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", ping.output())]
        harness.wait_until(answers, "pings are answered")
        yield
        self.assertIsNone(self.daemon.code, "weftd runs")
        self.assertEqual(self.session(), session, "the session lives on")
        last = answers()[-1]
        harness.wait_until(lambda: answers()[-1] >= last + 10, "pings are answered")
        ping.signal(signal.SIGINT)
        ping.wait()
        self.assertEqual(answers(), list(range(1, len(answers()) + 1)), "every ping is answered")
        now, most = self.resident()
        self.assertLess(most - before, 32 << 10, f"KiB: {before} before, {now} now")
        self.assertNotIn("hung", self.daemon.output())
        self.assertNotIn("connection_lost", watch.output(), "another operator is connected throughout")
        watch.kill()

    def logged(self, text, count=1):
        harness.wait_until(lambda: self.daemon.output().count(text) >= count, f"the daemon logs {text!r}")

    def refused(self, context, said=hello(bytes(32))):
        """A connection is closed, whatever it goes on to say."""
        with contextlib.suppress(OSError), Connection(self.right, context) as client:
            client.server = client.node = bytes(32)
            client.facade = 9
            client.send(said)
            for _, attack in attacks():
                client.send(attack(client))
            client.await_end()

    def cut_off(self, user):
        context = self.context(user)
        for count, (name, attack) in enumerate(attacks(), 1):
            with self.subTest(name), Connection(self.right, context) as client:
                client.enter().send(attack(client))
                client.await_end()
                self.logged(f"certificate {user} at 10.90.0.2:", count)
                self.logged(" was cut off: ", count)

    def test_without_a_certificate_nothing_is_reached(self):
        with self.traffic():
            for said in (hello(bytes(32)), b"", os.urandom(4096)):
                self.refused(None, said)
                self.refused(tls(), said)
            self.logged("did not come in: ", 6)
            self.expire("mallory")
            self.refused(self.context("mallory"))
            self.logged("expired")
            error = self.weft("mallory", "status", check=False)
            self.assertNotEqual(error.returncode, 0)
            self.assertIn("expired", error.stderr)
        self.assertNotIn("mallory came in", self.daemon.output())
        self.assertNotIn("cut off", self.daemon.output())

    def test_a_viewer_is_cut_off_for_each_and_refused_what_only_operators_may(self):
        with self.traffic():
            self.cut_off("eve")
            with Connection(self.right, self.context("eve")) as client:
                client.enter()
                for number, request in enumerate(REQUESTS[4:], 1):
                    client.send(client.request(request, number=number))
                    self.assertTrue(client.next_message(), request)
            self.logged("needs the role operator")

    def test_an_operator_is_cut_off_for_each(self):
        with self.traffic():
            self.cut_off("mallory")

    def test_contents_that_are_none_of_a_request_are_errors(self):
        noise = random.Random(2).randbytes
        with self.traffic(), Connection(self.right, self.context("mallory")) as client:
            client.enter()
            number = 0
            for request in REQUESTS:
                for rest in (b"\xff" * 64, b"\xff" + noise(300), b"\xff\xff\xff\xff\x0f" + bytes(4 << 20)):
                    if request in ("subscribe", "unsubscribe"):
                        continue  # cut off
                    number += 1
                    self.assertTrue(client.send(client.request(request, rest, number)))
                    self.assertTrue(client.next_message())

    def test_frames_that_do_not_end_and_clients_that_do_not_answer(self):
        context = self.context("mallory")
        with self.traffic(), contextlib.ExitStack() as stack:
            half = stack.enter_context(Connection(self.right, context)).enter()
            half.send(half.request("apply_config", bytes(100_000))[:50_000])
            cut = Connection(self.right, context).enter()
            cut.send(cut.status(1)[:-1])
            cut.close()
            stuck = stack.enter_context(Connection(self.right, context)).enter()
            stuck.stream.settimeout(1)
            sent = 0
            while stuck.send(b"".join(stuck.status(sent * 100 + i) for i in range(1, 101))):
                sent += 1
                self.assertLess(sent, 1000, "requests are taken without end")
            self.logged("nothing was heard for 5 s")

    def attackers(self, count, *arguments):
        """Processes of the attacker's, each at its work."""
        made = [harness.Process(self, [sys.executable, __file__, *arguments], self.right) for _ in range(count)]
        harness.wait_until(lambda: all("begins" in each.output() for each in made), f"{arguments[0]} begins")
        return made

    def assert_others_are_served(self, seconds=10.0):
        for _ in range(5):
            start = time.monotonic()
            self.weft("alice", "status")
            self.assertLess(time.monotonic() - start, seconds)

    def test_a_flood_of_requests_holds_up_neither_packets_nor_others(self):
        for user in ("eve", "mallory"):
            with self.subTest(user), self.traffic():
                floods = self.attackers(4, "flood", self.folder, user)
                self.assert_others_are_served()
                for each in floods:
                    self.assertIsNone(each.code, "it is served, too")
                    each.kill()

    def test_a_storm_of_connections_keeps_nobody_out(self):
        with self.traffic():
            storms = self.attackers(2, "storm")
            self.assert_others_are_served()
            for each in storms:
                each.kill()

    def test_thousands_that_knock_keep_nobody_out(self):
        with self.traffic(), contextlib.ExitStack() as stack:
            for _ in range(2000):
                stack.enter_context(Connection(self.right))
            self.weft("alice", "status")
            context = self.context("eve")
            for _ in range(200):
                with contextlib.suppress(OSError):
                    stack.enter_context(Connection(self.right, context))
            self.weft("alice", "status")

    def test_viewers_fill_their_own_places(self):
        context = self.context("eve")
        with self.traffic(), contextlib.ExitStack() as stack:
            for _ in range(32):
                stack.enter_context(Connection(self.right, context)).enter()
            with Connection(self.right, context) as late:
                self.assertIn(b"too many connections", late.ask(hello(bytes(32))))
            self.weft("alice", "status")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def test_ten_thousand_clients_that_come_and_go_in_any_state_leave_nothing(self):
        def visit(count):
            visitors = harness.Process(self, [sys.executable, __file__, "visit", self.folder, self.name, str(count)],
                                       self.right)
            harness.wait_until(lambda: visitors.code is not None, "they have come and gone", 600)
            self.assertEqual(visitors.code, 0, visitors.output())
        visit(400)  # what is made at the first time stays
        self.weft("alice", "status")
        harness.wait_until(lambda: "alice at" in self.daemon.output(), "alice is gone")
        before, memory = self.descriptors(), self.resident()[0]
        visit(10_000)
        self.weft("alice", "status")
        harness.wait_until(lambda: self.descriptors() <= before, f"{before} descriptors are open again")
        self.assertLess(self.resident()[0] - memory, 4 << 10, f"KiB more than {memory}")

    def test_another_version_is_told_so(self):
        with Connection(self.right, self.context("mallory")) as client:
            other = CONTROL_VERSION + 1
            said = f"it speaks control protocol {other}, this daemon speaks {CONTROL_VERSION}"
            self.assertIn(said.encode(), client.ask(hello(version=other)))
        self.logged("mallory at 10.90.0.2:")
        self.logged(f"did not come in: it speaks control protocol {CONTROL_VERSION + 1}")

    def test_certificates_change_while_the_daemon_runs(self):
        with self.traffic():
            # The key may be out of reach once it was read.
            os.rename(f"{self.folder}/pki/node.key", f"{self.folder}/pki/away.key")
            self.weft("alice", "status")
            self.logged("node.key")
            self.pki("issue", "node", "--role", "node", "--host", "10.90.0.1")
            before = self.certificate()
            self.weft("alice", "status")
            harness.wait_until(lambda: self.certificate() != before, "the renewed certificate is shown")
            self.logged("certificates were loaded again")
            with Connection(self.right, self.context("mallory")) as client:
                client.enter()
                self.pki("revoke", "mallory")
                client.await_end()
            self.logged("revoked")

    def test_a_cable_that_is_cut_is_noticed_on_both_sides(self):
        watch = self.watch()
        self.left.ip("link", "set", "net0", "down")
        self.logged("nothing was heard for 5 s")
        harness.wait_until(lambda: "connection_lost" in watch.output(), "the watcher notices")
        self.left.ip("link", "set", "net0", "up")
        self.logged("alice came in", 2)


def flood(folder, user):
    """Valid requests, as many as are answered."""
    with Connection(None, tls(f"{folder}/pki/{user}")) as client:
        client.enter()
        print("begins", flush=True)
        number = 0
        while True:
            client.stream.sendall(b"".join(client.status(number + i) for i in range(1, 33)))
            number += 32
            for _ in range(32):
                client.next_message()


def storm():
    """Connections that say nothing, and always another one."""
    print("begins", flush=True)
    crowd = collections.deque(maxlen=500)
    while True:
        with contextlib.suppress(OSError):
            crowd.append(Connection(None))


def half_a_client_hello(context):
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()[:100]


def visit(folder, name, count):
    """Clients that leave in each state of a connection, locally and over TLS, and some of these with a reset."""
    context = tls(f"{folder}/pki/mallory")
    half = half_a_client_hello(context)
    path = f"{folder}/{name}.sock"

    def anywhere(act):
        return [lambda: (Connection(None, None, path), act), lambda: (Connection(None, context), act)]

    def subscription(client):
        return client.request("subscribe", client.actor(6, client.node))
    states = [
        lambda: (Connection(None), lambda client: None),
        lambda: (Connection(None), lambda client: client.send(half)),
        *anywhere(lambda client: None),
        *anywhere(lambda client: client.send(hello(bytes(32))[:20])),
        *anywhere(lambda client: client.send(hello(bytes(32)))),
        *anywhere(lambda client: client.ask(hello(bytes(32)))),
        *anywhere(lambda client: client.enter()),
        *anywhere(lambda client: client.enter().send(client.status(1)[:60])),
        *anywhere(lambda client: client.enter().send(client.status(1))),
        *anywhere(lambda client: client.enter().send(subscription(client))),
        *anywhere(lambda client: client.enter().send(subscription(client)) and client.next_message()),
    ]
    for number in range(int(count)):
        client, act = states[number % len(states)]()
        with client:
            act(client)
            if number // len(states) % 2:
                client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


if __name__ == "__main__":
    if sys.argv[1:2] == ["flood"]:
        flood(*sys.argv[2:])
    elif sys.argv[1:2] == ["storm"]:
        storm()
    elif sys.argv[1:2] == ["visit"]:
        visit(*sys.argv[2:])
    else:
        harness.main()
