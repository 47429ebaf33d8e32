#!/usr/bin/python3
"""Draws a flame graph as SVG from the output of `perf script`.

  perf script -i perf.data | tools/bench/flamegraph.py --title 'weftd, receiving' > flame.svg

Each box is a function, its width the share of the samples in which it was on the stack; callers stand below. A
tooltip has the whole name and the share.
"""

import argparse
import re
import sys
import zlib
from xml.sax.saxutils import escape

WIDTH = 1200
ROW = 17
MARGIN = 10
HEAD = 48
KERNEL = " (kernel)"  # what the kernel's functions are marked with
STRIPPED = ("libIPSec_MB", "libcrypto", "libsodium")
NARROWEST = 1.0  # pixels; narrower boxes are left out
PIXELS_PER_LETTER = 6.6
STYLE = """text { font-family: monospace; font-size: 11px; fill: #111; pointer-events: none; }
.title { font-family: sans-serif; font-size: 17px; font-weight: bold; } .note { font-family: sans-serif; fill: #555; }
rect:hover { stroke: #000; stroke-width: 1; }"""


class Frame:
    """A function with one chain of callers, and the time that was spent in it and in what it called."""

    def __init__(self, name):
        self.name = name
        self.weight = 0
        self.callees = {}

    def add(self, stack, weight):
        """`stack` has the outermost caller first."""
        frame = self
        frame.weight += weight
        for name in stack:
            frame = frame.callees.setdefault(name, Frame(name))
            frame.weight += weight

    def depth(self):
        deepest, level = 0, [self]
        while level:
            level = [callee for frame in level for callee in frame.callees.values()]
            deepest += 1
        return deepest


def short_name(symbol):
    """A C++ symbol without arguments and template arguments."""
    name = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    name = name.replace("(anonymous namespace)::", "").replace("operator()", "lambda")
    depth, kept = 0, []
    for letter in name:
        if letter in "<(":
            depth += 1
        elif letter in ">)":
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(letter)
    return "".join(kept).strip() or symbol


def read_samples(lines):
    """Yields (program, stack, weight) of each sample; the stack has the outermost caller first."""
    head = re.compile(r"^(\S.*?)\s+\d+(?:/\d+)?\s+(?:\[\d+\]\s+)?[\d.]+:\s+(\d+)?")
    frame = re.compile(r"^\s+[0-9a-f]+ (.+) \(([^()]*|\[.*\])\)$")
    command, stack, weight = None, [], 1
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if command and stack:
                yield command, stack[::-1], weight
            command, stack = None, []
        elif found := head.match(line):
            command, stack = found.group(1), []
            weight = int(found.group(2) or 1)
        elif found := frame.match(line):
            stack.append(name_of(found.group(1), found.group(2)))
    if command and stack:
        yield command, stack[::-1], weight


def name_of(symbol, module):
    """A function's name, or its library's where that is stripped: there perf names the exported function before it."""
    library = module.rsplit("/", 1)[-1].strip("[]").split(".so")[0]
    if symbol == "[unknown]" or library.startswith(STRIPPED):
        return f"[{library}]"
    return short_name(symbol) + (KERNEL if module.startswith("[") else "")


def colour(name):
    """Blue for the kernel, green for cipher code, warm for the rest; the shade depends on the name only."""
    shade = zlib.crc32(name.encode()) % 60
    if name.endswith(KERNEL):
        return f"rgb({100 + shade},{160 + shade // 2},235)"
    if re.search(r"cipher|::seal|::open|libIPSec_MB|libcrypto|libsodium", name, re.I):
        return f"rgb({110 + shade},{205 + shade // 3},120)"
    return f"rgb(245,{140 + shade},{70 + shade})"


def boxes(root, width):
    """Yields (frame, level, x, width) with the callers first."""
    scale = width / root.weight
    waiting = [(root, 0, 0.0)]
    while waiting:
        frame, level, x = waiting.pop()
        if frame.weight * scale < NARROWEST:
            continue
        yield frame, level, x, frame.weight * scale
        for callee in sorted(frame.callees.values(), key=lambda each: each.name):
            waiting.append((callee, level + 1, x))
            x += callee.weight * scale


def draw(root, title):
    depth = root.depth()
    height = HEAD + depth * ROW + MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'viewBox="0 0 {WIDTH} {height}">')
    yield f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="white"/>'
    yield f'<text x="{MARGIN}" y="22" class="title">{escape(title)}</text>'
    yield (f'<text x="{MARGIN}" y="39" class="note">width: share of the time; callers stand below; blue: kernel, '
           "green: cipher, orange: the rest</text>")
    for frame, level, x, width in boxes(root, WIDTH - 2 * MARGIN):
        y = HEAD + (depth - 1 - level) * ROW
        share = frame.weight / root.weight * 100
        letters = int((width - 4) / PIXELS_PER_LETTER)
        yield (f'<g><title>{escape(frame.name)}: {share:.2f} %</title>'
               f'<rect x="{MARGIN + x:.2f}" y="{y}" width="{max(width - 0.3, 0.2):.2f}" height="{ROW - 1}" '
               f'fill="{colour(frame.name)}"/>')
        if letters >= 3:
            text = frame.name.removesuffix(KERNEL)
            text = text if len(text) <= letters else text[:letters - 1] + "…"
            yield f'<text x="{MARGIN + x + 3:.2f}" y="{y + 12}">{escape(text)}</text>'
        yield "</g>"
    yield "</svg>\n"


def read_tree(lines):
    """All samples as one tree; None if there are none."""
    root = Frame("all")
    for command, stack, weight in read_samples(lines):
        root.add([command, *stack], weight)
    return root if root.weight else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="Flame graph")
    parser.add_argument("file", nargs="?", type=argparse.FileType(errors="replace"), default=sys.stdin,
                        help="output of perf script (default: standard input)")
    arguments = parser.parse_args()
    root = read_tree(arguments.file)
    if root is None:
        sys.exit("flamegraph: no samples with stacks in the input")
    sys.stdout.write("\n".join(draw(root, arguments.title)))


if __name__ == "__main__":
    main()
