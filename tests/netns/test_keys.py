#!/usr/bin/python3
"""Private, public and preshared keys: set, changed, cleared, useless."""

import base64

import harness

# The seven public keys of low order on Curve25519, little-endian (cr.yp.to/ecdh.html#validate).
P = 2**255 - 19
ORDER_8 = (325606250916557431795983626356110631294008115727848805560023387167927233504,
           39382357235489614581723060781553021112529911719440698176882885853963445705823)
LOW_ORDER = [base64.b64encode(value.to_bytes(32, "little")).decode()
             for value in (0, 1, *ORDER_8, P - 1, P, P + 1)]


@harness.for_each_pair
class Keys:
    def test_a_changed_private_key_leads_to_a_new_handshake_at_once(self):
        left, right = self.tunnel()
        self.assert_pings(left.home, "10.77.0.2", 3)
        former = left.public_key
        left.set_key(harness.genkey())
        right.remove_peer(former)
        right.add_peer(left, ["10.77.0.1/32", "fd77::1/128"])
        self.assert_pings(left.home, "10.77.0.2", 3)
        self.assertNotEqual(right.peer(left).handshake, 0)
        # and the other way: the responder's key changes
        former = right.public_key
        right.set_key(harness.genkey())
        left.remove_peer(former)
        left.add_peer(right, ["10.77.0.2/32", "fd77::2/128"], "10.90.0.2:51822")
        self.assert_pings(left.home, "10.77.0.2", 3)

    def test_a_preshared_key_on_one_side_alone_lets_nothing_through(self):
        left, right = self.tunnel()
        psk = harness.genpsk()
        left.set("peer", right.public_key, "preshared-key", self.secret_file(psk))
        self.assertEqual(left.home.ping("10.77.0.2", 2, wait=1), 0)
        self.assertEqual(left.peer(right).handshake, 0)
        right.set("peer", left.public_key, "preshared-key", self.secret_file(psk))
        self.wait_for_ping(left.home, "10.77.0.2", 12)
        self.assertEqual(right.peer(left).preshared_key, psk)

    def test_a_changed_preshared_key_does_not_tear_the_session_down(self):
        left, right = self.tunnel(psk=harness.genpsk())
        self.assert_pings(left.home, "10.77.0.2", 3)
        handshake = left.peer(right).handshake
        left.set("peer", right.public_key, "preshared-key", self.secret_file(harness.genpsk()))
        self.assert_pings(left.home, "10.77.0.2", 3)
        self.assertEqual(left.peer(right).handshake, handshake)


@harness.for_each_program
class KeySettings:
    def device(self):
        device = harness.Device(self, self.program, self.namespace())
        device.configure(port=51821)
        return device

    def test_keys_are_set_and_cleared(self):
        device = self.device()
        self.assertEqual(device.show("private-key"), device.private_key)
        self.assertEqual(device.show("public-key"), device.public_key)
        other, psk = harness.pubkey(harness.genkey()), harness.genpsk()
        device.add_peer(other, ["10.77.0.2/32"], psk=psk)
        self.assertEqual(device.peer(other).preshared_key, psk)
        device.set("peer", other, "preshared-key", "/dev/null")
        self.assertEqual(device.peer(other).preshared_key, "(none)")
        device.set("private-key", "/dev/null")
        self.assertEqual(device.show("private-key"), "(none)")
        self.assertEqual(device.show("public-key"), "(none)")
        self.assertIsNotNone(device.peer(other), "peers stay")
        device.set("private-key", self.secret_file(device.private_key))
        self.assertEqual(device.show("public-key"), device.public_key)

    def test_a_peer_with_the_own_key_disappears(self):
        device = self.device()
        private = harness.genkey()
        other = harness.pubkey(private)
        device.add_peer(other, ["10.77.0.2/32"])
        self.assertIsNotNone(device.peer(other))
        device.set_key(private)
        self.assertIsNone(device.peer(other))

    def test_an_unclamped_private_key_is_clamped(self):
        device = self.device()
        raw = bytearray(b"\xff" * 32)
        device.set("private-key", self.secret_file(base64.b64encode(raw).decode()))
        raw[0] &= 248
        raw[31] = (raw[31] & 127) | 64
        self.assertEqual(base64.b64decode(device.show("private-key")), bytes(raw))

    def test_public_keys_of_low_order_start_no_handshake_and_do_no_harm(self):
        left, right = self.tunnel((self.program, self.program))
        network = 10
        for key in LOW_ORDER:
            self.assertEqual(len(key), 44)
            network += 1
            if base64.b64decode(key) == bytes(32):
                refused = left.set("peer", key, "allowed-ips", "10.10.0.0/16", check=False)
                self.assertNotEqual(refused.returncode, 0, "a key of zeros is nobody's")
                continue
            left.set("peer", key, "allowed-ips", f"10.{network}.0.0/16", "endpoint", "10.90.0.2:51822",
                     "persistent-keepalive", 1)
            left.home.ip("route", "add", f"10.{network}.0.0/16", "dev", left.name)
            self.assertEqual(left.home.ping(f"10.{network}.0.1", 1, wait=0.2), 0)
        for key in LOW_ORDER:
            state = left.peer(key)
            self.assertTrue(state is None or state.handshake == 0, f"handshake with {key}")
        self.assert_pings(left.home, "10.77.0.2", 3)


if __name__ == "__main__":
    harness.main()
