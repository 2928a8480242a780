"""People: man, woman, child; heads here, poses in `figure`, garments in `clothes`, bags in `carried`.

Tree: person -> head -> hair, hat or cap (ribbon, pompom), sunglasses, beard; garments (with pocket, logo, belt ->
buckle); arm -> watch or wristband,
    or hand or glove below long sleeves; leg -> sock; shoe -> sole; bag or backpack -> strap ...
The frame's unit is the standing height, so a sitting or riding figure ends below y = -1 (raised arms may end above).
"""

from functools import partial

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import carried, clothes
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.figure import CHILD, MAN, POSES, WOMAN, Body, Proportions, along, pose_body
from mglmm.world.kinds.sketch import DARK, Sketch, between, chance, color_besides, pick

SKINS = (
    (250, 220, 196), (240, 200, 170), (228, 184, 146), (210, 160, 120), (188, 134, 94), (156, 106, 72), (122, 80, 54),
    (92, 60, 42),
)  # fmt: skip
HAIR_COLORS = ("black", "black", "brown", "brown", "brown", "yellow", "yellow", "gray", "white", "red", "orange")
MOUTH = Paint(None, rgb=(150, 60, 60))


def _back_hair(s: Sketch, rng: np.random.Generator, body: Body, style: str) -> None:
    """Adds the hair that hangs behind the shoulders or stands around the head."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    if style == "long":
        low = y + ry * between(rng, 1.5, 2.4)
        if body.view == "side":
            outline = [(x, y - ry), (x - rx * 1.15, y - ry * 0.5), (x - rx * 1.3, low), (x - rx * 0.2, low), (x, y)]
        else:
            wide = rx * between(rng, 1.25, 1.5)
            outline = [
                (x - rx, y - ry * 0.7),
                (x, y - ry * 1.1),
                (x + rx, y - ry * 0.7),
                (x + wide, low),
                (x, low),
                (x - wide, low),
            ]
        s.fill("head/hair", o.smooth(outline), -0.15)
    elif style == "bob":
        s.fill("head/hair", o.rounded_rectangle(x - rx * 1.28, y - ry, x + rx * 1.28, y + ry * 0.75, rx * 0.6), -0.15)
    elif style == "afro":
        s.fill("head/hair", o.ellipse(x, y - ry * 0.3, rx * 1.55, ry * 1.15), -0.05)
    elif style == "bun":
        dx = -0.75 * rx if body.view == "side" else 0.0
        s.fill("head/hair", o.ellipse(x + dx, y - ry * 1.15, rx * 0.55, count=14), -0.1)
    elif style == "tail":
        dx = -rx * 1.25 if body.view == "side" else rx * 1.2
        s.fill(
            "head/hair",
            o.capsule((x + dx * 0.75, y - ry * 0.5), (x + dx * 1.15, y + ry * 0.9), rx * 0.32, rx * 0.2),
            -0.1,
        )


def _front_hair(s: Sketch, rng: np.random.Generator, body: Body, style: str) -> None:
    """Adds the hair on top of the head; seen from behind it covers the head."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    if body.view == "back":
        s.fill("head/hair", o.ellipse(x, y - ry * 0.12, rx * 1.14, ry * 1.02))
        if style == "long":
            s.fill(
                "head/hair",
                o.smooth(
                    [
                        (x - rx * 1.1, y - ry * 0.3),
                        (x + rx * 1.1, y - ry * 0.3),
                        (x + rx * 1.3, y + ry * 1.9),
                        (x - rx * 1.3, y + ry * 1.9),
                    ]
                ),
            )
        return
    if body.view == "side":
        dome = o.segment(x - rx * 0.04, y, rx * 1.12, ry * 1.1, 140, 312)
        line = [
            (x + rx * 0.5, y - ry * 0.45),
            (x + rx * 0.02, y - ry * 0.3),
            (x - rx * 0.1, y + ry * 0.15),
            (x - rx * 0.4, y + ry * 0.4),
        ]
        s.fill("head/hair", np.concatenate([dome, line]))
        return
    side = 0.05 if style in ("long", "bob") else -0.1
    dome = o.segment(x, y, rx * 1.14, ry * 1.12, 180 - 30 * side, 360 + 30 * side)
    part = rx * between(rng, -0.5, 0.5)
    low, high = y - ry * between(rng, 0.3, 0.5), y - ry * between(rng, 0.52, 0.7)
    ear = y + ry * (0.55 if style in ("long", "bob") else 0.0)
    line = [(x + rx * 0.95, ear), (x + rx * 0.78, low), (x + part, high), (x - rx * 0.78, low), (x - rx * 0.95, ear)]
    s.fill("head/hair", np.concatenate([dome, line]))


def _face(s: Sketch, rng: np.random.Generator, body: Body) -> None:
    """Adds the head with ears, eyes, nose and mouth (none seen from behind)."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    if body.view == "side":
        s.fill("head", o.ellipse(x, y, rx, ry))
        s.fill(
            "head",
            o.polygon((x + rx * 0.9, y - ry * 0.1), (x + rx * 1.25, y + ry * 0.22), (x + rx * 0.85, y + ry * 0.3)),
        )
        s.fill("head", o.ellipse(x - rx * 0.2, y + ry * 0.05, rx * 0.2, ry * 0.2, 10), -0.2)
        s.fill("head", o.ellipse(x + rx * 0.6, y - ry * 0.1, rx * 0.12, ry * 0.12, 8), paint=DARK)
        s.fill("head", o.rectangle(x + rx * 0.5, y + ry * 0.48, x + rx * 0.88, y + ry * 0.56), paint=MOUTH)
        return
    s.fill("head", o.ellipse(x, y + ry * 0.05, rx * 1.16, ry * 0.2, 14), -0.12)
    s.fill("head", o.ellipse(x, y, rx, ry))
    if body.view == "back":
        return
    for side in (-1, 1):
        s.fill("head", o.ellipse(x + side * rx * 0.4, y - ry * 0.05, rx * 0.13, ry * 0.12, 8), paint=DARK)
    s.fill("head", o.polygon((x, y - ry * 0.02), (x + rx * 0.14, y + ry * 0.28), (x - rx * 0.14, y + ry * 0.28)), -0.18)
    smile = between(rng, -0.02, 0.12) * ry
    line = [(x - rx * 0.38, y + ry * 0.52), (x, y + ry * 0.52 + smile), (x + rx * 0.38, y + ry * 0.52)]
    s.fill("head", o.stroke(o.path(line, 2), ry * 0.09), paint=MOUTH)


def _beard(s: Sketch, body: Body, hair: Paint) -> None:
    """Adds a beard round the chin."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    node = s.part("head/beard", "beard", hair)
    if body.view == "side":
        rim = o.segment(x, y, rx * 1.03, ry * 1.1, 20, 115)
        s.fill(node, np.concatenate([rim, [(x - rx * 0.1, y + ry * 0.3), (x + rx * 0.6, y + ry * 0.42)]]))
        return
    rim = o.segment(x, y, rx * 1.04, ry * 1.14, 8, 172)
    inner = [(x - rx * 0.6, y + ry * 0.3), (x, y + ry * 0.36), (x + rx * 0.6, y + ry * 0.3)]
    s.fill(node, np.concatenate([rim, inner]))
    s.fill(node, o.rectangle(x - rx * 0.25, y + ry * 0.54, x + rx * 0.25, y + ry * 0.64), paint=MOUTH)


def _glasses(s: Sketch, rng: np.random.Generator, body: Body) -> None:
    """Adds sunglasses: two dark lenses in a coloured frame ("glasses" would also be several of the kind "glass")."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    node = s.part("head/glasses", "sunglasses", Paint(pick(rng, ("black", "black", "red", "blue", "white", "yellow"))))
    eyes = (x + 0.6 * rx,) if body.view == "side" else (x - 0.45 * rx, x + 0.45 * rx)
    s.fill(
        node, o.rectangle(x - rx * 0.95, y - ry * 0.13, x + rx * (0.7 if body.view == "side" else 0.95), y - ry * 0.03)
    )
    for eye in eyes:
        s.fill(node, o.ellipse(eye, y - ry * 0.06, rx * 0.4, ry * 0.27, 12))
        s.fill(node, o.ellipse(eye, y - ry * 0.06, rx * 0.25, ry * 0.16, 10), paint=DARK)


def _hat(s: Sketch, rng: np.random.Generator, body: Body, hair: str | None) -> float:
    """Adds a cap, a hat with a brim and a ribbon, a woolen hat or a helmet. Returns the y of its top."""
    (x, y), rx, ry = body.face, body.rx, body.ry
    style = "helmet" if body.pose == "riding" else pick(rng, ("cap", "brim", "wool", "brim", "cap", "helmet"))
    name = {"cap": "cap", "helmet": "helmet"}.get(style, "hat")
    paint = clothes.cloth(rng, hair, patterned=0.12 if style == "wool" else 0.0)
    node = s.part("head/hat", name, paint)
    other = Paint(color_besides(rng, hair, paint.color))
    line = y - ry * 0.34
    if style == "brim":
        return _brimmed(s, rng, body, line, other)
    s.fill(node, o.segment(x, line + ry * 0.08, rx * 1.18, ry, 180, 360))
    if style == "cap":
        forward = (1 if body.view == "side" else pick(rng, (-1, 1))) * rx
        brim = [(0.1 * forward, 0.1), (0.3 * forward, -0.14), (1.9 * forward, 0.02), (1.9 * forward, 0.16)]
        if body.view == "front" and chance(rng, 0.6):
            brim = [(-rx * 1.1, 0.06), (0.0, -0.22), (rx * 1.1, 0.06), (0.0, 0.26)]
            s.fill(s.part(f"{node}/logo", "logo", other), o.ellipse(x, line - ry * 0.45, rx * 0.34, ry * 0.24, 10))
        s.fill(node, o.smooth([(x + dx, line + dy * ry) for dx, dy in brim]), -0.25)
    elif style == "wool":
        cuff = o.rounded_rectangle(x - rx * 1.22, line - ry * 0.12, x + rx * 1.22, line + ry * 0.2, ry * 0.1)
        s.fill(node, cuff, -0.25)
        if chance(rng, 0.6):
            s.fill(s.part(f"{node}/pompom", "pompom", other), o.ellipse(x, line - ry * 0.98, rx * 0.42, count=12))
            return line - ry * 0.98 - rx * 0.42
    else:
        s.fill(node, o.rectangle(x - rx * 0.16, line - ry * 0.9, x + rx * 0.16, line + ry * 0.08), 0.3)
    return line - ry * 0.92


def _brimmed(s: Sketch, rng: np.random.Generator, body: Body, line: float, ribbon: Paint) -> float:
    """Adds the crown, the ribbon and the brim at y = `line` of a hat. Returns the y of its top."""
    x, rx = body.face[0], body.rx
    tall = body.ry * between(rng, 0.7, 1.15)
    crown = [(-1.02, 0.0), (-0.86, 1.0), (0.0, 1.08), (0.86, 1.0), (1.02, 0.0)]
    s.fill("head/hat", o.polygon(*((x + u * rx, line - v * tall) for u, v in crown)))
    band = [(-1.03, 0.0), (-0.98, 0.32), (0.98, 0.32), (1.03, 0.0)]
    node = s.part("head/hat/ribbon", "ribbon", ribbon)
    s.fill(node, o.polygon(*((x + u * rx, line - v * tall) for u, v in band)))
    s.fill("head/hat", o.ellipse(x, line, rx * between(rng, 1.6, 2.0), body.ry * 0.17), -0.08)
    return line - tall * 1.08


def _head(s: Sketch, rng: np.random.Generator, body: Body, kind: str, style: str, hair: Paint) -> float:
    """Adds all of the head in front of the body. Returns the y of its top."""
    _face(s, rng, body)
    if style != "bald":
        _front_hair(s, rng, body, style)
    if kind == "man" and body.view != "back" and chance(rng, 0.35):
        _beard(s, body, hair)
    if body.view != "back" and chance(rng, 0.25):
        _glasses(s, rng, body)
    if chance(rng, 0.7 if body.pose == "riding" else 0.36):
        return _hat(s, rng, body, hair.color if style != "bald" else None)
    return body.face[1] - body.ry * 1.1


def _outfit(rng: np.random.Generator, kind: str, pose: str) -> tuple[str, str, float]:
    """The names of the garments of the upper and the lower body ("" below a dress) and the sleeves' length 0..1."""
    tops = {
        "man": ("shirt", "shirt", "shirt", "shirt", "sweater", "sweater", "jacket", "jacket", "coat"),
        "woman": ("shirt", "shirt", "shirt", "sweater", "jacket", "coat", "dress", "dress"),
        "child": ("shirt", "shirt", "shirt", "shirt", "sweater", "jacket", "dress"),
    }
    top = pick(rng, tops[kind])
    if pose == "riding" and top in ("coat", "dress"):
        top = "shirt"
    bottom = pick(rng, ("trousers", "trousers", "trousers", "shorts"))
    if top == "dress":
        bottom = ""
    elif kind != "man" and pose != "riding" and top != "coat" and chance(rng, 0.3):
        bottom = "skirt"
    sleeves = {"shirt": (0.3, 0.36, 0.45, 0.93, 0.93), "dress": (0.2, 0.3, 0.45, 0.93)}
    return top, bottom, pick(rng, sleeves.get(top, (0.93,)))


def _dress(s: Sketch, rng: np.random.Generator, body: Body, upper: str, lower: str, skin: Paint) -> None:
    """Adds legs, shoes, neck and all garments but the sleeves."""
    clothes.legs(s, rng, body, skin, bare=lower != "trousers")
    lower_paint = clothes.cloth(rng, s.paints[upper].color, patterned=0.35 if lower == "skirt" else 0.06)
    if lower in ("trousers", "shorts"):
        clothes.trousers(s, rng, body, lower_paint, short=lower == "shorts")
    neck = body.on_torso(0.0, 0.0)
    s.fill("head", o.stroke([along(neck, body.face, 0.3), body.on_torso(0.06, 0.0)], body.rx * 0.95), -0.2)
    clothes.top(s, rng, body, upper)
    if lower == "skirt":
        clothes.skirt(s, rng, body, s.part("skirt", "skirt", lower_paint), 0.72)


def build_person(rng: np.random.Generator, paint: Paint, pose: str, kind: str, proportions: Proportions) -> Drawing:
    """One person; the garment of the upper body takes `paint`. Anchors: "hand", "hand_left", "head_top", "seat"."""
    skin = Paint(None, rgb=pick(rng, SKINS))
    hair = Paint(pick(rng, ("gray", "white", *HAIR_COLORS[:6]) if kind == "man" and chance(rng, 0.2) else HAIR_COLORS))
    style = pick(rng, {
        "man": ("short", "short", "short", "short", "bald", "afro"),
        "woman": ("long", "long", "bob", "bun", "tail", "afro", "short"),
        "child": ("short", "short", "bob", "tail", "long", "afro"),
    }[kind])  # fmt: skip
    bag = "" if pose == "sitting" else pick(rng, ("", "", "", "shoulder", "hand", "backpack"))
    body = pose_body(rng, proportions, pose, from_behind=bag == "backpack" and chance(rng, 0.6))
    if bag == "hand" and (body.view != "front" or pose == "waving"):
        bag = ""
    s = Sketch(kind, skin, state=pose if pose in ("standing", "walking", "sitting", "waving") else None, told=False)
    s.part("head", "head", skin)
    if style != "bald":
        s.part("head/hair", "hair", hair)
        if body.view != "back":
            _back_hair(s, rng, body, style)
    if bag == "backpack":
        carried.backpack_behind(s, rng, body, paint.color)
    upper, lower, sleeve = _outfit(rng, kind, pose)
    s.part(upper, upper, paint)
    glove = clothes.cloth(rng, paint.color) if chance(rng, 0.3) else None
    if body.view == "side":
        clothes.arm(s, rng, body, 0, sleeve, upper, skin, glove)
    _dress(s, rng, body, upper, lower, skin)
    if bag == "backpack":
        carried.backpack_before(s, rng, body, paint.color)
    elif bag == "shoulder":
        carried.shoulder_bag(s, rng, body, paint.color)
    top = _head(s, rng, body, kind, style, hair)
    if body.view != "back" and upper != "dress" and chance(rng, 0.16):
        clothes.scarf(s, rng, body, paint.color)
    if bag == "hand":
        carried.hand_bag(s, rng, body, paint.color)
    for which in (1,) if body.view == "side" else (0, 1):
        clothes.arm(s, rng, body, which, sleeve, upper, skin, glove)
    hip = body.on_torso(1.0, 0.0)
    return s.drawing_as_is({
        "hand": body.arms[1][2], "hand_left": body.arms[0][2], "head_top": (body.face[0], top),
        "seat": (hip[0], hip[1] + 0.04),
    })  # fmt: skip


EVERYWHERE = frozenset({
    "street", "park", "beach", "farm", "lake", "snow", "yard", "kitchen", "living room", "bedroom", "office",
})  # fmt: skip


def _kind(name: str, plural: str, proportions: Proportions, height: tuple[float, float]) -> Kind:
    """The kind of person of this name and build."""
    return Kind(
        name=name, plural=plural, build=partial(build_person, kind=name, proportions=proportions), height=height,
        settings=EVERYWHERE, support="ground", category="person", uses=("speak", "work", "help"), poses=POSES,
        patterns=PATTERNS,
    )  # fmt: skip


KINDS: tuple[Kind, ...] = (
    _kind("man", "men", MAN, (1.68, 1.92)),
    _kind("woman", "women", WOMAN, (1.58, 1.80)),
    _kind("child", "children", CHILD, (0.95, 1.35)),
)
