"""Nodes that run from files, as in production: weftd --config, weft, signals."""

import contextlib
import json
import os
import resource
import signal

import harness


def processor_seconds(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        cells = file.read().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")


class Running:
    """What /proc says of `process`."""

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self, field):
        """A field of /proc/PID/status in bytes: VmSize, VmRSS, ..."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith(field + ":"))
        return int(line.split()[1]) * 1024

    def processor_seconds(self):
        return processor_seconds(self.process.pid)


class Node(Running):
    """One weftd with its file; `number` is its address, 10.200.NUMBER.1."""

    def __init__(self, test, namespace, number):
        self.test, self.home, self.number = test, namespace, number
        self.name = test.interface_name()
        self.file = f"{test.folder}/{self.name}.yaml"
        self.private_key = harness.genkey()
        self.public_key = harness.pubkey(self.private_key)
        self.peers, self.settings, self.rest = [], {}, ""
        self.process = None
        test.text_file(f"{self.name}.key", self.private_key + "\n")
        test.stack.callback(self.remove_sockets)

    def remove_sockets(self):
        harness.remove_sockets_of(self.name)

    def knows(self, other, endpoint=True, **more):
        """Adds a peer to the file."""
        peer = {"public_key": other.public_key, "name": f"node{other.number}",
                "allowed_ips": [f"10.200.{other.number}.0/24", f"fd00:200:{other.number}::/48"], **more}
        if endpoint is True:
            peer["endpoint"] = f"10.90.0.{other.number}:51820"
        elif endpoint:
            peer["endpoint"] = endpoint
        self.peers.append(peer)

    def addresses(self):
        return [f"10.200.{self.number}.1/24", f"fd00:200:{self.number}::1/64"]

    def write(self, **settings):
        """Writes the file, with these keys of `interface` from now on."""
        self.settings.update(settings)
        interface = {"name": self.name, "private_key_file": f"{self.name}.key", "listen": 51820,
                     "addresses": self.addresses(),
                     "cluster_networks": ["10.200.0.0/16", "fd00:200::/32"], **self.settings}
        # JSON is YAML
        self.test.text_file(f"{self.name}.yaml", f"interface: {json.dumps(interface)}\n"
                            f"peers: {json.dumps(self.peers)}\n{self.rest}")

    def launch(self, *prefix, environment=None):
        """Starts weftd, perhaps by way of another program, and does not wait."""
        self.write()
        self.process = harness.Process(self.test, [*prefix, harness.WEFTD, "--config", self.file], self.home,
                                       environment)
        return self.process

    def start(self, *prefix, environment=None):
        self.launch(*prefix, environment=environment)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        def ready():
            if self.process.code is not None:
                raise AssertionError(f"{self.name} ended with {self.process.code}\n{self.log()}")
            return "is up" in self.log()
        harness.wait_until(ready, f"{self.name} is up", seconds)

    def log(self):
        return self.process.output()

    def logs(self, text, seconds=60):
        harness.wait_until(lambda: text in self.log(), f"{self.name} logs {text!r}", seconds)

    def weft(self, *command, code=0, timeout=60):
        result = self.home.run(harness.WEFT, *command, "-i", self.name, check=False, timeout=timeout)
        if code is not None:
            self.test.assertEqual(result.returncode, code, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def status(self):
        return json.loads(self.weft("status", "--json"))[0]

    def drops(self, reason):
        """How many packets the node dropped for this reason, peers' included."""
        status = self.status()
        return sum((part["drops"] or {}).get(reason, 0) for part in (status, *status["peers"]))

    def peer(self, other):
        return next(peer for peer in self.status()["peers"] if peer["public_key"] == other.public_key)

    def reload(self):
        """By signal; returns once that is said in the log."""
        def lines():
            return self.log().count("configuration applied") + self.log().count("the configuration stays as it was")
        before = lines()
        self.process.signal(signal.SIGHUP)
        harness.wait_until(lambda: lines() > before, f"{self.name} says what came of the reload")

    def limit(self, which, soft):
        """Sets a soft limit of the running program; returns the one before."""
        before, hard = resource.prlimit(self.process.pid, which)
        resource.prlimit(self.process.pid, which, (soft, hard))
        return before


class Member(Running):
    """A node of a network that runs itself, made by `weft network init` or `join` in a namespace of its own."""

    def __init__(self, network, number):
        self.network, self.test, self.number = network, network.test, number
        self.home = network.host(number)
        self.name = self.test.interface_name()  # of the interface
        self.member = f"node{number}"
        self.file = f"{self.test.folder}/{self.name}.yaml"
        self.state = f"{self.test.folder}/state"
        self.process = None
        self.addresses = []
        self.test.stack.callback(self.remove_sockets)

    def remove_sockets(self):
        harness.remove_sockets_of(self.name)

    @property
    def outer(self):
        return f"10.90.0.{self.number}"

    @property
    def folder(self):
        return f"{self.state}/{self.name}/network"

    @property
    def place(self):
        """Options of commands that make a node, so that it may be beside others of this host."""
        return ("--interface", self.name, "--config", self.file, "--state", self.state, "--name", self.member,
                "--no-start")

    def weft(self, *command, code=0, timeout=120):
        """`weft COMMAND`; its output."""
        result = self.home.run(harness.WEFT, *command, check=False, timeout=timeout)
        if code is not None:
            self.test.assertEqual(result.returncode, code, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout if result.returncode == 0 else result.stdout + result.stderr

    def made(self, *command):
        """A command that makes a node."""
        said = json.loads(self.weft("network", *command, *self.place, "--json"))
        self.addresses = said["addresses"]
        return said

    def network_command(self, command, *arguments, **options):
        return self.weft("network", command, *arguments, "--config", self.file, **options)

    def invite(self, *arguments):
        return self.network_command("invite", *arguments).strip()

    def join(self, token, *arguments):
        return self.made("join", token, *arguments)

    def launch(self, environment=None):
        """Starts weftd, and does not wait."""
        self.process = harness.Process(self.test, [harness.WEFTD, "--config", self.file], self.home, environment)

    def start(self, environment=None):
        self.launch(environment)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        def ready():
            if self.process.code is not None:
                raise AssertionError(f"{self.name} ended with {self.process.code}\n{self.process.output()}")
            return "is up" in self.process.output()
        harness.wait_until(ready, f"{self.name} is up", seconds)

    def stop(self):
        self.process.terminate()

    def edit(self, change):
        """Gives the file the text that `change` makes of the present one."""
        with open(self.file) as file:
            text = change(file.read())
        with open(self.file, "w") as file:
            file.write(text)

    def status(self):
        return json.loads(self.weft("status", "--json", "-i", self.name))[0]

    def standing(self):
        """How it stands in its network: `directory`, `epoch` ..."""
        return json.loads(self.network_command("status", "--json"))["node"]

    def is_connected(self):
        """It runs, and is connected to a directory."""
        standing = self.standing()
        return standing is not None and standing["directory"] is not None

    def peers(self):
        """Names of the peers."""
        return {peer["name"] for peer in self.status()["peers"]}

    def has_peers(self, others):
        return self.peers() == {other.member for other in others if other is not self}

    def wait_for_peers(self, others, seconds=60):
        harness.wait_until(lambda: self.has_peers(others),
                           f"{self.member} has the peers {[other.member for other in others]}", seconds, pause=0.1)

    def ping(self, other, count=1, family=4, **options):
        address = next(each for each in other.addresses if (":" in each) == (family == 6))
        return self.home.ping(address, count, **options)

    def wait_for_ping(self, other, seconds=60.0, family=4):
        address = next(each for each in other.addresses if (":" in each) == (family == 6))
        return self.test.wait_for_ping(self.home, address, seconds)


class Network:
    """Hosts on one switch (10.90.0.NUMBER), the first of which makes the network when it is asked to."""

    def __init__(self, test):
        self.test = test
        self.name = test.interface_name()
        self.switch = test.namespace("sw")
        self.switch.ip("link", "add", "br0", "type", "bridge")
        self.switch.ip("link", "set", "br0", "up")
        self.members, self.made = [], 0
        test.stack.callback(self.remove_sockets)

    def remove_sockets(self):
        for path in (f"{harness.ISSUER_SOCKETS}/{self.name}.sock", f"{harness.ISSUER_SOCKETS}/{self.name}.directory.sock",
                     f"{harness.CONTROL_SOCKETS}/{self.name}.directory"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def host(self, number):
        host = self.test.namespace(f"n{number}")
        self.test.link(host, self.switch, [f"10.90.0.{number}/24"], peer_name=f"port{number}")
        self.switch.ip("link", "set", f"port{number}", "master", "br0")
        return host

    def add(self):
        self.made += 1
        member = Member(self, self.made)
        self.members.append(member)
        return member

    def init(self, *arguments):
        """The first member, which is the directory and has the issuer; it runs."""
        first = self.add()
        first.made("init", self.name, "--range", "10.200.0.0/16", "--range", "fd00:200::/48",
                   "--endpoint", f"{first.outer}:51820", *arguments)
        return first.start()

    def grow(self, token):
        """Another member, which joins by the token; it runs."""
        member = self.add()
        member.join(token)
        return member.start()

    def mesh(self, count):
        """`count` members that know each other."""
        first = self.init()
        token = first.invite("--uses", count)
        while len(self.members) < count:
            self.grow(token)
        self.wait_for_all()
        return self.members

    def wait_for_all(self, seconds=60):
        for member in self.members:
            member.wait_for_peers(self.members, seconds)


def pair(test, *, start=True):
    """Two nodes that know each other's endpoint."""
    ends = [Node(test, namespace, number) for number, namespace in enumerate(test.hosts(), 1)]
    for end, other in (ends, ends[::-1]):
        end.knows(other)
    if start:
        for end in ends:
            end.start()
    return ends


def address_of(node, family=4):
    return f"10.200.{node.number}.1" if family == 4 else f"fd00:200:{node.number}::1"


def ping(node, other, count=1, **options):
    return node.home.ping(address_of(other), count, **options)


def wait_for_ping(node, other, seconds=60.0, family=4):
    return node.test.wait_for_ping(node.home, address_of(other, family), seconds)
