"""Plots as SVG, written by hand: lines over two axes, each linear or logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 20, 48, 56
_COLOURS = ("#b3261e", "#1f6feb", "#1a7f37", "#9a6700", "#6639ba")
_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """What an axis shows; logarithmic axes leave out what is not above 0."""

    label: str
    logarithmic: bool = False


@dataclass(frozen=True)
class Line:
    """A named line through points."""

    name: str
    points: Sequence[tuple[float, float]]


def write(file: Path, title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> None:
    """Write the plot. Linear axes of positive values begin at 0."""
    file.write_text(svg(title, x, y, lines), encoding="utf-8")


def svg(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """The plot's text."""
    drawn = [Line(line.name, [p for p in line.points if _is_drawn(p, x, y)]) for line in lines]
    across = _Scale(x, [p[0] for line in drawn for p in line.points], _LEFT, WIDTH - _RIGHT)
    along = _Scale(y, [p[1] for line in drawn for p in line.points], HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="12" fill="#1f2328" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="15">{escape(title)}</text>',
    ]
    for value in across.ticks():
        at = across(value)
        parts.append(f'<path d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="#e2e5e9"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_short(value)}</text>')
    for value in along.ticks():
        at = along(value)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}" stroke="#e2e5e9"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(f'<text x="{_LEFT - 60}" y="{_TOP - 12}">{escape(y.label)}</text>')
    for number, line in enumerate(drawn):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{across(a):.1f},{along(b):.1f}" for a, b in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        right, row = WIDTH - _RIGHT, _TOP - 26 + 14 * number
        parts.append(f'<text x="{right}" y="{row}" text-anchor="end" fill="{colour}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _is_drawn(point: tuple[float, float], x: Axis, y: Axis) -> bool:
    return all(value > 0 or not axis.logarithmic for value, axis in zip(point, (x, y), strict=True))


class _Scale:
    """From values to pixels."""

    def __init__(self, axis: Axis, values: Sequence[float], first: float, last: float) -> None:
        self._axis = axis
        self._first, self._last = first, last
        values = values or [1.0]
        low, high = min(values), max(values)
        if axis.logarithmic:
            self._low, self._high = math.log10(low), math.log10(high)
        else:
            self._low, self._high = min(0.0, low), high
        if self._high <= self._low:
            self._high = self._low + 1

    def __call__(self, value: float) -> float:
        at = math.log10(value) if self._axis.logarithmic else value
        return self._first + (at - self._low) / (self._high - self._low) * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Round values within the scale."""
        if self._axis.logarithmic:
            found = [
                digit * 10.0**power
                for power in range(math.floor(self._low), math.ceil(self._high) + 1)
                for digit in ((1,) if self._high - self._low > 2 else (1, 2, 5))
            ]
            return [value for value in found if self._low - 1e-9 <= math.log10(value) <= self._high + 1e-9]
        rough = (self._high - self._low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
        first = math.ceil(self._low / step)
        return [number * step for number in range(first, math.floor(self._high / step + 1e-9) + 1)]


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {letter}"
    return f"{value:.6g}"
