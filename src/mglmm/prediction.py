"""A prediction with its picture: drawn, shown in a notebook, handed on to other libraries."""

import io
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field

from mglmm import grounding, viz
from mglmm.schema import GroundedText, Prediction, UserError

if TYPE_CHECKING:
    from supervision import Detections

_LEGIBLE_SIDE_PX = 640
"""Saved overlays of smaller pictures are enlarged so that their labels can be read."""


class ImagePrediction(Prediction):
    """A prediction that also holds the upright picture (mode RGB) and the places of masks that no phrase is tied to.

    `to_json` leaves both out. `unnamed`: (segment id, where its `[SEG]` stands in the text), see `grounding.Parsed`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    image: Image.Image = Field(exclude=True, repr=False)
    unnamed: tuple[tuple[int, int], ...] = Field((), exclude=True, repr=False)

    @property
    def marked(self) -> str:
        """The answer with its markup, as a conversation goes on with it."""
        return grounding.render(self.answer, [place for _, place in self.unnamed])

    def overlay(self, *, labels: bool = True) -> Image.Image:
        """The picture with the masks; enlarged by a whole factor if its longer side is below 640 pixels."""
        scale = max(1, -(-_LEGIBLE_SIDE_PX // max(self.image.size)))
        return viz.overlay(self.image, self.segments, self.answer, labels=labels, scale=scale)

    def save(self, path: str | Path) -> None:
        """Write `overlay()` to a picture file, in the format that its ending names.

        Raises:
            UserError: the ending is no picture format, or the file cannot be written.
        """
        try:
            self.overlay().save(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
        except ValueError as error:
            raise UserError(f"{path}: no picture format has this ending; use .png or .jpg") from error

    def to_coco(self) -> dict[str, Any]:
        """COCO instances of this one picture: its masks as compressed RLE, labels as categories, scores."""
        labels = list(dict.fromkeys(segment.label for segment in self.segments))
        return {
            "images": [{"id": 1, "file_name": self.sample_id, "height": self.size[0], "width": self.size[1]}],
            "categories": [{"id": number, "name": label} for number, label in enumerate(labels, start=1)],
            "annotations": [
                {
                    "id": segment.id,
                    "image_id": 1,
                    "category_id": labels.index(segment.label) + 1,
                    **segment.to_coco(),
                    "iscrowd": 0,
                    "score": segment.score,
                }
                for segment in self.segments
            ],
        }

    def to_supervision(self) -> "Detections":
        """The masks as `supervision.Detections`: boxes float[M, 4] (xyxy), masks bool[M, H, W], confidence float[M].

        `confidence` is None if a mask has no score. `class_id` numbers the different labels; `data` holds `class_name`
        and `segment_id`.

        Raises:
            UserError: supervision is not installed.
        """
        try:
            from supervision import Detections
        except ModuleNotFoundError as error:
            raise UserError("supervision is not installed; pip install 'mglmm[supervision]'") from error
        labels = np.array([segment.label for segment in self.segments], dtype=str)
        scores = [segment.score for segment in self.segments]
        return Detections(
            xyxy=np.array([segment.box for segment in self.segments], dtype=float).reshape(-1, 4),
            mask=np.array([segment.mask for segment in self.segments], dtype=bool).reshape(-1, *self.size),
            confidence=None if None in scores else np.array(scores, dtype=float),
            class_id=np.unique(labels, return_inverse=True)[1].astype(int),
            data={"class_name": labels, "segment_id": np.array([segment.id for segment in self.segments], dtype=int)},
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the instruction, the picture with its masks, the answer in their colors."""
        buffer = io.BytesIO()
        self.overlay().save(buffer, "PNG")
        instruction = viz.html_text(GroundedText(text=self.instruction))
        return (
            f"<figure style='margin: 0; max-width: 44rem'><p><b>{instruction}</b></p>"
            f"<img style='max-width: 100%' alt='the picture with {len(self.segments)} masks' "
            f"src='data:image/png;base64,{b64encode(buffer.getvalue()).decode()}'>"
            f"<figcaption><p>{viz.html_text(self.answer)}</p></figcaption></figure>"
        )
