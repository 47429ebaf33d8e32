"""Draws bars with whiskers as SVG: one panel for each figure, one bar for each program."""

import math
from typing import NamedTuple
from xml.sax.saxutils import escape

import lab

# Told apart by people with any colour vision (Okabe and Ito's palette).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
COLUMNS = 2
PANEL_WIDTH = 430
LETTER = 7  # room for a letter of a program's name
VALUES = 58  # room for the numbers behind the bars
BAR = 15
STEP = 22
STYLE = """text { font-family: sans-serif; font-size: 12px; fill: #222; }
.title { font-size: 18px; font-weight: bold; } .panel { font-size: 13px; font-weight: bold; }
.note { font-size: 11px; fill: #666; } .whisker { stroke: #222; stroke-width: 1.2; }
.axis { stroke: #999; stroke-width: 1; } .grid { stroke: #e4e4e4; stroke-width: 1; }"""


class Panel(NamedTuple):
    title: str
    note: str
    bars: dict  # program -> (median, lowest, highest)


def _text(x, y, text, style="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def round_step(limit):
    """A distance between grid lines so that 2 to 5 of them lie below `limit`: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(limit))
    for factor in (0.2, 0.5, 1):
        if limit / (power * factor) <= 5:
            return power * factor
    return power * 2


def _grid(x, top, bottom, limit, scale):
    step = round_step(limit)
    for number in range(int(limit / step + 1e-9) + 1):
        at = x + number * step * scale
        yield _line(at, top, at, bottom, "axis" if number == 0 else "grid")
        yield _text(at, bottom + 13, f"{number * step:,.6g}", "note", "middle")


def _bar(x, y, name, colour, values, scale):
    median, low, high = values
    middle = y + BAR / 2
    title = f"{name}: {lab.short(median)} ({lab.short(low)}-{lab.short(high)})"
    yield (f'<rect x="{x:.1f}" y="{y:.1f}" width="{median * scale:.1f}" height="{BAR}" fill="{colour}">'
           f"<title>{escape(title)}</title></rect>")
    yield _line(x + low * scale, middle, x + high * scale, middle, "whisker")
    for end in (low, high):
        yield _line(x + end * scale, middle - 4, x + end * scale, middle + 4, "whisker")
    yield _text(x + max(high, median) * scale + 5, middle + 4, lab.short(median))


def _panel(panel, names, left, top):
    yield _text(left, top + 13, panel.title, "panel")
    yield _text(left + PANEL_WIDTH - 20, top + 13, panel.note, "note", "end")
    top += 24
    limit = max(high for _, _, high in panel.bars.values()) or 1
    labels = 12 + LETTER * max(map(len, names))
    x = left + labels
    scale = (PANEL_WIDTH - labels - VALUES - 20) / limit
    yield from _grid(x, top - 2, top + STEP * len(names), limit, scale)
    for row, name in enumerate(names):
        y = top + row * STEP + 2
        yield _text(x - 6, y + BAR / 2 + 4, name, "", "end")
        if name in panel.bars:
            yield from _bar(x, y, name, COLOURS[row % len(COLOURS)], panel.bars[name], scale)
        else:
            yield _text(x + 5, y + BAR / 2 + 4, "-")


def _legend(names, y):
    x = 20.0
    for number, name in enumerate(names):
        yield f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield _text(x + 17, y, name)
        x += 17 + LETTER * len(name) + 22
    yield _text(x, y, "bars: medians; whiskers: lowest to highest", "note")


def draw(title, subtitle, names, panels):
    """The whole picture as text. `names` are all programs, in their order."""
    height_of_panel = 24 + STEP * len(names) + 40
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = 40 + COLUMNS * PANEL_WIDTH, 90 + rows * height_of_panel
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}">', f"<style>{STYLE}</style>",
             f'<rect width="{width}" height="{height}" fill="white"/>', _text(20, 28, title, "title"),
             _text(20, 46, subtitle, "note"), *_legend(names, 68)]
    for number, panel in enumerate(panels):
        parts += _panel(panel, names, 20 + number % COLUMNS * PANEL_WIDTH, 90 + number // COLUMNS * height_of_panel)
    return "\n".join([*parts, "</svg>", ""])
