"""The annotator in the package: who names a mask, and that nothing is said that is not known or measured."""

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mglmm.annotate.annotator import Tally
from mglmm.annotate.embedded import EmbeddedAnnotator, EmbeddedOptions, caption
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Looks, Scene
from mglmm.annotate.sources import Pictures
from mglmm.annotate.stages import Crew, Prepare, annotate
from mglmm.schema import GroundedText, Prediction, Rle, Segment

SIZE = (120, 160)


class FakePredictor:
    """Knows one disc, and what is asked about it; everything else it says is far from any mask, or uncertain."""

    def __init__(self, score: float = 0.9) -> None:
        self.asked: list[str] = []
        self.score = score

    def ask(self, image: Image.Image, instruction: str) -> Prediction:
        self.asked.append(instruction)
        inner = "ball" in instruction
        elsewhere = np.zeros(SIZE, bool)
        elsewhere[110:118, 2:10] = True
        shapes = {"the large white ball on the table": disc(40)} if not inner else {"a red dot": disc(15)}
        found = [*shapes.items(), ("a ghost", elsewhere)]
        segments = tuple(
            Segment(id=k, rle=Rle.from_mask(mask), label=label, score=self.score)
            for k, (label, mask) in enumerate(found)
        )
        answer = GroundedText(text="")
        return Prediction(sample_id="", size=SIZE, instruction=instruction, answer=answer, segments=segments)


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (x - 60) ** 2 + (y - 60) ** 2 <= radius**2


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    image = Image.new("RGB", (SIZE[1], SIZE[0]), (128, 130, 132))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 100, 100), fill=(240, 240, 236))
    draw.ellipse((45, 45, 75, 75), fill=(205, 38, 38))
    image.save(tmp_path / "a.png")
    recipe = AnnotateRecipe.model_validate({"proposals": {"kind": "regions"}})
    return Prepare(Pictures(tmp_path, [tmp_path / "a.png"]), recipe, views=False, picture=True)(0)


def described(scene: Scene, predictor: Any, **options: Any) -> dict[str, str]:
    """Label -> who says it."""
    annotator = EmbeddedAnnotator(EmbeddedOptions(**options), predictor)
    answers = asyncio.run(annotator.describe(scene, scene.nodes, lambda _: [], Tally()))
    return {a.label: a.by for a in answers}  # type: ignore[union-attr]


def test_the_model_names_what_it_seems_to_know(scene: Scene) -> None:
    predictor = FakePredictor()
    said = described(scene, predictor)
    assert said["ball"] == said["dot"] == "model:default"
    assert {by for label, by in said.items() if label not in ("ball", "dot")} <= {"measured"}
    assert "ghost" not in said
    assert [re.sub(" in detail.*", "", text) for text in predictor.asked] == [
        "Describe the whole picture",
        "Describe the ball",
    ]


def test_an_uncertain_model_is_not_believed(scene: Scene) -> None:
    assert set(described(scene, FakePredictor(score=0.4)).values()) == {"measured"}


def test_no_model_is_asked_where_there_is_none(scene: Scene) -> None:
    assert set(described(scene, None, model=None).values()) == {"measured"}


def test_named_things_are_told_by_their_names(scene: Scene) -> None:
    annotator = EmbeddedAnnotator(EmbeddedOptions(), FakePredictor())  # type: ignore[arg-type]
    finished = asyncio.run(annotate(scene, Crew(annotator, annotator), AnnotateRecipe(), {}))
    assert "a large round white ball" in finished.sample.turns[0].answer.phrases
    assert not [r for r in finished.rejections if r.stage == "compose"]


@pytest.mark.parametrize(
    ("label", "given", "expected"),
    [
        ("car", "", "A red car on the left."),
        ("trousers", "", "Red trousers on the left."),
        ("car", "striped car", "A striped car on the left."),
        ("car", "A car that has been in a flood.", "A car that has been in a flood."),
        ("red region", "", "A red region on the left."),
    ],
)
def test_captions(label: str, given: str, expected: str) -> None:
    looks = Looks(box_xywh=(0.1, 0.4, 0.1, 0.2), share=0.04, color="red", texture="smooth", shape="plain", border=0.0)
    text = caption(label, looks, given)
    assert text.startswith(expected)
    assert "4 % of the picture" in text and ("They cover" in text) == (label == "trousers")
