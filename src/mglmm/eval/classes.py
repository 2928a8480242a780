"""The classes of panoptic and semantic segmentation, and what a record or an answer says in terms of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from mglmm import masks
from mglmm.eval.panoptic import ClassSegment, stuff_united, without_overlaps
from mglmm.eval.phrase_classes import Match
from mglmm.masks import CocoRle
from mglmm.schema import Sample, UserError

CLASSES_NAME = "classes.json"
"""The file of the classes where none is named: it lies beside the samples."""
CROWD_KEY = "crowd_ids"
"""Entry of `Sample.meta`: ids of the segments that are several instances which nobody took apart."""
GROUPS_KEY = "groups"
"""Entry of `Sample.meta`: ids of the segments that are unions of others."""


class _Category(BaseModel):
    """One entry of a file of categories, as COCO panoptic has it; `synonyms` are ours."""

    id: int
    name: str
    isthing: Literal[0, 1]
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classes:
    """A closed list of classes. `names`: class id -> names, the first being the label of its segments."""

    path: Path
    names: Mapping[int, tuple[str, ...]]
    things: Mapping[int, bool]

    @property
    def id_of_label(self) -> dict[str, int]:
        """Label -> class id."""
        return {names[0]: class_id for class_id, names in self.names.items()}

    def truth(self, sample: Sample) -> list[ClassSegment]:
        """The segments of a sample as segments of classes, without parts of others and unions.

        Raises:
            UserError: a label is no class, two segments overlap, or `meta` names segments that are not there.
        """
        ids, crowd, left_out = self.id_of_label, _segment_ids(sample, CROWD_KEY), _segment_ids(sample, GROUPS_KEY)
        found = []
        for segment in sample.segments:
            if segment.parent is not None or segment.id in left_out:
                continue
            if segment.label not in ids:
                raise UserError(
                    f"sample {sample.id!r}, segment {segment.id}, field label: {segment.label!r} is no class of "
                    f"{self.path}; add it there"
                )
            found.append(ClassSegment(ids[segment.label], segment.rle.to_coco(), crowd=segment.id in crowd))
        rles = [segment.rle for segment in found]
        if rles and masks.areas(rles).sum() > masks.area(masks.union(rles)):
            raise UserError(f"sample {sample.id!r}, field segments: segments without a parent overlap")
        return found

    def predicted(
        self, matches: Sequence[Match], rles: Sequence[CocoRle], scores: Sequence[float | None]
    ) -> list[ClassSegment]:
        """The masks whose phrase means a class, in the order of the answer; they may overlap."""
        found = zip(matches, rles, scores, strict=True)
        return [ClassSegment(m.class_id, rle, score) for m, rle, score in found if m.class_id is not None]

    def panoptic(self, segments: Sequence[ClassSegment]) -> list[ClassSegment]:
        """Predicted segments as the panoptic format has them: stuff united, nothing twice on a pixel."""
        return without_overlaps(stuff_united(segments, self.things))


def _segment_ids(sample: Sample, key: str) -> set[int]:
    """The ids of segments that an entry of `meta` lists."""
    given, known = sample.meta.get(key, []), {segment.id for segment in sample.segments}
    if not isinstance(given, list) or not all(type(k) is int and k in known for k in given):
        raise UserError(f"sample {sample.id!r}, field meta.{key}: {given!r} is no list of ids of its segments")
    return set(given)


def read_classes(path: Path) -> Classes:
    """The classes in a JSON file: a list of {"id", "name", "isthing"} as COCO panoptic has it, "synonyms" if wanted.

    Raises:
        UserError: the file is missing, malformed or empty, or an id or a name comes twice.
    """
    try:
        categories = TypeAdapter(list[_Category]).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; panoptic and semantic scores need the list of classes, "
            '[{"id": 1, "name": "person", "isthing": 1}, ...]: give it with --classes'
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}, item {'.'.join(map(str, first['loc'])) or '0'}: {first['msg']}") from error
    if not categories:
        raise UserError(f"{path}: holds no class")
    for field in ("id", "name"):
        values = [category.model_dump()[field] for category in categories]
        if twice := [value for value in values if values.count(value) > 1]:
            raise UserError(f"{path}, field {field}: {twice[0]!r} comes twice")
    return Classes(
        path,
        {category.id: (category.name, *category.synonyms) for category in categories},
        {category.id: bool(category.isthing) for category in categories},
    )
