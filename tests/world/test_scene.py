"""The layout of scenes: zones, bonds, cameras; what the catalogue promises to the stage."""

import numpy as np
import pytest

from mglmm.world.backdrops import INDOOR, OUTDOOR, SETTINGS, backdrop
from mglmm.world.cast import VESSELS, content, dwellers, holdable
from mglmm.world.drawing import Paint
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.kinds import KINDS
from mglmm.world.samples import ALSO_PARTS
from mglmm.world.scene import NOVEL_PAIRS, Scene, frame_aspect, layout, stream
from mglmm.world.stage import HEAVY
from mglmm.world.stuff import TEXTURES


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Many laid out scenes."""
    return [layout(seed) for seed in range(120)]


def test_scenes_vary(scenes: list[Scene]) -> None:
    assert len({scene.setting for scene in scenes}) == len(SETTINGS)
    assert {scene.light for scene in scenes} == {"day", "dusk", "night"}
    assert {scene.weather for scene in scenes} >= {"sunny", "clear", "cloudy", "rainy", "foggy", None}
    assert {bond.predicate for scene in scenes for bond in scene.bonds} == {
        "riding",
        "on",
        "holding",
        "inside",
        "under",
    }


def test_painting_order_and_bonds(scenes: list[Scene]) -> None:
    for scene in scenes:
        layers = [thing.layer for thing in scene.placed]
        assert layers == sorted(layers)
        for bond in scene.bonds:
            a, b = scene.placed[bond.subject], scene.placed[bond.object]
            if bond.predicate == "inside":
                assert bond.subject < bond.object
            if bond.predicate == "holding":
                assert a.kind.category == "person" and b.host == bond.subject
            if bond.predicate in ("on", "riding", "inside"):
                assert a.host == bond.object


def test_things_are_where_they_belong(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.placed:
            if thing.host is None:
                assert scene.setting in thing.kind.settings
                assert thing.kind.support != "surface" and thing.kind.support in ("ground", *scene.backdrop.zones)
            assert thing.scale > 0


def test_the_frame_has_area_one(scenes: list[Scene]) -> None:
    for seed, scene in enumerate(scenes):
        assert scene.width * scene.height == pytest.approx(1.0)
        assert scene.width / scene.height == pytest.approx(frame_aspect(seed))
        assert 0.5 <= frame_aspect(seed) <= 2.0


def test_withheld_pairs_exist() -> None:
    for name, color in NOVEL_PAIRS:
        assert color in KINDS[name].colors
        assert KINDS[name].settings & {*OUTDOOR, *INDOOR}
    assert len(NOVEL_PAIRS) >= 20


def test_held_out_seeds_may_show_them() -> None:
    drawn = {
        (thing.kind.name, node.paint.color)
        for seed in range(TRAIN_SEEDS_END, TRAIN_SEEDS_END + 150)
        for thing in layout(seed).placed
        if (node := thing.drawing.nodes[""]).paint is not None
    }
    assert drawn & NOVEL_PAIRS


@pytest.mark.parametrize("setting", SETTINGS)
def test_backdrops_are_well_formed(setting: str) -> None:
    weather = None if setting in INDOOR else "sunny"
    for seed in range(6):
        back = backdrop(setting, weather, "day", stream(seed), 1.2, 1 / 1.2)
        assert back.regions and all(region.texture in TEXTURES for region in back.regions)
        assert "ground" in back.zones and all(low < high for low, high in back.zones.values())
        assert all(np.isfinite(polygon).all() for region in back.regions for polygon in region.polygons)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_dwellers(setting: str) -> None:
    assert sum(kind.support != "surface" for kind in dwellers(setting)) >= 5


def test_catalogue_fits_the_stage() -> None:
    assert all(content(KINDS[name]) for name in VESSELS)
    assert any(kind.category == "person" for kind in KINDS.values())
    assert sum(kind.category in HEAVY for kind in KINDS.values()) >= 10
    assert sum(holdable(kind) for kind in KINDS.values()) >= 10


def test_kinds_that_are_also_parts_are_known() -> None:
    names = set()
    for kind in KINDS.values():
        for k in range(8):
            drawing = kind.build(stream(k), Paint(kind.colors[0]), kind.poses[k % len(kind.poses)])
            names |= {node.name for path, node in drawing.nodes.items() if path}
    assert names & set(KINDS) <= ALSO_PARTS <= set(KINDS)
