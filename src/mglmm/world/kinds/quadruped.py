"""What four-legged animals share: their build, the trunk with its legs, the eyes."""

from dataclasses import dataclass

from mglmm.world.kinds.materials import PALE, material
from mglmm.world.kinds.outlines import XY, capsule, ellipse, polygon
from mglmm.world.kinds.sketch import DARK, Sketch

PINK_SKIN = material(222, 150, 150)
HOOF = material(58, 48, 42)


@dataclass(frozen=True, slots=True)
class Build:
    """The proportions of a four-legged animal, in any unit: lengths of body and legs, radii of body, legs and neck."""

    length: float
    leg: float
    girth: float
    leg_radius: float
    neck: float
    hoof: bool = False


def _add_leg(sketch: Sketch, number: int, hip: XY, foot: XY, radius: float, hoof: bool, far: bool) -> None:
    """Adds one leg from `hip` to `foot` with a paw or a hoof (a part); the two legs on the far side are darker."""
    node = sketch.part(f"leg{number}", "leg")
    shade = -0.25 if far else 0.0
    sketch.fill(node, capsule(hip, (foot[0], foot[1] - radius * 0.8), radius * 1.45, radius * 0.9), shade)
    x, y = foot
    if hoof:
        sketch.part(f"{node}/hoof", "hoof", HOOF)
        outline = polygon(
            (x - radius, y - 2 * radius), (x + radius, y - 2 * radius), (x + 1.5 * radius, y), (x - radius, y)
        )
        sketch.fill(f"{node}/hoof", outline)
    else:
        sketch.fill(node, capsule((x, y - radius), (x + radius, y - 0.8 * radius), radius, radius * 0.8, 4), shade)


def add_trunk(sketch: Sketch, build: Build, pose: str, head: XY) -> None:
    """Adds body (with neck up to `head`) and legs for a pose: "standing", "walking", "sitting" or "lying"."""
    length, leg, girth, thin = build.length, build.leg, build.girth, build.leg_radius
    body = sketch.part("body", "body")
    if pose == "sitting":
        chest = (0.62 * length, -leg - 0.35 * girth)
        _add_leg(sketch, 1, chest, (0.86 * length, 0.0), thin, build.hoof, True)
        sketch.fill(body, capsule(chest, head, 0.9 * build.neck, build.neck))
        sketch.fill(body, capsule((0.1 * length, -1.15 * girth), chest, 1.2 * girth, 0.85 * girth))
        node = sketch.part("leg2", "leg")
        sketch.fill(node, ellipse(0.12 * length, -0.95 * girth, 0.95 * girth), shade=-0.12)
        sketch.fill(node, capsule((0.1 * length, -thin), (0.42 * length, -thin), thin), shade=-0.12)
        _add_leg(sketch, 3, (chest[0] + 0.1 * girth, chest[1]), (0.72 * length, 0.0), thin, build.hoof, False)
    elif pose == "lying":
        sketch.fill(body, capsule((0.9 * length, -girth), head, 1.1 * build.neck, build.neck))
        sketch.fill(body, capsule((0.0, -1.02 * girth), (0.95 * length, -girth), 1.02 * girth, girth))
        for number, (a, b) in enumerate(
            (((0.9 * length, -0.5 * girth), (1.25 * length, -thin)), ((-0.05 * length, -thin), (0.3 * length, -thin))),
            1,
        ):
            node = sketch.part(f"leg{number}", "leg")
            if number == 2:
                sketch.fill(node, ellipse(0.0, -0.85 * girth, 0.85 * girth, 0.8 * girth), shade=-0.12)
            sketch.fill(node, capsule(a, b, thin), shade=-0.12)
    else:
        step = 0.22 * leg if pose == "walking" else 0.05 * leg
        back, hip, shoulder = -leg - 0.75 * girth, 0.02 * length, 0.98 * length
        for number, (x, swing) in enumerate(((hip + 0.18 * length, -1.4), (shoulder - 0.17 * length, 1.4)), 1):
            _add_leg(sketch, number, (x, back + 0.5 * girth), (x + swing * step, 0.0), thin, build.hoof, True)
        sketch.fill(body, capsule((shoulder, back), head, 1.35 * build.neck, build.neck))
        sketch.fill(body, capsule((0.0, back), (length, back), girth, 1.04 * girth, 8))
        for number, (x, swing) in enumerate(((hip, 1.0), (shoulder, -1.0)), 3):
            _add_leg(sketch, number, (x, back + 0.3 * girth), (x + swing * step, 0.0), thin, build.hoof, False)


def add_eye(sketch: Sketch, x: float, y: float, radius: float) -> None:
    """Draws an eye on the head: dark with a light spot."""
    sketch.fill("head", ellipse(x, y, radius, count=8), paint=DARK)
    sketch.fill("head", ellipse(x + 0.3 * radius, y - 0.35 * radius, 0.4 * radius, count=6), paint=PALE)
