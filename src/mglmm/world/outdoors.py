"""Outdoor backdrops: street, park, beach, farm, lake, snow, yard."""

from collections.abc import Callable

import numpy as np

from mglmm.world.stuff import Backdrop, Canvas, Rgb, box, jitter, one_of


def _street(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.36, 0.5)
    c.sky()
    c.far(horizon)
    if rng.random() < 0.5:
        c.grass(horizon)
    walk, road = horizon + rng.uniform(0.04, 0.1), horizon + rng.uniform(0.17, 0.26)
    road_end = rng.uniform(0.86, 1.15)
    c.add(
        "sidewalk",
        one_of(rng, (178, 174, 168), (160, 160, 164), (190, 180, 164)),
        "stone",
        c.below(c.line(walk)),
        details=_slabs(c, walk, road),
    )
    gray = int(rng.integers(70, 118))
    c.add(
        "road",
        jitter(rng, (gray, gray, gray + 3), 3),
        "asphalt",
        c.below(c.line(road)),
        details=_dashes(c, (road + min(road_end, 1.0)) / 2 - 0.02),
    )
    if road_end < 1.0:
        c.add("sidewalk", one_of(rng, (178, 174, 168), (160, 160, 164)), "stone", c.below(c.line(road_end)))
    return c.backdrop(ground=(walk + 0.05, 0.97), road=(road + 0.08, min(road_end, 0.97)), air=(0.08, horizon - 0.1))


def _slabs(c: Canvas, top: float, bottom: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The dark joints of paving slabs between two heights (shares)."""
    step, slant = c.rng.uniform(0.14, 0.24), c.rng.uniform(-0.06, 0.06)
    y0, y1 = top * c.height, bottom * c.height
    joints = [
        np.array([(x, y0), (x + 0.004, y0), (x + 0.006 + slant, y1), (x + slant, y1)])
        for x in np.arange(-0.3, c.width + 0.3, step)
    ]
    joints.append(box(c.left, y1 - 0.012, c.right, y1))
    return tuple((joint, (120, 118, 116)) for joint in joints)


def _dashes(c: Canvas, y: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The broken middle line of a road at height `y` (share)."""
    rgb = (226, 224, 214) if c.rng.random() < 0.7 else (220, 190, 70)
    step, slant = c.rng.uniform(0.25, 0.4), c.rng.uniform(-0.03, 0.03)
    y0, y1 = y * c.height, (y + 0.03) * c.height
    return tuple(
        (np.array([(x, y0), (x + step * 0.5, y0), (x + slant + step * 0.5, y1), (x + slant, y1)]), rgb)
        for x in np.arange(-0.5, c.width + 0.5, step) + c.rng.uniform(0, step)
    )


def _park(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.3, 0.48)
    c.sky()
    c.far(horizon)
    zones = {"ground": (horizon + 0.12, 0.97), "air": (0.08, horizon - 0.06)}
    if rng.random() < 0.25:
        c.add("water", one_of(rng, (90, 140, 176), (80, 130, 150)), "water", c.below(c.line(horizon)))
        edge = horizon + rng.uniform(0.1, 0.18)
        zones["water"] = (horizon + 0.06, edge)
        zones["ground"] = (edge + 0.08, 0.97)
        c.grass(edge, waves=0.012)
    else:
        c.grass(horizon)
    if rng.random() < 0.55:
        c.path(zones["ground"][0] - 0.06)
    if rng.random() < 0.3:
        c.low_wall(zones["ground"][0] - 0.02)
    return c.backdrop(**zones)


def _beach(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.26, 0.42)
    shore = horizon + rng.uniform(0.16, 0.3)
    c.sky()
    if rng.random() < 0.3:
        c.far(horizon)
    c.add("water", one_of(rng, (52, 128, 176), (70, 150, 180), (60, 140, 150)), "water", c.below(c.line(horizon)))
    sand = one_of(rng, (224, 200, 150), (210, 186, 140), (232, 214, 172))
    c.add("sand", sand, "sand", c.below(c.line(shore, waves=0.012, tilt=rng.uniform(-0.12, 0.12))))
    return c.backdrop(ground=(shore + 0.12, 0.97), water=(horizon + 0.07, shore), air=(0.08, horizon - 0.05))


def _farm(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.3, 0.46)
    c.sky()
    c.far(horizon)
    if rng.random() < 0.7:
        rgb = one_of(rng, (206, 176, 84), (180, 150, 80), (150, 168, 80), (134, 104, 70))
        c.add("field", rgb, "field", c.below(c.line(horizon, waves=0.008)), details=_furrows(c, horizon, rgb))
        near = horizon + rng.uniform(0.1, 0.24)
    else:
        near = horizon
    c.grass(near, waves=0.01)
    if rng.random() < 0.6:
        c.low_wall(near + 0.03)
    if rng.random() < 0.35:
        c.path(near + 0.06)
    return c.backdrop(ground=(near + 0.1, 0.97), air=(0.08, horizon - 0.06))


def _furrows(c: Canvas, horizon: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """Dark rows of a field that run towards the horizon."""
    dark = (int(rgb[0] * 0.8), int(rgb[1] * 0.8), int(rgb[2] * 0.78))
    vanish, y0, y1 = c.rng.uniform(0.2, 0.8) * c.width, (horizon + 0.015) * c.height, c.height
    return tuple(
        (
            np.array(
                [(vanish + d * 0.12, y0), (vanish + d * 0.12 + 0.004, y0), (vanish + d + 0.03, y1), (vanish + d, y1)]
            ),
            dark,
        )
        for d in np.arange(-2.0, 2.0, 0.14)
    )


def _lake(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.26, 0.42)
    shore = rng.uniform(0.7, 0.84)
    c.sky()
    rgb = one_of(rng, (88, 124, 86), (104, 124, 138), (120, 140, 112))
    c.add("hills", rgb, "hills", c.below(c.line(horizon - rng.uniform(0.04, 0.12), waves=0.04)))
    c.add("water", one_of(rng, (70, 120, 160), (60, 116, 140), (96, 144, 170)), "water", c.below(c.line(horizon)))
    if rng.random() < 0.6:
        c.grass(shore, waves=0.02)
    else:
        c.add("sand", one_of(rng, (210, 190, 146), (190, 174, 140)), "sand", c.below(c.line(shore, waves=0.015)))
    return c.backdrop(ground=(shore + 0.08, 0.98), water=(horizon + 0.12, shore - 0.04), air=(0.07, horizon - 0.04))


def _snow(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.34, 0.5)
    c.sky()
    c.far(horizon)
    rgb = one_of(rng, (238, 242, 248), (226, 234, 244), (244, 244, 244), amount=3)
    c.add("snow", rgb, "snow", c.below(c.line(horizon, waves=0.035, tilt=rng.uniform(-0.25, 0.25))))
    if rng.random() < 0.25:
        c.low_wall(horizon + 0.12)
    return c.backdrop(ground=(horizon + 0.16, 0.97), air=(0.08, horizon - 0.12))


def _yard(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.34, 0.48)
    c.sky()
    if rng.random() < 0.5:
        rgb = one_of(rng, (48, 92, 44), (62, 104, 52), (40, 80, 50))
        c.add("hedge", rgb, "leaves", c.below(c.line(horizon - rng.uniform(0.1, 0.2), waves=0.006)))
    c.grass(horizon)
    if rng.random() < 0.75:
        c.low_wall(horizon + rng.uniform(0.02, 0.06))
    if rng.random() < 0.4:
        c.path(horizon + 0.08)
    return c.backdrop(ground=(horizon + 0.12, 0.97), air=(0.07, horizon - 0.12))


OUTDOOR: dict[str, Callable[[Canvas], Backdrop]] = {
    "street": _street,
    "park": _park,
    "beach": _beach,
    "farm": _farm,
    "lake": _lake,
    "snow": _snow,
    "yard": _yard,
}
"""How each outdoor setting is filled."""
