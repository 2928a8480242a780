"""SA-1B: images with all masks that SAM found, without names."""

from pathlib import Path

from mglmm.data.meta import PREDICTED_IOU, STABILITY_SCORE
from mglmm.data.readers.files import Pictures, read_bytes
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import FoundRle, from_rles
from mglmm.schema import Sample, UserError

LABEL = "region"
"""The label of every segment: the files name nothing. Ours."""


class Picture(SourceRecord):
    """The image of a file."""

    image_id: int
    width: int
    height: int
    file_name: str


class Mask(SourceRecord):
    """A mask; `area` in pixels."""

    id: int
    segmentation: FoundRle
    predicted_iou: float
    stability_score: float


class File(SourceRecord):
    """A JSON file."""

    image: Picture
    annotations: list[Mask]


def sa1b(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    images: str = "",
) -> Reading:
    """SA-1B: about 100 masks an image, made by SAM and named by nobody: every label is "region".

    `meta["predicted_iou"]` and `meta["stability_score"]`: by segment id (as text). The split is a folder.

    Source: https://ai.meta.com/datasets/segment-anything (arXiv 2304.02643).
    Licence: SA-1B Dataset Research License; for research only, images and masks alike.
    Tree: `ROOT/SPLIT/sa_1.json` (SPLIT is "sa_000020", for one; "." for ROOT), `ROOT/SPLIT/sa_1.jpg` or in `images`.
    Convert: `mglmm data convert sa-1b --root SA-1B --split sa_000020 --out sa_000020.jsonl`
    """
    folder = root / split
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the split of SA-1B is a folder of JSON files")
    pictures = Pictures(root, root / images if images else folder, check_images)

    def _build(path: Path) -> Sample:
        file = File.parse(read_bytes(path), str(path))
        size = file.image.height, file.image.width
        rles = from_rles([mark.segmentation for mark in file.annotations], size)
        # validated as a whole: a hundred `Segment`s one by one take twice as long
        return Sample.model_validate(
            {
                "id": f"sa-1b/{file.image.image_id}",
                "image": pictures.place(file.image.file_name, size),
                "size": size,
                "segments": [
                    {"id": mark.id, "rle": rle, "label": LABEL}
                    for mark, rle in zip(file.annotations, rles, strict=True)
                ],
                "source": "sa-1b",
                "split": split,
                "meta": {
                    PREDICTED_IOU: {str(mark.id): mark.predicted_iou for mark in file.annotations},
                    STABILITY_SCORE: {str(mark.id): mark.stability_score for mark in file.annotations},
                },
            }
        )

    return Reading(sorted(folder.glob("*.json")), _build, str, on_bad)
