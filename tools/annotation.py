"""Makes the pictures of docs/annotation.md: every stage of the pipeline on one photograph, with no endpoint.

    python tools/annotation.py PHOTO

The committed ones show `skimage.data.coffee()` (Rachel Michetti, CC0), which scikit-image hands out.
"""

import asyncio
import base64
import io
import sys
from pathlib import Path

from PIL import Image

from mglmm import viz
from mglmm.annotate.embedded import EmbeddedAnnotator, EmbeddedOptions
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.sources import open_source
from mglmm.annotate.stages import Crew, Prepare, annotate
from mglmm.schema import Prediction, Rle, Sample, Segment

DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH_PX, CROP_PX = 420, 280


def main() -> None:
    """Write the pictures of the photograph that is named on the command line."""
    photo = Path(sys.argv[1])
    recipe = AnnotateRecipe.model_validate({"embedded": {"model": None}})
    scene = Prepare(open_source(str(photo), photo.parent), recipe, views=True, picture=False)(0)
    embedded = EmbeddedAnnotator(EmbeddedOptions(model=None))
    finished = asyncio.run(annotate(scene, Crew(embedded, embedded), recipe, {}))
    image = Image.open(photo).convert("RGB")
    _save("proposals", _painted(image, [node.rle for node in scene.nodes]))
    levels = [[n.rle for n in scene.nodes if (n.depth == 1) == whole] for whole in (True, False)]
    _save("tree", viz.side_by_side([_painted(image, level) for level in levels]))
    round_ones = [node for node in scene.nodes if node.looks.shape == "round"]
    shown = max(round_ones or scene.nodes, key=lambda node: node.looks.share)
    view = scene.views[shown.id]
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in (view.highlighted, view.crop)]
    _save(
        "view",
        viz.side_by_side([_fitting(pictures[0], WIDTH_PX), _fitting(pictures[1], CROP_PX)]),
    )
    cards = [_card(image, finished.sample, number) for number in (0, 1)]
    _save("captions", viz.side_by_side(cards))


def _painted(image: Image.Image, rles: list[Rle]) -> Image.Image:
    segments = [Segment(id=k, rle=rle, label="") for k, rle in enumerate(rles, start=1)]
    return _fitting(viz.overlay(image, segments, labels=False), WIDTH_PX)


def _fitting(picture: Image.Image, width: int) -> Image.Image:
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def _card(image: Image.Image, sample: Sample, number: int) -> Image.Image:
    """The caption of a turn with its masks."""
    turn = sample.turns[number]
    segments = tuple(sample.segment(i) for i in dict.fromkeys(turn.answer.segment_ids))
    said = Prediction(
        sample_id=sample.id, size=sample.size, instruction=turn.instruction, answer=turn.answer, segments=segments
    )
    return viz.answer_card(image, said, width=WIDTH_PX)


def _save(name: str, picture: Image.Image) -> None:
    DOCS.mkdir(exist_ok=True)
    path = DOCS / f"annotation-{name}.jpg"
    picture.save(path, quality=80, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
