#!/usr/bin/python3
"""Metrics: what is served and how, to curl, to Prometheus, and to clients that are slow or many."""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import time
import unittest

import harness
import nodes

LISTEN = ("127.0.0.1", 9586)
ALERTS = f"{harness.ROOT}/tools/prometheus/alerts.yml"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsTest(harness.NetnsTest):
    def node(self, number_of_peers=3, **metrics):
        """One node whose peers are strangers, with metrics on loopback."""
        home = self.namespace()
        node = nodes.Node(self, home, 1)
        for number in range(number_of_peers):
            key = base64.b64encode(os.urandom(32)).decode()
            node.peers.append({"public_key": key, "name": f"peer {number}",
                               "allowed_ips": [f"10.200.{2 + number // 256}.{number % 256}/32"]})
        settings = {"listen": "%s:%d" % LISTEN, **metrics}
        node.rest = f"metrics: {json.dumps({k: v for k, v in settings.items() if v is not None})}\n"
        return node

    def pair(self):
        """Two nodes that are each other's peer, the first one with metrics on loopback."""
        left, right = self.hosts()
        alpha, beta = nodes.Node(self, left, 1), nodes.Node(self, right, 2)
        alpha.knows(beta)
        beta.knows(alpha)
        alpha.rest = "metrics: {listen: '127.0.0.1:9586'}\n"
        alpha.start()
        beta.start()
        return alpha, beta

    def try_to_connect(self, node, where=LISTEN):
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        made = harness.in_namespace(node.home, lambda: socket.socket(family))
        self.addCleanup(made.close)
        made.settimeout(60)
        made.connect(where)
        return made

    def connect(self, node, where=LISTEN):
        def connection():
            with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):  # they come after the interface
                return self.try_to_connect(node, where)
            return None
        return harness.wait_until(connection, "metrics are served")

    def ask(self, node, request, where=LISTEN):
        """Status line, headers and body of what comes until the end."""
        connection = self.connect(node, where)
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *headers = head.decode().split("\r\n")
        return first, dict(line.split(": ", 1) for line in headers), body.decode()

    def get(self, node, method="GET", path="/metrics", where=LISTEN):
        return self.ask(node, f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode(), where)

    def clients(self, node):
        """How many the node has let in and not cut off."""
        with open(f"/proc/{node.process.pid}/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        here = ":%04X" % LISTEN[1]
        return sum(row[1].endswith(here) and row[3] == "01" and row[9] != "0" for row in rows)  # established, of a file

    def samples(self, node):
        """By name and labels."""
        _, _, body = self.get(node)
        return dict(line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))


class Page(MetricsTest):
    def test_nothing_listens_unless_it_is_asked_for(self):
        node = self.node(listen=None).start()
        with self.assertRaises(ConnectionRefusedError):
            self.try_to_connect(node)

    def test_get_and_head_of_one_path_are_served(self):
        node = self.node().start()
        status, headers, body = self.get(node)
        self.assertEqual(status, "HTTP/1.1 200 OK")
        self.assertEqual(headers["Content-Type"], CONTENT_TYPE)
        self.assertEqual(int(headers["Content-Length"]), len(body.encode()))
        self.assertIn("\nweft_up{", body)
        status, headers, body = self.get(node, "HEAD")
        self.assertEqual((status, headers["Content-Type"], body), ("HTTP/1.1 200 OK", CONTENT_TYPE, ""))
        self.assertEqual(self.get(node, path="/")[0], "HTTP/1.1 404 Not Found")
        status, headers, _ = self.get(node, "DELETE")
        self.assertEqual((status, headers["Allow"]), ("HTTP/1.1 405 Method Not Allowed", "GET, HEAD"))
        posted = self.ask(node, b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\nabc")
        self.assertIn("405", posted[0])

    def test_a_unix_socket_serves_the_same(self):
        node = self.node(listen=None)
        path = f"{self.folder}/metrics"
        node.rest = f"metrics: {{socket: {path}}}\n"
        node.start()
        harness.wait_until(lambda: os.path.exists(path), "the socket is there")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        self.assertEqual(self.get(node, where=path)[0], "HTTP/1.1 200 OK")
        node.process.terminate()
        self.assertFalse(os.path.exists(path))

    def test_a_removed_peer_is_gone_with_the_next_scrape(self):
        node = self.node().start()
        key = node.peers[0]["public_key"]
        self.assertIn(key, self.get(node)[2])
        node.weft("peer", "remove", "peer 0")
        self.assertNotIn(key, self.get(node)[2])

    def test_names_with_quotation_marks_do_no_harm(self):
        node = self.node()
        node.peers[0]["name"] = 'a "quoted\\" name'
        node.start()
        self.assertIn('friendly_name="a \\"quoted\\\\\\" name"', self.get(node)[2])

    def test_what_happens_is_counted(self):
        alpha, beta = self.pair()
        labels = f'{{interface="{alpha.name}",result="completed"}}'
        self.assertEqual(self.samples(alpha)["weft_handshakes_total" + labels], "0")
        nodes.wait_for_ping(alpha, beta)
        after = self.samples(alpha)
        self.assertEqual(after["weft_handshakes_total" + labels], "1")
        self.assertEqual(after[f'weft_peers{{interface="{alpha.name}",state="up"}}'], "1")
        peer = f'interface="{alpha.name}",public_key="{beta.public_key}"'
        self.assertEqual(after[f'weft_peer_state{{{peer},friendly_name="node2"}}'], "5")
        exported = f'{{{peer},allowed_ips="10.200.2.0/24,fd00:200:2::/48",friendly_name="node2"}}'
        self.assertGreater(int(after["wireguard_sent_bytes_total" + exported]), 0)
        self.assertGreater(int(after["wireguard_received_bytes_total" + exported]), 0)
        self.assertAlmostEqual(int(after["wireguard_latest_handshake_seconds" + exported]), time.time(), delta=60)
        self.assertLess(int(after["wireguard_latest_handshake_delay_seconds" + exported]), 60)

    def test_a_place_that_is_taken_is_tried_again(self):
        node = self.node()
        taken = harness.in_namespace(node.home, lambda: socket.create_server(LISTEN))
        node.start()
        node.logs("metrics: nobody can read them")
        taken.close()
        node.logs("metrics: they can be read now")
        self.assertEqual(self.get(node)[0], "HTTP/1.1 200 OK")


class Clients(MetricsTest):
    def test_whoever_asks_for_nothing_is_cut_off(self):
        node = self.node().start()
        silent, slow = self.connect(node), self.connect(node)
        slow.sendall(b"GET /metr")
        self.assertEqual(silent.recv(1), b"")
        self.assertEqual(slow.recv(1), b"")

    def test_whoever_does_not_take_his_answer_is_cut_off(self):
        node = self.node(3000)
        node.home.sysctl(ipv4__tcp_wmem="4096 16384 65536")  # the kernel takes no whole page off the server's hands
        node.start()
        slow = self.connect(node)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        harness.wait_until(lambda: self.clients(node) == 1, "the connection is open")
        harness.wait_until(lambda: self.clients(node) == 0, "the connection is closed")
        self.assertEqual(self.get(node)[0], "HTTP/1.1 200 OK")

    def test_many_clients_that_ask_for_half_a_page_keep_nobody_out(self):
        node = self.node().start()
        for _ in range(50):
            self.connect(node).sendall(b"GET /metr")
        harness.wait_until(lambda: self.clients(node) >= 8, "eight are let in")
        self.assertLess(self.clients(node), 20)
        begin = time.monotonic()
        self.assertEqual(self.get(node)[0], "HTTP/1.1 200 OK")
        self.assertLess(time.monotonic() - begin, 20, "half a minute, if each of them was waited for")

    def test_many_scrapes_at_once_are_all_answered(self):
        node = self.node(100).start()
        connections = []
        for _ in range(24):
            connections.append(self.connect(node))
            connections[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        for each in connections:
            answer = b""
            while chunk := each.recv(1 << 16):
                answer += chunk
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK"))
            self.assertEqual(answer.count(b"\nweft_peer_state{"), 100)

    def test_garbage_harms_nobody_else(self):
        node = self.node().start()
        for garbage in (b"\x00" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000, b"\r\n" * 50):
            connection = self.connect(node)
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except OSError:
                pass
        self.assertEqual(self.get(node)[0], "HTTP/1.1 200 OK")


class ManyPeers(MetricsTest):
    def test_ten_thousand_peers_are_scraped_at_once(self):
        node = self.node(10_000)
        node.launch()
        node.wait_ready(60)
        self.get(node)
        before = node.processor_seconds()
        _, _, body = self.get(node)
        seconds = node.processor_seconds() - before
        print(f"10000 peers: scraped in {seconds:.2f} s of a processor, {len(body) / 1e6:.1f} MB", flush=True)
        self.assertEqual(body.count("\nweft_peer_state{"), 10_000)
        self.assertLess(seconds, 5)

    def test_their_number_does_not_lengthen_a_page_without_them(self):
        node = self.node(1000, peers=False).start()
        body = self.get(node)[2]
        self.assertNotIn("public_key", body)
        self.assertIn(f'weft_peers{{interface="{node.name}",state="waiting"}} 1000\n', body)
        self.assertLess(len(body), 20_000)


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("promtool"),
                     "prometheus is not installed: tools/setup installs it")
class Prometheus(MetricsTest):
    def test_promtool_finds_nothing_to_complain_about(self):
        node = self.node().start()
        checked = harness.run("promtool", "check", "metrics", input=self.get(node)[2])
        self.assertEqual(checked.stdout + checked.stderr, "")

    def test_the_alerts_are_rules_and_fire_on_what_they_are_for(self):
        harness.run("promtool", "check", "rules", ALERTS)
        harness.run("promtool", "test", "rules", f"{harness.ROOT}/tests/prometheus/alerts_test.yml")

    def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are(self):
        alpha, beta = self.pair()
        nodes.wait_for_ping(alpha, beta)
        known = {line.split("{")[0] for line in self.samples(alpha)}
        known.add("weft_certificate_expiry_seconds")  # of nodes with access over the network
        with open(f"{harness.ROOT}/docs/operations.md", encoding="utf-8") as file:
            known.update(re.findall(r"weft_network_\w+", file.read()))  # of members of a network
        with open(f"{harness.ROOT}/tools/grafana/weft.json", encoding="utf-8") as file:
            panels = json.load(file)["panels"]
        asked = [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]
        rules = "".join(f"    - {{record: 'x:{number}', expr: {json.dumps(expression)}}}\n"
                        for number, expression in enumerate(asked))
        file = self.text_file("dashboard.yml", f"groups:\n- name: dashboard\n  rules:\n{rules}")
        harness.run("promtool", "check", "rules", file)
        with open(ALERTS, encoding="utf-8") as file:
            asked += re.findall("expr: (.*)", file.read())
        for expression in asked:
            for name in re.findall(r"\b(?:weft|wireguard)_\w+", expression):
                self.assertIn(name, known)

    def test_prometheus_scrapes_a_thousand_peers(self):
        node = self.node(1000).start()
        file = self.text_file("prometheus.yml", f"rule_files: ['{ALERTS}']\n"
                              "scrape_configs:\n  - job_name: weft\n    scrape_interval: 5s\n"  # it waits as long for a page
                              "    static_configs: [{targets: ['127.0.0.1:9586']}]\n")
        harness.Process(self, ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={self.folder}/data",
                               "--web.listen-address=127.0.0.1:9090"], node.home)

        def query(path):
            connection = self.connect(node, ("127.0.0.1", 9090))
            connection.sendall(f"GET /api/v1/{path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while chunk := connection.recv(1 << 16):
                answer += chunk
            return json.loads(answer.partition(b"\r\n\r\n")[2])["data"]

        def has_scraped():
            try:
                found = query("query?query=count(weft_peer_state)")["result"]
            except (OSError, ValueError, KeyError):
                return False
            return bool(found) and found[0]["value"][1] == "1000"

        def is_content():
            target, = query("targets")["activeTargets"]
            return (target["health"], target["lastError"]) == ("up", "")
        harness.wait_until(has_scraped, "Prometheus has a thousand peers")
        harness.wait_until(is_content, "Prometheus finds no fault with the pages")
        self.assertEqual(query("rules")["groups"][0]["name"], "weft")


if __name__ == "__main__":
    harness.main()
