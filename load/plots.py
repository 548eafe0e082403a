"""Plots as inline SVG, drawn by hand: a report must open anywhere, without scripts and without a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 860
HEIGHT: Final = 240
_LEFT: Final = 64
_BOTTOM: Final = 30
_TOP: Final = 12
_RIGHT: Final = 12
_MOST_POINTS: Final = 800


class Line(NamedTuple):
    """One curve: a name for the legend and its points."""

    name: str
    points: Sequence[tuple[float, float]]


def lines(curves: Iterable[Line], x_label: str, y_label: str) -> str:
    """Curves over one axis. Those without points are left out; without any there is a sentence instead."""
    drawn = [curve for curve in curves if len(curve.points) > 1]
    if not drawn:
        return "<p class='none'>nothing was measured</p>"
    most_x = max(x for curve in drawn for x, _ in curve.points) or 1.0
    most_y = nice(max(y for curve in drawn for _, y in curve.points) or 1.0)
    paths = "".join(
        f"<polyline class='curve c{at}' points='{_path(curve.points, most_x, most_y)}'/>"
        for at, curve in enumerate(drawn)
    )
    axes = _y_axis(most_y, y_label) + _x_axis([(share * most_x, f"{share * most_x:,.0f}") for share in _FIFTHS], most_x)
    return _svg(axes + paths + _x_label(x_label)) + _legend(curve.name for curve in drawn)


def bars(buckets: Sequence[tuple[float, float, int]], unit: str) -> str:
    """A histogram over a logarithmic axis: (from, to, count)."""
    shown = [bucket for bucket in buckets if bucket[1] > 0]
    if not shown:
        return "<p class='none'>nothing was measured</p>"
    low = math.log10(max(shown[0][0], shown[0][1] / 2))
    high = math.log10(shown[-1][1])
    span = (high - low) or 1.0
    most = nice(max(count for _, _, count in shown))
    drawn = []
    for begin, end, count in shown:
        left = (math.log10(begin) - low) / span if begin > 0 else 0.0
        right = (math.log10(end) - low) / span
        x, y = _x(max(0.0, left), 1), _y(count, most)
        title = f"<title>{begin:.3g} to {end:.3g} {escape(unit)}: {count:,}</title>"
        drawn.append(
            f"<rect class='bar' x='{x:.1f}' y='{y:.1f}' width='{max(1.0, _x(right, 1) - x - 0.5):.1f}' "
            f"height='{_y(0, most) - y:.1f}'>{title}</rect>"
        )
    decades = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    ticks = [((math.log10(value) - low) / span, f"{value:g}") for value in decades]
    return _svg(_y_axis(most, "messages") + _x_axis(ticks, 1) + "".join(drawn) + _x_label(unit))


def rates(points: Sequence[tuple[float, float]], least_s: float = 1.0) -> list[tuple[float, float]]:
    """A counter over time as change a second, over spans of at least `least_s`."""
    found: list[tuple[float, float]] = []
    since = points[0] if points else (0.0, 0.0)
    for at_s, value in points[1:]:
        if at_s - since[0] >= least_s:
            found.append((at_s, max(0.0, value - since[1]) / (at_s - since[0])))
            since = (at_s, value)
    return found


def nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5 × 10^n that is not below."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.9999)


_FIFTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def _x(value: float, most: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * value / most


def _y(value: float, most: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / most


def _path(points: Sequence[tuple[float, float]], most_x: float, most_y: float) -> str:
    every = max(1, len(points) // _MOST_POINTS)
    return " ".join(f"{_x(x, most_x):.1f},{_y(y, most_y):.1f}" for x, y in points[::every])


def _y_axis(most: float, label: str) -> str:
    rows = []
    for share in _QUARTERS:
        y = _y(share * most, most)
        rows.append(f"<line class='grid' x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>")
        rows.append(f"<text class='tick' x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{share * most:,.6g}</text>")
    turned = f"transform='rotate(-90 12 {HEIGHT / 2})'"
    rows.append(f"<text class='label' x='12' y='{HEIGHT / 2}' text-anchor='middle' {turned}>{escape(label)}</text>")
    return "".join(rows)


def _x_axis(ticks: Iterable[tuple[float, str]], most: float) -> str:
    y = HEIGHT - _BOTTOM + 14
    return "".join(
        f"<text class='tick' x='{_x(value, most):.1f}' y='{y}' text-anchor='middle'>{escape(text)}</text>"
        for value, text in ticks
    )


def _x_label(text: str) -> str:
    return f"<text class='label' x='{WIDTH - _RIGHT}' y='{HEIGHT - 2}' text-anchor='end'>{escape(text)}</text>"


def _svg(inside: str) -> str:
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>{inside}</svg>"


def _legend(names: Iterable[str]) -> str:
    items = "".join(f"<span class='key c{at}'>{escape(name)}</span>" for at, name in enumerate(names))
    return f"<div class='legend'>{items}</div>"
