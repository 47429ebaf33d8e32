#!/usr/bin/python3
"""weftd with a YAML file, and the command line beside it."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import time

import harness


class ConfiguredDevice(harness.Device):
    """weftd --config FILE."""

    def __init__(self, test, namespace, *, environment=None):
        super().__init__(test, "weftd", namespace, start=False)
        self.environment = environment
        self.file = f"{test.folder}/{self.name}.yaml"
        self.key_file = test.text_file(f"{self.name}.key", self.private_key + "\n")

    def write(self, interface="", rest=""):
        self.test.text_file(os.path.basename(self.file),
                            f"interface:\n  name: {self.name}\n  private_key_file: {self.name}.key\n{interface}{rest}")

    def start(self, wait=True):
        self.process = harness.Process(self.test, [harness.WEFTD, "--config", self.file], self.namespace,
                                       self.environment)
        if wait:
            self.wait_ready()


class TwoFiles(harness.NetnsTest):
    def pair(self, hosts=None, *, left_rest="", right_interface="", endpoint="10.90.0.2:51822"):
        hosts = hosts or self.hosts()
        ends = [ConfiguredDevice(self, host) for host in hosts]
        self.text_file("pair.psk", harness.genpsk() + "\n")
        for i, (end, other) in enumerate((ends, ends[::-1]), 1):
            interface = f"""  addresses: [10.200.{i}.1/24, "fd00:200:{i}::1/64"]
  cluster_networks: [10.200.0.0/16, "fd00:200::/32"]
  mtu: 1400
"""
            interface += right_interface if i == 2 and right_interface else f'  listen: "[::]:{51820 + i}"\n'
            rest = f"""peers:
  - name: {'beta' if i == 1 else 'alpha'}
    public_key: {other.public_key}
    preshared_key_file: pair.psk
    allowed_ips: [10.200.{3 - i}.0/24, "fd00:200:{3 - i}::/64"]
"""
            rest += f"    endpoint: {endpoint}\n    persistent_keepalive: 25s\n{left_rest}" if i == 1 else ""
            end.write(interface, rest)
            end.start()
        return ends

    def assert_traffic(self, left, right):
        self.wait_for_ping(left.home, "10.200.2.1")
        self.assert_pings(left.home, "10.200.2.1", 10)
        self.assert_pings(right.home, "fd00:200:1::1", 10)

    def test_two_nodes_from_two_files_exchange_traffic_and_show_it(self):
        left, right = self.pair()
        self.assert_traffic(left, right)
        self.assertIn("mtu 1400", left.home.ip("link", "show", left.name).stdout)
        self.assertIn(f"10.200.0.0/16 dev {left.name}", left.home.ip("route").stdout)
        self.assertIn(f"fd00:200::/32 dev {left.name}", left.home.ip("-6", "route").stdout)
        table = harness.run(harness.WEFT, "status", left.name).stdout
        for word in ("beta", "10.90.0.2:51822", "10.200.2.0/24"):
            self.assertIn(word, table)
        for secret in (left.private_key, open(f"{self.folder}/pair.psk").read().strip()):
            self.assertNotIn(secret, table)
        status, = json.loads(harness.run(harness.WEFT, "status", left.name, "--json").stdout)
        self.assertEqual(status["public_key"], left.public_key)
        self.assertEqual(status["listen_port"], 51821)
        peer, = status["peers"]
        self.assertEqual((peer["name"], peer["public_key"]), ("beta", right.public_key))
        self.assertAlmostEqual(peer["last_handshake"], time.time(), delta=30)
        self.assertGreaterEqual(peer["rx_bytes"], 20 * 128)
        self.assertGreaterEqual(peer["rx_packets"], 20)
        self.assertEqual(left.peer(right).endpoint, "10.90.0.2:51822")
        for end in (left, right):
            self.assertEqual(end.process.terminate(10), 0)
            self.assertFalse(end.home.has_link(end.name))
            self.assertFalse(os.path.exists(end.socket_path))

    def test_a_ping_to_a_removed_peer_is_dropped_and_counted(self):
        """There is no ICMP error: a packet for nobody is dropped, and the status counts it."""
        left, right = self.pair()
        self.assert_traffic(left, right)
        left.remove_peer(right)
        self.assertEqual(left.home.ping("10.200.2.1", 5, wait=0.5), 0)
        status, = json.loads(harness.run(harness.WEFT, "status", left.name, "--json").stdout)
        self.assertGreaterEqual(status["drops"]["no_route"], 5)

    def test_an_endpoint_may_be_a_host_name(self):
        hosts = self.hosts()
        self.host_file(hosts[0], "10.90.0.2 beta.example.net\n")
        left, right = self.pair(hosts, endpoint="beta.example.net:51822")
        self.assert_traffic(left, right)

    def test_a_host_name_that_has_no_address_yet_does_not_keep_the_rest_from_working(self):
        hosts = self.hosts()
        self.host_file(hosts[0], "127.0.0.1 localhost\n")
        left, right = self.pair(hosts, left_rest=f"""  - name: gamma
    public_key: {harness.pubkey(harness.genkey())}
    endpoint: nowhere.invalid:51820
    allowed_ips: [10.200.3.0/24]
""")
        self.assert_traffic(left, right)

    def host_file(self, namespace, text):
        """/etc/hosts as programs of the namespace see it."""
        folder = f"/etc/netns/{namespace.name}"
        self.stack.callback(harness.remove_netns_folder)
        os.makedirs(folder)
        self.stack.callback(shutil.rmtree, folder)
        for name, content in (("hosts", text), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")):
            with open(f"{folder}/{name}", "w") as file:
                file.write(content)

    def test_the_listen_address_is_honoured(self):
        hosts = self.hosts()
        hosts[1].add_address("10.90.0.20/24", "net0")
        left, right = self.pair(hosts, right_interface="  listen: 10.90.0.20:51822\n")
        self.assertEqual(left.home.ping("10.200.2.1", 2, wait=0.5), 0, "nobody listens at the other address")
        left.set("peer", right.public_key, "endpoint", "10.90.0.20:51822")
        self.wait_for_ping(left.home, "10.200.2.1")

    def test_the_log_holds_no_secret_and_is_json_when_asked(self):
        left, right = self.pair(left_rest="log: {level: trace, format: json}\n")
        self.assert_traffic(left, right)
        self.assertEqual(left.process.terminate(), 0)
        lines = left.process.output().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertIsInstance(json.loads(line), dict)
        text = left.process.output()
        for secret in (left.private_key, open(f"{self.folder}/pair.psk").read().strip()):
            self.assertNotIn(secret, text)
            self.assertNotIn(base64.b64decode(secret).hex(), text)

    def test_an_imported_wg_quick_file_runs(self):
        left, right = self.pair()
        self.assertEqual(left.process.terminate(), 0)
        exported = harness.run(harness.WEFT, "export", left.file).stdout
        self.assertIn(f"PrivateKey = {left.private_key}", exported)
        conf = self.text_file(f"{left.name}.conf", exported)
        imported = harness.run(harness.WEFT, "import", conf).stdout
        self.text_file(os.path.basename(left.file), imported)
        self.assertIn(left.name, imported)
        left.start()
        self.assert_traffic(left, right)


class Mistakes(harness.NetnsTest):
    def weftd(self, *arguments, **options):
        return self.host.run(harness.WEFTD, *arguments, check=False, **options)

    def setUp(self):
        super().setUp()
        self.host = self.namespace()
        self.name = self.interface_name()

    def assert_nothing_made(self):
        self.assertEqual(self.host.ip("-o", "link", "show").stdout.count("\n"), 1, "no interface but lo")
        self.assertFalse(os.path.exists(f"{harness.SOCKETS}/{self.name}.sock"))

    def test_ten_mistakes_give_ten_messages_and_no_interface(self):
        file = self.text_file("ten.yaml", """interface:
  name: a-name-that-is-too-long
  private_key_file: missing.key
  listen: 300.0.0.1:51820
  addresses: [10.200.0.1/33]
  mtu: 100
  fwmrk: 7
peers:
  - public_key: c2hvcnQ=
    endpoint: beta.example.net
    allowed_ips: [10.200.300.0/24]
    persistent_keepalive: often
""")
        for command in ((harness.WEFTD, "--config", file), (harness.WEFTD, "--config", file, "--check"),
                        (harness.WEFT, "check", file)):
            result = self.host.run(*command, check=False)
            self.assertEqual(result.returncode, 2, command)
            messages = re.findall(rf"^{re.escape(file)}:(\d+):(\d+): ([\w.\[\]]+): (.+)$",
                                  result.stdout + result.stderr, re.M)
            self.assertEqual([int(m[0]) for m in messages], [2, 3, 4, 5, 6, 7, 9, 10, 11, 12], result.stderr)
            self.assertIn("fwmark", messages[5][3], "the nearest known key")
            self.assert_nothing_made()

    def test_a_key_file_that_others_can_read_is_refused(self):
        key = self.text_file("open.key", harness.genkey() + "\n")
        os.chmod(key, 0o644)
        file = self.text_file("open.yaml", f"interface: {{name: {self.name}, private_key_file: open.key}}\n")
        result = self.weftd("--config", file)
        self.assertEqual(result.returncode, 2)
        self.assertIn("open.key", result.stderr)
        self.assert_nothing_made()

    def test_check_validates_and_does_nothing(self):
        file = self.text_file("good.yaml", f"interface: {{name: {self.name}, private_key: {harness.genkey()}}}\n")
        self.assertEqual(self.weftd("--config", file, "--check").returncode, 0)
        self.assertEqual(harness.run(harness.WEFT, "check", file).returncode, 0)
        self.assert_nothing_made()

    def test_wrong_usage_ends_with_code_two(self):
        for arguments in ((), ("--nonsense",), ("--config",), ("--config", f"{self.folder}/missing.yaml"),
                          ("-f", "a-name-that-is-too-long"), ("-f", "with/slash")):
            result = self.weftd(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertTrue(result.stderr.strip(), arguments)
        for arguments, text in (
                (("--confg", "x.yaml"), "there is no option '--confg' of 'weftd'; did you mean '--config'?"),
                (("--config",), "--config needs a value; 'weftd --help' says which"),
                (("wg0", "wg1"), "there are more arguments than 'weftd' takes: weftd [INTERFACE]"),
                (("--config", "x.yaml", "wg0"), "there is a file (--config) and an interface; give one of the two"),
                (("--check",), "--check needs a file: weftd --config FILE --check"),
                (("-f",), "--foreground belongs to an interface (weftd -f wg0); from a file weftd runs in the "
                          "foreground anyway")):
            self.assertEqual(self.weftd(*arguments).stderr, f"weftd: {text}\n")
        self.assert_nothing_made()

    def test_help_and_version_are_everywhere(self):
        for program, *command in ((harness.WEFTD,), (harness.WEFT,), (harness.WEFT, "status"),
                                  (harness.WEFT, "genkey"), (harness.WEFT, "import")):
            for flag in ("--help", "--version", "-V"):
                result = harness.run(program, *command, flag)
                self.assertTrue(result.stdout.strip(), (command, flag))

    def test_without_the_capability_the_message_names_it(self):
        result = self.host.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
                               harness.WEFTD, "-f", self.name, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("CAP_NET_ADMIN", result.stdout + result.stderr)
        self.assert_nothing_made()

    def test_a_taken_port_ends_the_program_with_a_clear_error(self):
        blocker = self.host.udp_socket()
        self.addCleanup(blocker.close)
        blocker.bind(("0.0.0.0", 50009))
        file = self.text_file("port.yaml", f"interface: {{name: {self.name}, private_key: {harness.genkey()}, "
                              "listen: '0.0.0.0:50009'}\n")
        result = self.weftd("--config", file)
        self.assertEqual(result.returncode, 1)
        self.assertIn("50009", result.stdout + result.stderr)
        self.assertIn("in use", result.stdout + result.stderr)
        self.assert_nothing_made()


class Readiness(harness.NetnsTest):
    def test_the_service_manager_is_told_of_readiness_and_of_the_end(self):
        path = f"{self.folder}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(60)
            device = ConfiguredDevice(self, self.namespace(), environment={"NOTIFY_SOCKET": path})
            device.write()
            device.start(wait=False)
            self.assertIn(b"READY=1", manager.recv(4096))
            self.assertTrue(device.serves() and device.home.has_link(device.name), "ready when it says so")
            device.process.signal(signal.SIGTERM)
            self.assertIn(b"STOPPING=1", manager.recv(4096))
            self.assertEqual(device.process.wait(), 0)


if __name__ == "__main__":
    harness.main()
