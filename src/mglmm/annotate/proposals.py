"""Candidate masks of a picture: those that come with it, of a SAM-family model, or a hierarchy of its regions."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from mglmm.annotate.records import Proposal
from mglmm.annotate.regions import RegionOptions, propose_regions
from mglmm.annotate.sources import Source
from mglmm.config import Recipe
from mglmm.data.meta import PREDICTED_IOU, STABILITY_SCORE
from mglmm.data.readers.files import read_bytes, read_ids
from mglmm.data.readers.sa1b import LABEL, File
from mglmm.data.readers.shapes import from_ids, from_rles
from mglmm.schema import Rle, Sample, UserError

Kind = Literal["auto", "given", "sa-1b", "label-map", "sam", "regions"]


class SamOptions(Recipe):
    """Mask generation with a SAM-family checkpoint, as transformers' pipeline "mask-generation" does it."""

    checkpoint: str = "facebook/sam-vit-base"
    device: str = "cpu"
    points_per_batch: int = 64
    call: dict[str, Any] = Field(default_factory=dict)
    """Handed to the pipeline as it is: `pred_iou_thresh`, `stability_score_thresh`, `crops_n_layers`, ..."""


class ProposalOptions(Recipe):
    """Where masks come from.

    `kind`: `given`, the segments of the samples; `sa-1b`, the file of the same name that ends in ".json" beside each
    picture; `label-map`, the PNG of the same name in `label_maps` (see `label_map_path`), one mask for each value but
    0; `sam`; `regions`; `auto`: the first two where they are there, else `regions`. `labels`: `ignore` to name given
    masks anew.
    """

    kind: Kind = "auto"
    labels: Literal["keep", "ignore"] = "keep"
    label_maps: str = ""
    regions: RegionOptions = RegionOptions()
    sam: SamOptions = SamOptions()


def propose(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    """The candidate masks of a picture (RGB), in its size.

    Raises:
        UserError: there are no masks where the options say, or they do not fit the picture.
    """
    found = _MAKERS[_kind(address, sample, options)](image, address, sample, options)
    for proposal in found:
        if proposal.rle.size != (image.height, image.width):
            raise UserError(
                f"{address}: the picture is {image.height} x {image.width}, a mask of it is {proposal.rle.size}"
            )
    return found


def check_proposals(options: ProposalOptions, source: Source) -> None:
    """Nothing, if what the options name is there for these pictures; told before anything is begun.

    Raises:
        UserError: there are no masks for any of the pictures, two have one label map, or the checkpoint or its device
            is not to be had.
    """
    if options.kind == "given" and source.bare:
        raise UserError("proposals.kind given: bare pictures have no masks; give a file of samples, or another kind")
    if options.kind == "sa-1b" and not any(_sa1b_path(source.address(k)).is_file() for k in range(len(source.ids))):
        raise UserError(f"proposals.kind sa-1b: there is no file {_sa1b_path(source.address(0))}, nor one for another")
    if options.kind == "label-map":
        _check_label_maps(options, source)
    if options.kind == "sam":
        _check_sam(options.sam)


def _check_label_maps(options: ProposalOptions, source: Source) -> None:
    folder = Path(options.label_maps)
    if not (options.label_maps and folder.is_dir()):
        raise UserError(f"proposals.label_maps: {options.label_maps or '(nothing)'}: give the folder of the maps")
    pictures: dict[Path, str] = {}
    for address in (source.address(k) for k in range(len(source.ids))):
        path = label_map_path(address, folder)
        if path.is_file() and pictures.setdefault(path, address) != address:
            raise UserError(
                f"{path}: {pictures[path]} and {address} have this one label map; put the maps into folders that are "
                "called like those of the pictures"
            )
    if not pictures:
        raise UserError(f"proposals.label_maps: there is no {label_map_path(source.address(0), folder)}, nor any other")


def _check_sam(options: SamOptions) -> None:
    from transformers import AutoConfig

    from mglmm.model.loading import device_called

    device_called(options.device)
    try:
        AutoConfig.from_pretrained(options.checkpoint)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"proposals.sam.checkpoint {options.checkpoint}: {reason}") from error


def label_map_path(address: str, folder: Path) -> Path:
    """The label map of a picture: NAME.png in `folder`; or in folders there that are called like the picture's.

    Of `pictures/a/x.jpg` the first that is there of FOLDER/pictures/a/x.png, FOLDER/a/x.png and FOLDER/x.png.
    """
    *above, name = PurePath(address).with_suffix(".png").parts
    places = [folder.joinpath(*above[k:], name) for k in range(len(above) + 1) if above[k:][:1] != ["/"]]
    return next((path for path in places if path.is_file()), places[-1])


def _kind(address: str, sample: Sample | None, options: ProposalOptions) -> Kind:
    if options.kind != "auto":
        return options.kind
    if sample is not None and sample.segments:
        return "given"
    return "sa-1b" if sample is None and _is_sa1b(_sa1b_path(address)) else "regions"


def _sa1b_path(address: str) -> Path:
    """Of the file of masks beside a picture."""
    return Path(address).with_suffix(".json")


def _is_sa1b(path: Path) -> bool:
    """Whether a file is there that may be one of SA-1B; so may a damaged one, which its reader then tells."""
    if not path.is_file():
        return False
    try:
        value = json.loads(read_bytes(path))
    except ValueError:
        return True
    return isinstance(value, dict) and {"image", "annotations"} <= value.keys()


def _given(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    """The segments of a sample."""
    if sample is None:
        raise UserError(f"{address}: a bare picture has no masks; give a file of samples, or other proposals.kind")
    scores, stability = _scores(sample, PREDICTED_IOU), _scores(sample, STABILITY_SCORE)
    keep = options.labels == "keep"
    return [
        Proposal(
            rle=segment.rle,
            origin="given",
            score=_bounded(scores.get(str(segment.id), segment.score)),
            stability=_bounded(stability.get(str(segment.id))),
            label=segment.label if keep and segment.label != LABEL else "",
            caption=(segment.caption or "") if keep else "",
        )
        for segment in sample.segments
    ]


def _scores(sample: Sample, key: str) -> dict[str, float]:
    """The scores by segment id (as text) that the meta of a sample has under this key."""
    given = sample.meta.get(key, {})
    if not isinstance(given, dict) or not all(isinstance(score, int | float) for score in given.values()):
        raise UserError(
            f'sample {sample.id}, field meta.{key}: is no mapping of segment ids to scores, as {{"7": 0.9}}; '
            "convert the data set again, or take the field out"
        )
    return given


def _sa1b(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    """The masks in the JSON file of SA-1B beside a picture."""
    path = _sa1b_path(address)
    file = File.parse(read_bytes(path), str(path))
    rles = from_rles([mask.segmentation for mask in file.annotations], (file.image.height, file.image.width))
    return [
        Proposal(
            rle=rle,
            origin="sa-1b",
            score=_bounded(mask.predicted_iou),
            stability=_bounded(mask.stability_score),
        )
        for mask, rle in zip(file.annotations, rles, strict=True)
    ]


def _label_map(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    """A mask for every value but 0 of a map in `label_maps`."""
    path = label_map_path(address, Path(options.label_maps))
    return [Proposal(rle=rle, origin="label-map") for value, rle in from_ids(read_ids(path)).items() if value]


def _regions(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    return propose_regions(image, options.regions)


def _sam(image: Image.Image, address: str, sample: Sample | None, options: ProposalOptions) -> list[Proposal]:
    """What a SAM-family model finds from a grid of points."""
    generate = _sam_pipeline(options.sam.checkpoint, options.sam.device)
    answer = generate(image, points_per_batch=options.sam.points_per_batch, **options.sam.call)
    return [
        Proposal(rle=Rle.from_mask(np.asarray(mask, dtype=bool)), origin="sam", score=_bounded(float(score)))
        for mask, score in zip(answer["masks"], answer["scores"], strict=True)
        if np.asarray(mask).any()
    ]


@lru_cache(maxsize=1)
def _sam_pipeline(checkpoint: str, device: str) -> Callable[..., dict[str, Any]]:
    """The pipeline of a checkpoint, one a process."""
    from transformers import pipeline

    return pipeline("mask-generation", model=checkpoint, device=device)


def _bounded(score: float | None) -> float | None:
    """Scores that models predict may be a little outside of 0..1."""
    return None if score is None else min(max(round(score, 4), 0.0), 1.0)


_MAKERS: dict[Kind, Callable[[Image.Image, str, Sample | None, ProposalOptions], list[Proposal]]] = {
    "given": _given,
    "sa-1b": _sa1b,
    "label-map": _label_map,
    "regions": _regions,
    "sam": _sam,
}
