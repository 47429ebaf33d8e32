#!/usr/bin/python3
"""Sessions are renewed after two minutes, and no packet is lost meanwhile."""

import harness

SECONDS = 130


class Rekeying(harness.NetnsTest):
    def test_no_ping_is_lost_while_the_session_is_renewed(self):
        """All pairs at once: the time is the test's whole cost."""
        running = []
        for pair in harness.PAIRS:
            left, right = self.tunnel(pair)
            self.assert_both_ways(left, right, 1)
            handshake = left.peer(right).handshake
            pings = [harness.Process(self, ["ping", "-n", "-q", "-i", "0.1", "-c", SECONDS * 10, address], end.home)
                     for end, address in ((left, "10.77.0.2"), (right, "fd77::1"))]
            running.append((pair, left, right, handshake, pings))
        for pair, left, right, handshake, pings in running:
            for ping in pings:
                ping.wait(SECONDS + 30)
                self.assertIn(f"{SECONDS * 10} packets transmitted, {SECONDS * 10} received", ping.output(), pair)
            for end, other in ((left, right), (right, left)):
                renewed = end.peer(other).handshake - handshake
                self.assertGreaterEqual(renewed, 119, f"{pair}: renewed after two minutes")
                self.assertLessEqual(renewed, SECONDS)


if __name__ == "__main__":
    harness.main()
