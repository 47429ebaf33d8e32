#!/usr/bin/python3
"""What the measuring scripts compute and draw from samples and values."""

import argparse
import os
import random
import sys
import unittest
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tools/bench")

import bars  # noqa: E402
import flamegraph  # noqa: E402
import lab  # noqa: E402
import lossy_path  # noqa: E402
import numbered_flows  # noqa: E402
import one_end  # noqa: E402
import profile_tunnel  # noqa: E402
import side_by_side  # noqa: E402

SAMPLES = """\
weft-packets-0  4242/4243   100.000001:    2000000 cycles:
\t    55d0c0ffee10 weft::peer::open(weft::incoming_datagrams const&)+0x20 (/usr/bin/weftd)
\t    55d0c0ffee00 weft::io_loop::run()+0x1f (/usr/bin/weftd)

weft-packets-0  4242/4243   100.002001:    1000000 cycles:
\tffffffff81000010 tcp_v4_rcv+0x10 ([kernel.kallsyms])
\t    7f0000000010 __writev+0x4f (/usr/lib/libc.so.6)
\t    55d0c0ffee00 weft::io_loop::run()+0x1f (/usr/bin/weftd)

weft-packets-0  4242/4243   100.004001:    1000000 cycles:
\t    7f0000001000 imb_some_exported_name+0x9999 (/usr/lib/libIPSec_MB.so.1.3.0)
"""


class NumberedFlows(unittest.TestCase):
    def setUp(self):
        self.arrived = [0] * 4
        self.order = numbered_flows.Order(self.arrived)

    def see(self, flow, first, count):
        packet = numbered_flows.super_packet(flow, first, count)
        self.order.see(numbered_flows.numbers_in(packet, len(packet), numbered_flows.SIZE))

    def test_what_comes_in_order_is_counted_flow_by_flow(self):
        for first in range(0, 440, 44):
            self.see(0, first, 44)
            self.see(3, first, 44)
        self.assertEqual((self.order.late, self.order.missing, self.order.examples), (0, 0, []))
        self.assertEqual(self.arrived, [440, 0, 0, 440])

    def test_what_is_overtaken_is_late_and_what_never_comes_is_missing(self):
        self.see(1, 0, 10)
        self.see(1, 20, 10)  # ten are missing so far
        self.see(1, 10, 10)  # late
        self.see(1, 30, 10)
        self.assertEqual((self.order.late, self.order.missing), (10, 10))
        self.assertEqual(self.order.examples[0], (1, 30, 10))
        self.assertEqual((self.arrived[1], self.order.received), (40, 40))


class FlameGraph(unittest.TestCase):
    def setUp(self):
        self.tree = flamegraph.read_tree(SAMPLES.splitlines(keepends=True))

    def test_samples_with_the_same_callers_share_a_box(self):
        self.assertEqual(self.tree.weight, 4000000)
        thread = self.tree.callees["weft-packets-0"]
        self.assertEqual(sorted(thread.callees), ["[libIPSec_MB]", "weft::io_loop::run"])
        loop = thread.callees["weft::io_loop::run"]
        self.assertEqual(loop.weight, 3000000)
        self.assertEqual(sorted(loop.callees), ["__writev", "weft::peer::open"])

    def test_functions_are_ranked_by_the_time_spent_in_themselves(self):
        shares = profile_tunnel.own_shares(self.tree)
        self.assertEqual(shares[0], (0.5, "weft::peer::open"))
        self.assertEqual({name for share, name in shares if share == 0.25}, {"tcp_v4_rcv (kernel)", "[libIPSec_MB]"})
        self.assertEqual(profile_tunnel.kernel_share(self.tree), 0.25)

    def test_names_lose_their_arguments_but_not_their_words(self):
        for symbol, name in (
                ("std::map<int, std::vector<int> >::find(int const&)+0x12", "std::map::find"),
                ("(anonymous namespace)::copy(int)", "copy"),
                ("caf::visitor::operator()(int)", "caf::visitor::lambda"),
                ("tcp_v4_rcv+0x10", "tcp_v4_rcv")):
            self.assertEqual(flamegraph.short_name(symbol), name)

    def test_the_picture_is_xml_with_a_box_for_each_function(self):
        root = xml.fromstring("\n".join(flamegraph.draw(self.tree, "a < b & c")))
        titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertIn("weft::io_loop::run: 75.00 %", titles)
        self.assertEqual(len(titles), 7)

    def test_text_without_samples_gives_no_tree(self):
        self.assertIsNone(flamegraph.read_tree(["no samples here\n", "\n"]))


class SideBySide(unittest.TestCase):
    results = {"weft": [{"tcp_forward": 4.0}, {"tcp_forward": 2.0}, {"tcp_forward": 3.0}],
               "other": [{"tcp_forward": 1.5, "idle_cpu": 0.0}], "absent": []}

    def test_the_table_has_medians_ranges_and_ratios_to_the_first_program(self):
        lines = list(side_by_side.table(self.results))
        self.assertEqual(lines[0], "| figure | weft | other | absent |")
        self.assertEqual(lines[2], "| TCP, one flow, Gbit/s | 3.00 (2.00-4.00) | 1.50 (1.50-1.50) x0.50 | - |")
        self.assertEqual(len(lines), 4)

    def test_the_plot_is_xml_and_names_every_program(self):
        panels = side_by_side.panels(self.results)
        root = xml.fromstring(bars.draw("title", "a < b", list(self.results), panels))
        texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
        for name in self.results:
            self.assertEqual(texts.count(name), 1 + len(panels))

    def test_more_peers_have_addresses_of_their_own(self):
        text = side_by_side.idle_peers(70000)
        addresses = [line for line in text.splitlines() if line.startswith("AllowedIPs")]
        self.assertEqual(len(set(addresses)), 70000)


class Numbers(unittest.TestCase):
    def test_numbers_have_three_digits_and_whole_ones_all(self):
        for value, text in ((0, "0"), (0.0, "0"), (3.14159, "3.14"), (0.012345, "0.0123"), (62731.4, "62,700"),
                            (10000, "10,000"), (99.96, "100"), (0.9999, "1.00")):
            self.assertEqual(lab.short(value), text, value)

    def test_grid_lines_are_few_and_round(self):
        for limit in (0.07, 1, 1.11, 5.94, 9.99, 62700):
            step = bars.round_step(limit)
            self.assertTrue(1 <= limit / step <= 5.001, limit)


class OneEnd(unittest.TestCase):
    def drain(self, program, seconds, size="full"):
        return {"program": program, "end": "sending", "size": size, "seconds": seconds, "packets": 1_000_000,
                "bytes": 2_000_000_000, "lost": 0,
                "threads": {"weft-packets-0": 1.0, "weft-cipher-0": 0.6, "weft-control": 0.001}}

    def test_speed_and_cpu_are_of_what_was_moved(self):
        self.assertEqual(one_end.figures_of(self.drain("weft", 0.5)),
                         {"GB/s": 4.0, "CPU, s/GB": 0.8005, "weft-packets-0, s/GB": 0.5, "weft-cipher-0, s/GB": 0.3,
                          "lost, packets": 0})
        small = one_end.figures_of(self.drain("weft", 2.0, "small"))
        self.assertEqual((small["kpps"], small["weft-packets-0, µs/packet"]), (500.0, 1.0))

    def test_the_ratio_is_to_the_first_program(self):
        drains = [self.drain("other", 1.0), self.drain("cores 2", 0.5), self.drain("cores 2", 0.4)]
        lines = list(one_end.table(drains, ["other", "cores 2"]))
        self.assertEqual(lines[0], "| figure | other | cores 2 |")
        self.assertIn("| sending, full: GB/s | 2.00 (2.00-2.00) | 4.50 (4.00-5.00) x2.25 |", lines)
        self.assertIn("| sending, full: lost, packets | 0 (0-0) | 0 (0-0) |", lines)

    def test_a_datagram_is_padded_within_the_mtu(self):
        self.assertEqual(one_end.datagram_size(100), 128 + 32)
        self.assertEqual(one_end.datagram_size(101), 144 + 32)
        self.assertEqual(one_end.datagram_size(1392), 1420 + 32)


class LossyPath(unittest.TestCase):
    def line(self, **options):
        parser = argparse.ArgumentParser()
        lossy_path.add_options(parser)
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return lossy_path.Line(parser.parse_args(words), random.Random(7))

    def test_packets_leave_after_the_delay_in_their_order(self):
        line = self.line(delay=20, jitter=5)
        for number in range(100):
            line.take(number / 1e4, number)
        self.assertEqual(list(line.due(0.0199)), [])
        self.assertGreaterEqual(line.next(), 0.02)
        self.assertEqual(list(line.due(0.04)), list(range(100)))
        self.assertIsNone(line.next())

    def test_as_many_are_lost_as_was_asked_for(self):
        line = self.line(loss=10, limit=20000)
        for number in range(10000):
            line.take(0.0, number)
        self.assertTrue(900 < line.lost < 1100, line.lost)
        self.assertEqual(len(list(line.due(1.0))), 10000 - line.lost)

    def test_some_are_overtaken(self):
        line = self.line(delay=1, reorder=10)
        for number in range(1000):
            line.take(number / 1e4, number)
        arrived = list(line.due(10.0))
        self.assertNotEqual(arrived, list(range(1000)))
        self.assertEqual(sorted(arrived), list(range(1000)))
        self.assertTrue(50 < line.reordered < 150, line.reordered)

    def test_a_full_queue_loses_what_comes(self):
        line = self.line(delay=1, limit=10)
        for number in range(30):
            line.take(0.0, number)
        self.assertEqual(line.queue_full, 20)
        self.assertEqual(list(line.due(1.0)), list(range(10)))

    def test_options_are_passed_on_whole(self):
        parser = argparse.ArgumentParser()
        lossy_path.add_options(parser)
        given = parser.parse_args(["--loss", "1.5", "--delay", "20", "--limit", "50"])
        self.assertEqual(parser.parse_args(lossy_path.options_of(given)), given)


if __name__ == "__main__":
    unittest.main(verbosity=2)
