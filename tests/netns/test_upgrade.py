#!/usr/bin/python3
"""weft upgrade and weftd --replace without a service manager: nodes with a file, and drop-ins."""

import json
import os
import signal

import harness
import nodes

IMPOSTOR = """
import os, signal, socket, sys
served = socket.socket(socket.AF_UNIX)
served.bind(sys.argv[1] + ".new")
served.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
signal.pause()
"""


class Successors(harness.NetnsTest):
    def end_with_test(self, pid):
        """For a process that is none of ours."""
        handle = os.pidfd_open(pid)

        def end():
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(handle)
        self.stack.callback(end)

    def upgrade(self, home, name, code=0, *prefix):
        result = home.run(*prefix, harness.WEFT, "upgrade", name, "--json", check=False, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        if code:
            return json.loads(result.stderr)["error"]["message"]
        answer = json.loads(result.stdout)
        self.end_with_test(answer["process"])
        self.assertTrue(answer["goes_on"])
        return answer["process"]

    @staticmethod
    def of_process(pid, file):
        with open(f"/proc/{pid}/{file}") as opened:
            return opened.read().split("\0")[:-1]


class WithFile(Successors):
    def setUp(self):
        super().setUp()
        self.left, self.right = nodes.pair(self, start=False)
        self.left.start(environment={"LOG_LEVEL": "error", "WEFT_TEST": "is left out"})
        self.right.start()
        nodes.wait_for_ping(self.left, self.right)

    def handshakes(self):
        return self.left.peer(self.right)["last_handshake"], self.right.peer(self.left)["last_handshake"]

    def test_a_node_goes_on_as_it_was_started_however_often(self):
        before, words = self.handshakes(), self.of_process(self.left.process.pid, "cmdline")
        pings = harness.Process(self, ["ping", "-n", "-i", "0.01", "-c", "1000", "-W", "20", "10.200.2.1"],
                                self.left.home)
        former = self.left.process.pid
        for number in (1, 2, 3):
            process = self.upgrade(self.left.home, self.left.name)
            self.assertNotEqual(process, former)
            self.assertEqual(self.of_process(process, "cmdline")[1:], ["--replace", self.left.name, *words[1:]])
            environment = {each.split("=")[0] for each in self.of_process(process, "environ")}
            self.assertEqual(environment - {"STATE_DIRECTORY"}, {"LOG_LEVEL"})
            self.assertEqual(os.readlink(f"/proc/{process}/cwd"), os.getcwd())
            harness.wait_until(lambda: self.left.log().count("goes on in this process") == number,
                               "the log says that it goes on")
            former = process
        self.assertEqual(self.left.process.wait(), 0)
        pings.wait(120)
        self.assertIn("1000 packets transmitted, 1000 received", pings.output())
        self.assertEqual(self.handshakes(), before)

    def test_what_cannot_be_upgraded_goes_on(self):
        pid = self.left.process.pid
        self.assertIn("network namespace", self.upgrade(self.right.home, self.left.name, 1))
        self.assertIn("as root", self.upgrade(
            self.left.home, self.left.name, 4, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"))
        with open(self.left.file, "a") as file:
            file.write("interfaec: {}\n")
        self.assertIn("interfaec", self.upgrade(self.left.home, self.left.name, 2))
        os.rename(self.left.file, self.left.file + ".kept")
        self.assertIn("the node goes on as it is", self.upgrade(self.left.home, self.left.name, 2))
        os.rename(self.left.file + ".kept", self.left.file)
        self.assertEqual(self.left.process.pid, pid)
        self.assertIsNone(self.left.process.code)
        self.assert_pings(self.left.home, "10.200.2.1")

    def test_root_starts_no_other_program_that_serves_a_socket(self):
        path = f"{harness.CONTROL_SOCKETS}/other.sock"
        self.stack.callback(os.unlink, path)
        harness.Process(self, ["python3", "-c", IMPOSTOR, path], self.left.home)
        harness.wait_until(lambda: os.path.exists(path), "the socket is served", 60)
        self.assertIn("no weftd", self.upgrade(self.left.home, "other", 4))


class DropIn(Successors):
    program = "weftd"

    def setUp(self):
        super().setUp()
        self.left, self.right = self.tunnel()
        self.wait_for_ping(self.left.home, "10.77.0.2")

    def handshakes(self):
        return [end.show("latest-handshakes") for end in (self.left, self.right)]

    def test_a_drop_in_is_replaced_and_so_is_its_successor(self):
        before = self.handshakes()
        former = self.left.process
        self.left.process = harness.Process(
            self, [harness.WEFTD, "-f", "--replace", self.left.name, self.left.name], self.left.namespace)
        self.assertEqual(former.wait(), 0)
        self.left.wait_ready()
        self.assert_both_ways(self.left, self.right)
        process = self.upgrade(self.left.home, self.left.name)
        self.assertEqual(self.left.process.wait(), 0)
        self.assert_both_ways(self.left, self.right)
        self.assertEqual(self.handshakes(), before)
        os.kill(process, signal.SIGTERM)
        harness.wait_until(lambda: not self.left.home.has_link(self.left.name), "its interface is gone")

    def test_one_in_the_background_goes_on_in_the_background(self):
        self.left.process.terminate()
        self.left.home.run(harness.WEFTD, self.left.name)
        self.left.process = None
        self.left.wait_ready()
        link = self.left.home.ip("-o", "link", "show", self.left.name).stdout.split(":")[0]
        process = self.upgrade(self.left.home, self.left.name)
        self.assertEqual(self.left.home.ip("-o", "link", "show", self.left.name).stdout.split(":")[0], link)
        os.kill(process, signal.SIGTERM)
        harness.wait_until(lambda: not self.left.home.has_link(self.left.name), "its interface is gone")

    def test_a_file_or_the_same_interface_is_asked_for(self):
        for words in ((), ("other",)):
            process = harness.Process(self, [harness.WEFTD, "--replace", self.left.name, *words], self.left.namespace)
            self.assertEqual(process.wait(), 2)
            self.assertIn("--replace", process.output())


if __name__ == "__main__":
    harness.main()
