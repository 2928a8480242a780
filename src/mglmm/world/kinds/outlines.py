"""Outlines for drawing kinds of things: functions that return a closed polygon, float64[N, 2] (x right, y DOWN).

Angles are in degrees, 0 points right, 90 points DOWN (the y axis points down), so angles run clockwise on screen.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

XY = tuple[float, float]


@lru_cache(maxsize=64)
def _directions(start: float, end: float, count: int) -> np.ndarray:
    """Unit vectors float64[count, 2] at `count` angles from `start` to `end` (both included), degrees."""
    angles = np.radians(np.linspace(start, end, count))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@lru_cache(maxsize=16)
def _circle(count: int) -> np.ndarray:
    """The unit circle as float64[count, 2] without a repeated end point."""
    return _directions(0.0, 360.0, count + 1)[:-1]


@lru_cache(maxsize=16)
def _spline_weights(steps: int) -> np.ndarray:
    """Weights float64[steps, 4] of a uniform Catmull-Rom segment at `steps` parameters 0 <= t < 1.

    Source: Catmull and Rom, "A class of local interpolating splines" (1974).
    """
    t = np.arange(steps)[:, None] / steps
    powers = np.concatenate([np.ones_like(t), t, t * t, t * t * t], axis=1)
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2.0
    return powers @ basis


@lru_cache(maxsize=64)
def _neighbors(count: int) -> np.ndarray:
    """For each of `count` points on a closed line the indices int[count, 4] of the one before, itself, two behind."""
    return (np.arange(count)[:, None] + np.array([-1, 0, 1, 2])) % count


def polygon(*points: XY) -> np.ndarray:
    """The polygon through the given corners."""
    return np.array(points, dtype=np.float64)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The rectangle with these left, top, right and bottom edges."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def rounded_rectangle(x0: float, y0: float, x1: float, y1: float, radius: float, steps: int = 4) -> np.ndarray:
    """A rectangle with quarter-circle corners of `radius` (cut to half the shorter side), `steps` points a corner."""
    radius = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    corners = np.array(
        [(x1 - radius, y1 - radius), (x0 + radius, y1 - radius), (x0 + radius, y0 + radius), (x1 - radius, y0 + radius)]
    )
    arcs = [corners[i] + radius * _directions(90.0 * i, 90.0 * i + 90.0, steps) for i in range(4)]
    return np.concatenate(arcs)


def rounded(points: Sequence[XY], radius: float, steps: int = 4) -> np.ndarray:
    """The polygon through `points` with each corner rounded off: cut at most `radius` before and behind it."""
    p = np.asarray(points, dtype=np.float64)
    before, behind = np.roll(p, 1, axis=0) - p, np.roll(p, -1, axis=0) - p
    ends = []
    for edge in (before, behind):
        length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)
        ends.append(p + edge * (np.minimum(radius, length / 2.01) / length)[:, None])
    t = np.linspace(0.0, 1.0, steps)[None, :, None]
    curve = (1 - t) ** 2 * ends[0][:, None] + 2 * t * (1 - t) * p[:, None] + t**2 * ends[1][:, None]
    return curve.reshape(-1, 2)


def ellipse(cx: float, cy: float, rx: float, ry: float | None = None, count: int = 20) -> np.ndarray:
    """The ellipse around (cx, cy) with the half axes `rx` and `ry` (a circle without `ry`), `count` points."""
    return np.array([cx, cy]) + _circle(count) * np.array([rx, rx if ry is None else ry])


def pie(cx: float, cy: float, rx: float, ry: float, start: float, end: float, count: int = 12) -> np.ndarray:
    """The sector of an ellipse between two angles, with the center as a corner (for 180 degrees: a half disc)."""
    rim = np.array([cx, cy]) + _directions(start, end, count) * np.array([rx, ry])
    return np.concatenate([rim, [[cx, cy]]])


def segment(cx: float, cy: float, rx: float, ry: float, start: float, end: float, count: int = 12) -> np.ndarray:
    """The part of an ellipse cut off by the chord between two angles."""
    return np.array([cx, cy]) + _directions(start, end, count) * np.array([rx, ry])


def arc(
    cx: float, cy: float, radius: float, width: float, start: float = 0.0, end: float = 360.0, count: int = 20
) -> np.ndarray:
    """A band of `width` along a circle of mid `radius` between two angles; 0..360 gives a ring with an open middle."""
    directions = _directions(start, end, count)
    return np.array([cx, cy]) + np.concatenate(
        [directions * (radius + width / 2), directions[::-1] * (radius - width / 2)]
    )


def capsule(a: XY, b: XY, radius: float, end_radius: float | None = None, steps: int = 6) -> np.ndarray:
    """A limb from `a` to `b` with round ends, `radius` at `a` and `end_radius` (default the same) at `b`."""
    heading = float(np.degrees(np.arctan2(b[1] - a[1], b[0] - a[0])))
    cap = rotate(_directions(-90.0, 90.0, steps), heading)
    last = radius if end_radius is None else end_radius
    return np.concatenate([np.array(b) + cap * last, np.array(a) - cap * radius])


def smooth(points: Sequence[XY], steps: int = 4) -> np.ndarray:
    """A smooth closed curve through `points` (Catmull-Rom), `steps` points between each two of them."""
    p = np.asarray(points, dtype=np.float64)
    return (_spline_weights(steps) @ p[_neighbors(len(p))]).reshape(-1, 2)


def path(points: Sequence[XY], steps: int = 4) -> np.ndarray:
    """A smooth OPEN line through `points` from the first to the last (for `stroke`), not a closed outline."""
    p = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
    windows = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    line = (_spline_weights(steps) @ windows).reshape(-1, 2)
    return np.concatenate([line, p[-1:]])


def stroke(line: np.ndarray | Sequence[XY], width: float, end_width: float | None = None) -> np.ndarray:
    """A band along an open line, `width` at its start, `end_width` (default the same) at its end, with flat ends.

    Bends must be wider than the band, or the outline crosses itself: draw sharp corners with several strokes.
    """
    p = np.asarray(line, dtype=np.float64)
    tangent = np.empty_like(p)
    tangent[0], tangent[-1] = p[1] - p[0], p[-1] - p[-2]
    tangent[1:-1] = p[2:] - p[:-2]
    tangent /= np.hypot(tangent[:, 0], tangent[:, 1])[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    half = np.linspace(width, width if end_width is None else end_width, len(p))[:, None] / 2
    return np.concatenate([p + normal * half, (p - normal * half)[::-1]])


def translate(points: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """The points moved by (dx, dy)."""
    return points + np.array([dx, dy])


def rotate(points: np.ndarray, degrees: float, about: XY = (0.0, 0.0)) -> np.ndarray:
    """The points turned by `degrees` (clockwise on screen) around `about`."""
    angle = np.radians(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    center = np.array(about)
    return (points - center) @ np.array([[cos, sin], [-sin, cos]]) + center


def mirror(points: np.ndarray, x: float = 0.0) -> np.ndarray:
    """The points mirrored left to right at the vertical line `x`."""
    return np.stack([2 * x - points[:, 0], points[:, 1]], axis=1)


def scale(points: np.ndarray, sx: float, sy: float | None = None, about: XY = (0.0, 0.0)) -> np.ndarray:
    """The points scaled by `sx` and `sy` (default the same) around `about`."""
    center = np.array(about)
    return (points - center) * np.array([sx, sx if sy is None else sy]) + center
