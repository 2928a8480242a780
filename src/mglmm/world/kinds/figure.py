"""The human figure: proportions, and the joints in each pose. Lengths in standing heights (one unit), y DOWN."""

import math
from dataclasses import dataclass

import numpy as np

from mglmm.world.kinds.outlines import XY
from mglmm.world.kinds.sketch import between, chance

Limb = tuple[XY, XY, XY]
"""Shoulder, elbow, hand or hip, knee, ankle."""

SOLE = 0.035
"""How far the ankle is above the ground."""

POSES = ("standing", "walking", "sitting", "waving", "holding", "riding")


@dataclass(frozen=True, slots=True)
class Proportions:
    """Of one build: `head` height, half widths of `shoulder`, `waist` and `hip`, `leg` height of the hip joints."""

    head: float
    shoulder: float
    waist: float
    hip: float
    leg: float
    thick: float


MAN = Proportions(head=0.168, shoulder=0.128, waist=0.098, hip=0.096, leg=0.47, thick=1.05)
WOMAN = Proportions(head=0.170, shoulder=0.106, waist=0.080, hip=0.102, leg=0.48, thick=0.9)
CHILD = Proportions(head=0.235, shoulder=0.118, waist=0.100, hip=0.098, leg=0.41, thick=1.05)


@dataclass(frozen=True, slots=True)
class Body:
    """A posed figure. `view` is "front", "back" or "side" (facing right); limbs are far first, near last.

    `face` (x, y) is the middle of the head with half axes `rx`, `ry`; `neck` and `hip` the ends of the torso with half
    widths `shoulder`, `waist`, `seat_width`; `toes` how far each foot points left (-1) or right
    (+1); `thick` scales limbs.
    """

    view: str
    pose: str
    face: XY
    rx: float
    ry: float
    neck: XY
    hip: XY
    shoulder: float
    waist: float
    seat_width: float
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    toes: tuple[float, float]
    thick: float

    def on_torso(self, along: float, across: float) -> XY:
        """The point `along` from the neck (0) to the hip (1) and `across` to the right of that line (a length)."""
        dx, dy = self.hip[0] - self.neck[0], self.hip[1] - self.neck[1]
        length = math.hypot(dx, dy)
        x = self.neck[0] + along * dx + across * dy / length
        return x, self.neck[1] + along * dy - across * dx / length

    def half_width(self, along: float) -> float:
        """Half the width of the torso at `along`."""
        stations = (0.0, 0.05, 0.14, 0.58, 0.95, 1.3)
        widths = (
            0.45 * self.shoulder,
            0.82 * self.shoulder,
            self.shoulder,
            self.waist,
            self.seat_width,
            self.seat_width,
        )
        return float(np.interp(along, stations, widths))

    def torso(self, start: float, end: float, ease: float = 0.0, flare: float = 0.0) -> np.ndarray:
        """The outline of the torso between two places along it, `ease` wider, `flare` wider still at its lower end."""
        stations = [start, *(a for a in (0.05, 0.14, 0.58, 0.95) if start < a < end), end]
        right = []
        left = []
        for along in stations:
            width = self.half_width(along) + ease + flare * max(0.0, (along - 0.58) / max(end - 0.58, 0.1))
            right.append(self.on_torso(along, width))
            left.append(self.on_torso(along, -width))
        return np.array(right + left[::-1])


def reach(start: XY, degrees: float, length: float) -> XY:
    """The point `length` away from `start`, at 0 degrees straight down, at 90 to the right."""
    angle = math.radians(degrees)
    return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)


def along(start: XY, end: XY, share: float) -> XY:
    """The point at `share` of the way from `start` to `end`."""
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _limb(start: XY, upper: float, lower: float, length: float) -> Limb:
    """A limb of two bones of half the `length` each, at two angles (degrees as in `reach`)."""
    joint = reach(start, upper, length / 2)
    return start, joint, reach(joint, lower, length / 2)


def _vary(rng: np.random.Generator, base: Proportions) -> Proportions:
    """Proportions of one person around those of the kind: slim to stout, long or short legs."""
    girth = between(rng, 0.88, 1.18)
    return Proportions(
        head=base.head * between(rng, 0.95, 1.1),
        shoulder=base.shoulder * (0.5 + 0.5 * girth),
        waist=base.waist * girth,
        hip=base.hip * (0.3 + 0.7 * girth),
        leg=base.leg * between(rng, 0.96, 1.04),
        thick=base.thick * (0.3 + 0.7 * girth),
    )


def _front_arms(rng: np.random.Generator, pose: str, shoulders: tuple[XY, XY], length: float) -> tuple[Limb, Limb]:
    """The arms of a figure seen from the front: hanging, on the hip, raised or bent to hold something."""
    arms = []
    for side, shoulder in zip((-1, 1), shoulders, strict=True):
        upper = between(rng, 6, 22)
        lower = upper + between(rng, -14, 10)
        if pose == "waving" and (side == 1 or chance(rng, 0.4)):
            upper, lower = between(rng, 95, 140), between(rng, 150, 185)
        elif pose == "holding" and side == 1:
            upper, lower = between(rng, 12, 30), between(rng, 75, 125)
        elif pose == "sitting":
            upper, lower = between(rng, 14, 24), between(rng, -25, 0)
        elif chance(rng, 0.14):
            upper, lower = between(rng, 38, 46), between(rng, -48, -38)
        arms.append(_limb(shoulder, side * upper, side * lower, length))
    return arms[0], arms[1]


def _front(rng: np.random.Generator, p: Proportions, pose: str, view: str) -> Body:
    """A figure seen from the front or the back: standing, waving, holding or sitting."""
    trunk = 1.0 - p.head - 0.015 - p.leg
    sitting = pose == "sitting"
    hip_y = -0.58 * p.leg if sitting else -p.leg
    tilt = between(rng, -0.012, 0.012)
    hip, neck = (0.0, hip_y), (tilt, hip_y - trunk)
    reach_of_arm = trunk * 0.78 + 0.06
    shoulder_x = p.shoulder - 0.026 * p.thick
    shoulders = ((neck[0] - shoulder_x, neck[1] + 0.038), (neck[0] + shoulder_x, neck[1] + 0.038))
    stance = between(rng, 2, 8)
    legs = []
    for side in (-1, 1):
        start = (side * p.hip * 0.52, hip_y)
        if sitting:
            knee = (side * (p.hip * 0.72 + between(rng, 0.0, 0.03)), hip_y + 0.075)
            legs.append((start, knee, (knee[0] + side * between(rng, -0.02, 0.015), -SOLE)))
        else:
            ankle = (start[0] + side * math.tan(math.radians(stance)) * 0.5 * p.leg, -SOLE)
            legs.append((start, along(start, ankle, 0.5), ankle))
    face = (neck[0] + tilt, neck[1] - 0.015 - p.head / 2)
    arms = _front_arms(rng, pose, shoulders, reach_of_arm)
    return Body(
        view, pose, face, p.head * 0.40, p.head / 2, neck, hip, p.shoulder, p.waist, p.hip,
        arms, (legs[0], legs[1]), (-0.35, 0.35), p.thick,
    )  # fmt: skip


def _side(rng: np.random.Generator, p: Proportions, pose: str) -> Body:
    """A figure seen from the side, facing right: walking, or riding with bent knees and the hands in front."""
    trunk = 1.0 - p.head - 0.015 - p.leg
    bone = p.leg - SOLE
    riding = pose == "riding"
    lean = between(rng, 8, 18) if riding else between(rng, 1, 6)
    if riding:
        hip = (0.0, -p.leg * 0.86)
        far = _limb((0.02, hip[1]), 62, between(rng, -6, 4), bone)
        near = _limb((0.02, hip[1]), between(rng, 30, 42), between(rng, -16, -6), bone * 0.93)
        swing = (between(rng, 38, 48), between(rng, 62, 78))
        arm_angles = (swing, swing)
    else:
        stride = between(rng, 16, 28)
        hip = (0.0, -SOLE - bone / 2 * (math.cos(math.radians(stride)) + math.cos(math.radians(stride * 0.7))))
        far = _limb(hip, stride, stride * 0.5, bone)
        near = _limb(hip, -stride * 0.5, -stride * 1.1, bone)
        if chance(rng, 0.5):
            far, near = near, far
        forward, backward = (between(rng, 18, 34), between(rng, 30, 70)), (-between(rng, 16, 30), -between(rng, 2, 14))
        arm_angles = (backward, forward) if near[2][0] < 0 else (forward, backward)
    lowest = max(far[2][1], near[2][1]) + SOLE
    hip = (hip[0], hip[1] - lowest)
    far, near = _lifted(far, lowest), _lifted(near, lowest)
    neck = reach(hip, 180 - lean, trunk)
    shoulder = along(neck, hip, 0.12)
    length = trunk * 0.78 + 0.06
    arms = (_limb(shoulder, *arm_angles[0], length), _limb(shoulder, *arm_angles[1], length))
    face = (neck[0] + 0.018 + 0.1 * (neck[0] - hip[0]), neck[1] - 0.012 - p.head / 2)
    depth = 0.62
    return Body(
        "side", pose, face, p.head * 0.43, p.head / 2, neck, hip, p.shoulder * depth, p.waist * depth * 1.05,
        p.hip * depth * 1.1, arms, (far, near), (1.0, 1.0), p.thick,
    )  # fmt: skip


def _lifted(limb: Limb, height: float) -> Limb:
    """The limb moved up by `height`."""
    a, b, c = limb
    return (a[0], a[1] - height), (b[0], b[1] - height), (c[0], c[1] - height)


def pose_body(rng: np.random.Generator, base: Proportions, pose: str, from_behind: bool = False) -> Body:
    """A figure of the kind of `base` in one of `POSES`, its lowest foot on y = 0; `from_behind` only when standing."""
    proportions = _vary(rng, base)
    if pose in ("walking", "riding"):
        return _side(rng, proportions, pose)
    return _front(rng, proportions, pose, "back" if from_behind and pose == "standing" else "front")
