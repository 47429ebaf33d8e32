#!/usr/bin/python3
"""tools/check-layers accepts what the layers allow and finds each breach that is planted."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = f"{ROOT}/tools/check-layers"

ALLOWED = [
    ("protocol/a.cpp", '#include "protocol/b.hpp"'),
    ("protocol/a.cpp", "#include <sodium.h>"),
    ("config/a.cpp", '#include "protocol/b.hpp"'),
    ("platform/linux/a.cpp", "#include <linux/if_tun.h>"),
    ("platform/a.hpp", "#include <sys/socket.h>"),
    ("messages/a.hpp", '#include "config/b.hpp"'),
    ("messages/a.hpp", "#include <caf/all.hpp>"),
    ("actors/a.cpp", '#include "platform/b.hpp"'),
    ("actors/a.cpp", '#include "messages/b.hpp"'),
    ("actors/a.cpp", "#include <caf/event_based_actor.hpp>"),
    ("tools/weftd.cpp", '#include "actors/b.hpp"'),
    ("tools/weftd.cpp", "#include <caf/all.hpp>"),
    ("tests/actors/a.cpp", "#include <caf/all.hpp>"),
    ("tests/protocol/a.cpp", '#include "tests/protocol/b.hpp"'),
    ("tests/platform/a.cpp", "#include <sys/socket.h>"),
    ("tests/protocol/a.cpp", '#include "a.cpp"'),
    ("protocol/tunnel/a.cpp", '#include "protocol/packets/b.hpp"'),
    ("actors/peers/a.cpp", '#include "actors/loop/b.hpp"'),
    ("actors/control/client/a.cpp", '#include "actors/control/wire/b.hpp"'),
    ("protocol/a.cpp", "#include <vector>"),
    ("protocol/a.cpp", "#include <openssl/evp.h>"),
    ("platform/a.cpp", "#include <mutex>"),
    ("actors/loop/io_loop.hpp", "#include <mutex>"),
    ("tools/weft/a.cpp", "#include <unistd.h>"),
    ("tests/platform/a.cpp", "#include <thread>"),
    ("actors/metrics/a.cpp", "#include <microhttpd.h>"),
    ("actors/metrics/a.cpp", '#include "actors/control/server/b.hpp"'),
    ("protocol/network/a.cpp", '#include "protocol/base/b.hpp"'),
    ("protocol/network/a.cpp", "#include <nlohmann/json.hpp>"),
    ("actors/network/a.cpp", '#include "actors/overlay/b.hpp"'),
    ("tools/lint_scope.cpp", "#include <clang/AST/ASTContext.h>"),
]

BREACHES = [
    ("protocol/a.cpp", "#include <caf/all.hpp>"),
    ("protocol/a.cpp", '#include "caf/all.hpp"'),
    ("protocol/a.hpp", '  #  include   "platform/b.hpp"'),
    ("protocol/a.cpp", '#include "config/b.hpp"'),
    ("protocol/a.cpp", "#include <sys/socket.h>"),
    ("protocol/a.cpp", "#include <arpa/inet.h>"),
    ("protocol/a.cpp", "#include<netinet/in.h>"),
    ("protocol/a.cpp", "auto now = std::chrono::steady_clock::now();"),
    ("protocol/a.cpp", "clock_gettime(CLOCK_MONOTONIC, &now);"),
    ("config/a.cpp", '#include "platform/b.hpp"'),
    ("config/a.h", '#include "platform/b.hpp"'),
    ("config/a.ipp", '#include "platform/b.hpp"'),
    ("config/a.cpp", '#include "messages/b.hpp"'),
    ("config/a.cpp", "#include <sys/stat.h>"),
    ("config/a.cpp", "#include <caf/all.hpp>"),
    ("platform/a.cpp", '#include "config/b.hpp"'),
    ("platform/a.cpp", '#include "messages/b.hpp"'),
    ("platform/a.cpp", "#include <caf/all.hpp>"),
    ("platform/deep/er/a.cpp", '#include "actors/b.hpp"'),
    ("messages/a.hpp", '#include "platform/b.hpp"'),
    ("messages/a.hpp", '#include "actors/b.hpp"'),
    ("messages/a.hpp", "#include <linux/if.h>"),
    ("actors/a.cpp", '#include "tools/b.hpp"'),
    ("actors/a.cpp", '#include "tests/b.hpp"'),
    ("actors/a.cpp", "#include <net/if.h>"),
    ("tools/a.cpp", "#include <sys/socket.h>"),
    ("tests/protocol/a.cpp", "#include <caf/all.hpp>"),
    ("tests/protocol/a.cpp", "using Catch::Matchers::Contains;"),
    ("config/a.cpp", '#include "../platform/b.hpp"'),
    ("config/a.cpp", '#include "b.hpp"'),
    ("tests/protocol/a.cpp", '#include "nowhere.hpp"'),
    ("config/a.cpp", "#include HEADER"),
    ("protocol/base/a.cpp", '#include "protocol/tunnel/b.hpp"'),
    ("protocol/packets/a.cpp", '#include "protocol/tunnel/b.hpp"'),
    ("actors/loop/a.hpp", '#include "actors/peers/b.hpp"'),
    ("actors/peers/a.hpp", '#include "actors/packets/b.hpp"'),
    ("actors/overlay/a.cpp", '#include "actors/control/server/b.hpp"'),
    ("protocol/a.cpp", "#include <unistd.h>"),
    ("config/a.cpp", "#include <poll.h>"),
    ("messages/a.cpp", "#include <fcntl.h>"),
    ("actors/a.cpp", "#include <termios.h>"),
    ("actors/a.cpp", "#include <yaml-cpp/yaml.h>"),
    ("config/a.cpp", "#include <nlohmann/json.hpp>"),
    ("tools/weftd/a.cpp", "#include <unistd.h>"),
    ("actors/a.cpp", "#include <mutex>"),
    ("messages/a.hpp", "#include <condition_variable>"),
    ("protocol/a.hpp", "#include <thread>"),
    ("tools/weft/a.cpp", "#include <future>"),
    ("actors/overlay/a.cpp", "#include <microhttpd.h>"),
    ("actors/control/server/a.cpp", '#include "actors/metrics/b.hpp"'),
    ("protocol/network/a.cpp", '#include "protocol/tunnel/b.hpp"'),
    ("protocol/network/a.cpp", '#include "protocol/packets/b.hpp"'),
    ("protocol/tunnel/a.cpp", "#include <nlohmann/json.hpp>"),
    ("actors/network/a.cpp", '#include "actors/peers/b.hpp"'),
    ("actors/overlay/a.cpp", '#include "actors/network/b.hpp"'),
    ("actors/network/a.cpp", "#include <mutex>"),
    ("tools/weftd/a.cpp", "#include <clang/AST/ASTContext.h>"),
]


class CheckLayers(unittest.TestCase):
    def check(self, *files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files:
                os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
                with open(f"{root}/{path}", "a") as file:
                    file.write(text + "\n")
            return subprocess.run([SCRIPT, root], capture_output=True, text=True)

    def test_what_the_layers_allow_passes(self):
        result = self.check(*ALLOWED)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_breach_is_found_among_what_is_allowed(self):
        for path, text in BREACHES:
            with self.subTest(path=path, text=text):
                result = self.check(*ALLOWED, (path, text))
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertIn(f"{path}:", result.stderr)
                self.assertIn("1 breaches", result.stderr)

    def test_an_empty_place_is_an_error_and_no_pass(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(subprocess.run([SCRIPT, root], capture_output=True).returncode, 2)

    def test_the_project_itself_passes(self):
        result = subprocess.run([SCRIPT, ROOT], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
