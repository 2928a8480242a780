"""RefCOCO, RefCOCO+, RefCOCOg, RefCLEF and gRefCOCO: expressions that refer to COCO's annotations."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mglmm.data.readers.coco import image_name
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.coco_file import CocoAnnotation, CocoFile, Entry, segments
from mglmm.data.readers.files import Pictures, existing, first_folder, read_json, read_pickle
from mglmm.data.readers.json_stream import Places
from mglmm.data.readers.policy import OnBad, Reader, Reading, SourceRecord, refuse
from mglmm.instructions import instruction
from mglmm.phrasing import Mention, Piece, grounded
from mglmm.schema import Sample, Task, Turn, UserError


class Sentence(SourceRecord):
    """An expression: `raw` as typed, `sent` cleaned (lower case, punctuation split off or dropped, at times all)."""

    raw: str = ""
    sent: str = ""
    sent_id: int


class Ref(SourceRecord):
    """What is referred to, with its expressions. The file's own `file_name` carries a suffix and is of no use.

    `ann_id`: one annotation; in gRefCOCO a list, [-1] where there is `no_target`.
    """

    ref_id: int
    image_id: int
    split: str
    ann_id: int | list[int]
    sentences: list[Sentence]
    no_target: bool = False

    @property
    def targets(self) -> tuple[int, ...]:
        """The ids of the annotations that are meant."""
        if self.no_target or self.ann_id == [-1]:
            return ()
        return tuple(dict.fromkeys(self.ann_id)) if isinstance(self.ann_id, list) else (self.ann_id,)


class _Job(NamedTuple):
    """An image with all that refers to it in the split."""

    entry: Entry
    refs: Sequence[Ref]
    places: Places


def _reader(name: str, split_by: str, doc: str) -> Reader:
    """The reader of a data set of the family; `split_by`: whose splits are meant where none is named."""

    def _read(
        root: Path,
        split: str,
        *,
        on_bad: OnBad = refuse,
        check_images: bool = True,
        images: str = "",
        text: str = "sent",
    ) -> Reading:
        if text not in ("sent", "raw"):
            raise UserError(f"option text={text!r}: give text=sent or text=raw")
        given, _, wanted = split.rpartition("/")
        refs = _refs(_refs_path(root / name, given or split_by), wanted, on_bad)
        file = CocoFile(existing(root / name / "instances.json", "the annotations"), on_bad)
        pictures = Pictures(root, _image_folder(root, name, images), check_images)
        for unknown in sorted(refs.keys() - {entry.id for entry in file.entries}):
            ref_id = refs[unknown][0].ref_id
            on_bad(UserError(f"{root / name}: ref {ref_id} is about image {unknown}, which has no record"))

        def _build(job: _Job) -> Sample:
            image = file.image(job.entry, job.places)
            place = file.place(job.entry)
            picture = pictures.place(image_name(image), image.size)
            marks = [CocoAnnotation.parse(raw, place) for raw in file.annotations(job.entry.id, job.places)]
            meant = {target for ref in job.refs for target in ref.targets}
            found, meta = segments(file, [m for m in marks if m.id in meant], image.size, place)
            meta["refs"] = [
                {"ref_id": r.ref_id, "ann_ids": list(r.targets), "sent_ids": [s.sent_id for s in r.sentences]}
                for r in job.refs
            ]
            return Sample(
                id=f"{name}/{image.id}",
                image=picture,
                size=image.size,
                segments=tuple(found),
                turns=tuple(_turns(job.refs, f"{name}/{image.id}", text, {s.id for s in found}, place)),
                source=name,
                split=split,
                meta=meta,
            )

        jobs = (_Job(entry, refs[entry.id], places) for entry, places in file.samples() if entry.id in refs)
        return Reading(jobs, _build, lambda job: file.place(job.entry), on_bad)

    _read.__doc__ = doc
    return _read


def _image_folder(root: Path, name: str, images: str) -> Path:
    if images:
        return root / images
    mscoco = ("images/mscoco/images/train2014", "images/train2014")
    candidates = ("images/saiapr_tc-12",) if name == "refclef" else mscoco
    return first_folder([root / candidate for candidate in (*candidates, "train2014")])


def _refs_path(folder: Path, split_by: str) -> Path:
    """The refs of a way to split: JSON for gRefCOCO, else a pickle."""
    kind = "grefs({}).json" if folder.name == "grefcoco" else "refs({}).p"
    return existing(folder / kind.format(split_by), "the expressions")


def _refs(path: Path, split: str, on_bad: OnBad) -> dict[int, list[Ref]]:
    """The refs of a split by image. The whole file is held: the largest there is has 20 MB."""
    listed = read_json(path) if path.suffix == ".json" else read_pickle(path)
    if not isinstance(listed, list):
        raise UserError(f"{path}: holds a {type(listed).__name__}, not a list of refs")
    found: dict[int, list[Ref]] = defaultdict(list)
    splits, known = set(), set()
    for number, value in enumerate(listed, start=1):
        try:
            ref = Ref.of(value, f"{path}, ref number {number}")
            if ref.ref_id in known:
                raise UserError(f"{path}, ref number {number}: the ref_id {ref.ref_id} stands for another ref already")
        except UserError as error:
            on_bad(error)
            continue
        known.add(ref.ref_id)
        splits.add(ref.split)
        if ref.split == split:
            found[ref.image_id].append(ref)
    if not found:
        raise UserError(f"{path}: no split {split!r}; there are {', '.join(sorted(splits)) or 'none'}")
    return found


def _turns(refs: Sequence[Ref], name: str, text: str, known: set[int], place: str) -> Iterator[Turn]:
    """One turn for each expression, in the file's order."""
    rng = wording(name)
    task: Task = "generalized_referring" if name.startswith("grefcoco") else "referring"
    for ref in refs:
        missing = sorted(set(ref.targets) - known)
        if missing or ref.ann_id == []:
            raise UserError(f"{place}: ref {ref.ref_id} means annotations {missing}, of which there is no mask")
        for sentence in ref.sentences:
            texts = (sentence.sent.strip(), sentence.raw.strip())
            phrase = (texts[0] or texts[1]) if text == "sent" else (texts[1] or texts[0])
            if not phrase:
                raise UserError(f"{place}: ref {ref.ref_id} has an empty expression (sent_id {sentence.sent_id})")
            pieces: list[Piece] = (
                [Mention(phrase, ref.targets), "."] if ref.targets else [f"nothing here fits: {phrase}."]
            )
            yield Turn(
                task=task,
                instruction=instruction("referring", rng, phrase=phrase),
                answer=grounded(pieces),
                granularity="object",
                family=("none", "one", "several")[min(len(ref.targets), 2)] if task != "referring" else None,
            )


refcoco = _reader(
    "refcoco",
    "unc",
    """RefCOCO: short expressions (places allowed) for things of COCO train2014.

    Splits: `unc/` train, val, testA, testB (what papers report; "unc/" may be left out) and `google/` train, val, test.
    The same ref has other splits in each. Turns: one per expression, `sent` of the file, equal ones kept;
    `meta["refs"]` has ref_id, ann_ids and sent_ids in the order of the turns. Options: `text=raw`, `images=DIR`.

    Source: https://github.com/lichengunc/refer (arXiv 1608.00272).
    Licence: refer toolbox Apache-2.0; annotations of COCO CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/refcoco/refs(unc).p`, `ROOT/refcoco/instances.json`, images in `ROOT/images/mscoco/images/train2014`,
    `ROOT/images/train2014` or `ROOT/train2014`.
    Convert: `mglmm data convert refcoco --root refer/data --split testA --out refcoco-testA.jsonl`
    """,
)

refcoco_plus = _reader(
    "refcoco+",
    "unc",
    """RefCOCO+: expressions without places. Splits: `unc/` train, val, testA, testB. Else as `refcoco`.

    Source: https://github.com/lichengunc/refer (arXiv 1608.00272).
    Licence: as RefCOCO.
    Tree: `ROOT/refcoco+/refs(unc).p`, `ROOT/refcoco+/instances.json`, images as RefCOCO.
    Convert: `mglmm data convert refcoco+ --root refer/data --split val --out refcoco+-val.jsonl`
    """,
)

refcocog = _reader(
    "refcocog",
    "umd",
    """RefCOCOg: long expressions. Splits: `umd/` train, val, test ("umd/" may be left out), `google/` train, val.

    The two number their refs differently. Else as `refcoco`.

    Source: https://github.com/lichengunc/refer (arXiv 1511.02283).
    Licence: CC BY 4.0 (Google RefExp); images under the Flickr terms of each.
    Tree: `ROOT/refcocog/refs(umd).p`, `ROOT/refcocog/instances.json`, images as RefCOCO.
    Convert: `mglmm data convert refcocog --root refer/data --split val --out refcocog-val.jsonl`
    """,
)

refclef = _reader(
    "refclef",
    "unc",
    """RefCLEF (ReferItGame): expressions for regions of the SAIAPR TC-12 photos. Splits: `unc/` and `berkeley/`.

    Source: https://github.com/lichengunc/refer (ReferItGame, EMNLP 2014).
    Licence: research use, as IAPR TC-12 states.
    Tree: `ROOT/refclef/refs(unc).p`, `ROOT/refclef/instances.json`, images in `ROOT/images/saiapr_tc-12`.
    Convert: `mglmm data convert refclef --root refer/data --split testA --out refclef-testA.jsonl`
    """,
)

grefcoco = _reader(
    "grefcoco",
    "unc",
    """gRefCOCO: expressions for no, one or several things. Splits: `unc/` train, val, testA, testB.

    An answer to several targets is one phrase with all their segments; to none a sentence without a phrase.

    Source: https://github.com/henghuiding/gRefCOCO (arXiv 2306.00968).
    Licence: none stated in its repository; images under the Flickr terms of each.
    Tree: `ROOT/grefcoco/grefs(unc).json`, `ROOT/grefcoco/instances.json`, images as RefCOCO.
    Convert: `mglmm data convert grefcoco --root refer/data --split val --out grefcoco-val.jsonl`
    """,
)
