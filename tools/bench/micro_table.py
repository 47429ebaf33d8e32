#!/usr/bin/python3
"""Turns a report of Google Benchmark (JSON) into a table in Markdown; of repeated ones it shows the medians.

  weft_bench --benchmark_out=micro.json --benchmark_out_format=json; tools/bench/micro_table.py micro.json
"""

import json
import sys

import lab

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
EACH = ("packet", "hop")  # counters that hold the seconds of one of several operations in an iteration


def time_of_one(entry):
    """Seconds of one operation, and what it is called."""
    for name in EACH:
        if name in entry:
            return entry[name], f" a {name}"
    return entry["real_time"] * SECONDS[entry["time_unit"]], ""


def format_seconds(seconds):
    for unit in ("s", "ms", "µs", "ns"):
        if seconds >= 1 or unit == "ns":
            return f"{lab.short(seconds)} {unit}"
        seconds *= 1000
    return ""


def rate(entry):
    if "items_per_second" in entry:
        return f"{lab.short(round(entry['items_per_second']))}/s"
    if "bytes_per_second" in entry:
        return f"{lab.short(entry['bytes_per_second'] / 1e9)} GB/s"
    return f"{lab.short(round(1 / time_of_one(entry)[0], -3))}/s"


def rows(report):
    entries = report["benchmarks"]
    medians = [entry for entry in entries if entry.get("aggregate_name") == "median"]
    for entry in medians or entries:
        if entry.get("error_occurred"):
            yield [f"`{entry['name']}`", entry["error_message"], "-"]
            continue
        name = entry["run_name"].replace("/process_time", "").replace("/real_time", "")
        seconds, what = time_of_one(entry)
        yield [f"`{name}`", format_seconds(seconds) + what, rate(entry)]


def main():
    with open(sys.argv[1]) as file:
        text = file.read()
    if text.strip():  # nothing was run, e.g. with --benchmark_list_tests
        print(lab.machine_line(lab.machine()) + "\n")
        print("\n".join(lab.markdown_table(["operation", "time", "rate"], rows(json.loads(text)))))


if __name__ == "__main__":
    main()
