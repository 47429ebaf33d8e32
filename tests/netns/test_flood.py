#!/usr/bin/python3
"""Floods of handshake messages, from a sender that knows the public key and so can make their MACs."""

import base64
import hashlib
import os
import threading
import time

import harness


def initiation(public_key):
    """An initiation of noise with a valid MAC1 (paper, 5.4.4)."""
    body = bytes([1, 0, 0, 0]) + os.urandom(112)
    key = hashlib.blake2s(b"mac1----" + public_key).digest()
    return body + hashlib.blake2s(body, key=key, digest_size=16).digest() + bytes(16)


@harness.for_each_program
class Flood:
    def flood(self, host, source, target, messages, seconds, result):
        sender = host.udp_socket()
        sender.bind((source, 0))
        end = time.monotonic() + seconds
        sent = 0
        while time.monotonic() < end:
            for message in messages:
                sender.sendto(message, target)
            sent += len(messages)
            time.sleep(0.01)
        sender.close()
        result.append(sent)

    def test_one_flooder_neither_holds_up_live_peers_nor_keeps_others_from_shaking_hands(self):
        left, right = self.tunnel((self.program, self.program))
        left.home.add_address("10.90.0.66/24", "net0")
        self.assert_pings(left.home, "10.77.0.2", 3)
        key = base64.b64decode(right.public_key)
        messages = [initiation(key) for _ in range(200)]  # 20,000 a second
        sent = []
        flooder = threading.Thread(target=self.flood, args=(
            left.home, "10.90.0.66", ("10.90.0.2", 51822), messages, 8, sent))
        # made before the flood, so that its thread alone is busy
        newcomer = harness.Device(self, self.program, left.home)
        newcomer.configure(port=51899, addresses=["10.79.0.1/24"])
        right.home.add_address("10.79.0.2/24", right.name)
        right.add_peer(newcomer, ["10.79.0.1/32"])
        flooder.start()
        time.sleep(0.5)
        answers = left.home.ping("10.77.0.2", 100, interval=0.01)
        newcomer.add_peer(right, ["10.79.0.2/32"], "10.90.0.2:51822")
        took = self.wait_for_ping(left.home, "10.79.0.2", 12)
        flooder.join()
        print(f"{sent[0]} forged initiations, {answers} of 100 pings answered, a handshake in {took:.1f} s", flush=True)
        self.assertGreaterEqual(answers, 95)
        self.assert_pings(left.home, "10.77.0.2", 10)
        self.assertEqual(right.peer(left).endpoint, "10.90.0.1:51821")


if __name__ == "__main__":
    harness.main()
