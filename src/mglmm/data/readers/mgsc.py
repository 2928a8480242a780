"""MGSCData, the multi-granularity captions of the MGLMM paper: read, and written back."""

import base64
import binascii
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mglmm import masks
from mglmm.atomic import atomic_file
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing, first_folder, inside, read_json, read_lines
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import FileRle, from_rle
from mglmm.instructions import instruction
from mglmm.phrasing import Mention, Pieces, grounded
from mglmm.schema import Granularity, Rle, Sample, Segment, Turn, UserError

ROOT, SUBTREE = "root", "subtree: "
"""The label of the root, and what that of any other node begins with. Source: the released reader of MGSCData."""

NODES = "nodes"
"""Key of `Sample.meta`: the file's nodes, each mask replaced by the id of its segment."""


class Key(BaseModel):
    """A grounded phrase: a short label, and the text of an RLE whose counts are base64 of COCO's compressed bytes."""

    label: str
    mask: str


class Node(SourceRecord):
    """The root or a subtree of an image's masks. Each of `gcg_labels` is also a field of its own, a `Key`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file_name: str
    label: str
    type: str
    gcg_caption: str
    gcg_labels: list[str] = []


def mgsc(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """MGSCData: captions of a whole image (panoptic) and of its things with their parts (fine-grained).

    Each node with a caption is a turn; the same mask in several nodes is one segment; in a subtree the key that has the
    object's name is the parent of the others. `write_mgsc` writes the same files again.

    Source: arXiv 2409.13407; never released, but `write_mgsc` and the reader of its authors use this layout.
    Licence: none stated; images of SA-1B under its research licence.
    Tree: `ROOT/SPLIT.txt` (a file name a line), `ROOT/annotations/mglmm_sa_1.json` (or in `ROOT`),
    `ROOT/images/sa_1.jpg` (or in `ROOT`).
    Convert: `mglmm data convert mgsc --root MGSCData --split val --out mgsc-val.jsonl`
    """
    listing = existing(root / f"{split}.txt", "the file names of the split, one a line")
    names = Counter(read_lines(listing))
    folder = root / annotations if annotations else first_folder([root / "annotations", root])
    pictures = Pictures(root, root / images if images else first_folder([root / "images", root]), check_images)
    for name, times in names.items():
        if times > 1:
            on_bad(UserError(f"{listing}: {name} stands there {times} times"))

    def _build(file: str) -> Sample:
        path = existing(inside(folder, file), f"an annotation that {listing.name} names")
        nodes = _read_nodes(path)
        segments, stored = _segments(nodes, str(path))
        name = nodes[0]["file_name"]
        size = segments[0].rle.size if segments else pictures.measure(name)[1]
        return Sample(
            id=f"mgsc/{path.stem}",
            image=pictures.place(name, size),
            size=size,
            segments=tuple(segments),
            turns=tuple(_turns(stored, path)),
            source="mgsc",
            split=split,
            meta={NODES: stored},
        )

    return Reading(names, _build, lambda name: str(folder / name), on_bad)


def write_mgsc(samples: Iterable[Sample], folder: Path) -> int:
    """Write each sample as a file of MGSCData into `folder`; returns the number written.

    A sample that was read from MGSCData gives its own nodes again, equal up to the order of keys, unless its masks,
    labels or answers were changed since; from any other the nodes are made of its turns of the task "mgsc", and its
    image's path is the name of the picture as it stands there.

    Raises:
        UserError: the folder cannot be written.
    """
    count = 0
    for sample in samples:
        path = folder / f"{sample.id.rpartition('/')[2]}.json"
        try:
            with atomic_file(path) as file:
                file.write(json.dumps(nodes_of(sample), ensure_ascii=False))
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error
        count += 1
    return count


def called(sample: Sample, name: str, image: str) -> Sample:
    """The sample under another name and its image under another one, also in the nodes that it was read with."""
    meta = dict(sample.meta)
    if NODES in meta:
        meta[NODES] = [{**node, "file_name": image} for node in meta[NODES]]
    return sample.model_copy(update={"id": name, "image": image, "meta": meta})


def nodes_of(sample: Sample) -> list[dict[str, Any]]:
    """The nodes of MGSCData that a sample stands for; see `write_mgsc`."""
    kept = NODES in sample.meta and _agree(sample.meta[NODES], sample)
    stored = sample.meta[NODES] if kept else _stored_of_turns(sample)
    rles = {segment.id: segment.rle for segment in sample.segments}
    nodes = []
    for node in stored:
        keys = {
            key: {
                **node[key],
                "mask": _mask_text(rles[mask]) if isinstance(mask := node[key]["mask"], int) else mask[1],
            }
            for key in node.get("gcg_labels", ())
        }
        nodes.append({**node, **keys})
    return nodes


def _agree(stored: list[dict[str, Any]], sample: Sample) -> bool:
    """Whether the nodes that a sample was read with still say what it says."""
    segments = {segment.id: segment for segment in sample.segments}
    labels: dict[int, str] = {}
    for node in stored:
        for key in node.get("gcg_labels", ()):
            label, mask = node[key]["label"], node[key]["mask"]
            segment = segments.get(_segment_id(node[key]))
            if segment is None or not isinstance(mask, int) and _rle(mask[1], key) != segment.rle:
                return False
            labels.setdefault(segment.id, label)
    answers = [turn.answer for turn in _turns(stored, Path(sample.id))]
    return all(segments[number].label == label for number, label in labels.items()) and answers == [
        turn.answer for turn in sample.turns if turn.task == "mgsc"
    ]


def _read_nodes(path: Path) -> list[dict[str, Any]]:
    """The nodes of a file as they stand there, their fields checked."""
    nodes = read_json(path)
    if not isinstance(nodes, list) or not nodes:
        raise UserError(f"{path}: holds no list of nodes")
    for number, value in enumerate(nodes):
        node = Node.of(value, f"{path}, node {number}")
        if node.file_name != nodes[0]["file_name"]:
            raise UserError(f"{path}, node {number}, field file_name: is not that of the first node")
    return nodes


def _segments(nodes: list[dict[str, Any]], place: str) -> tuple[list[Segment], list[dict[str, Any]]]:
    """Every different mask of the nodes as a segment, numbered from 1; and the nodes with the ids for the masks."""
    found: dict[str, Segment] = {}
    stored = []
    for number, node in enumerate(nodes):
        keys: dict[str, dict[str, Any]] = {}
        for key in node.get("gcg_labels", ()):
            where = f"{place}, node {number}, key {key!r}"
            if key in Node.model_fields or key not in node:
                raise UserError(f"{where}: has no label and mask of its own")
            entry = _entry(node[key], where)
            rle = _rle(entry.mask, where)
            segment = found.setdefault(rle.counts, Segment(id=len(found) + 1, rle=rle, label=entry.label))
            # the text is kept where writing the mask again would give another one
            exact = _mask_text(rle) == entry.mask
            keys[key] = {**node[key], "mask": segment.id if exact else [segment.id, entry.mask]}
        stored.append({**node, **keys})
        _adopt(found, node["label"], {key: _segment_id(value) for key, value in keys.items()})
    return list(found.values()), stored


def _entry(value: Any, place: str) -> Key:
    try:
        return Key.model_validate(value)
    except ValueError:
        raise UserError(f"{place}: is no object with the texts label and mask") from None


def _segment_id(entry: dict[str, Any]) -> int:
    """The segment of a key of a stored node."""
    mask = entry["mask"]
    return mask if isinstance(mask, int) else mask[0]


def _adopt(found: dict[str, Segment], label: str, ids: dict[str, int]) -> None:
    """Make the object of a subtree the parent of its other segments, where they have none and that closes no circle."""
    whole = ids.get(label.removeprefix(SUBTREE)) if label.startswith(SUBTREE) else None
    if whole is None:
        return
    by_id = {segment.id: counts for counts, segment in found.items()}
    above, node = {whole}, whole
    while (up := found[by_id[node]].parent) is not None:
        above.add(up)
        node = up
    for part in ids.values():
        segment = found[by_id[part]]
        if part not in above and segment.parent is None:
            found[by_id[part]] = segment.model_copy(update={"parent": whole})


def _rle(text: str, place: str) -> Rle:
    """The mask in the text of a key."""
    rle = FileRle.parse(text, f"{place}, mask")
    if not isinstance(rle.counts, str):
        raise UserError(f"{place}, mask: counts are no base64 text")
    try:
        counts = base64.b64decode(rle.counts, validate=True).decode("ascii")
        return from_rle(rle.model_copy(update={"counts": counts}), rle.size)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{place}, mask: {error}") from None


def _mask_text(rle: Rle) -> str:
    """The text of a mask as MGSCData has it."""
    return json.dumps({"size": list(rle.size), "counts": base64.b64encode(rle.counts.encode()).decode()})


def _turns(stored: list[dict[str, Any]], path: Path) -> Iterator[Turn]:
    """One turn for each node that has a caption."""
    rng = wording(path.stem)
    for number, node in enumerate(stored):
        caption = node["gcg_caption"]
        if not caption.strip():
            continue
        whole = node["type"] == ROOT
        name = node["label"].removeprefix(SUBTREE)
        asked = (
            instruction("panoptic_segcap", rng)
            if whole
            else instruction("fine_grained_segcap", rng, object=name if name.startswith("the ") else f"the {name}")
        )
        ids = {key: _segment_id(node[key]) for key in node.get("gcg_labels", ())}
        pieces = _pieces(caption, ids, f"{path}, node {number}")
        granularity: Granularity = "panoptic" if whole else "part"
        yield Turn(task="mgsc", instruction=asked, answer=grounded(pieces), granularity=granularity, family=granularity)


def _pieces(caption: str, ids: dict[str, int], place: str) -> Pieces:
    """The caption cut at its tags `<key>phrase</key>`."""
    if not ids:
        return [caption]
    names = "|".join(re.escape(key) for key in sorted(ids, key=len, reverse=True))
    pieces: Pieces = []
    end = 0
    for tagged in re.finditer(rf"<({names})>(.*?)</\1>", caption, re.DOTALL):
        if re.search(rf"</?(?:{names})>", tagged[2]):
            raise UserError(f"{place}, field gcg_caption: the tag <{tagged[1]}> holds another tag")
        if not tagged[2].strip():
            raise UserError(f"{place}, field gcg_caption: the tag <{tagged[1]}> holds no phrase")
        pieces += [caption[end : tagged.start()], Mention(tagged[2], (ids[tagged[1]],))]
        end = tagged.end()
    pieces.append(caption[end:])
    stray = re.search(rf"</?(?:{names})>", "".join(p for p in pieces if isinstance(p, str)))
    if stray:
        raise UserError(f"{place}, field gcg_caption: the tag {stray[0]} has no partner")
    return [piece for piece in pieces if piece]


def _stored_of_turns(sample: Sample) -> list[dict[str, Any]]:
    """Nodes for the turns of the task "mgsc"; a span of several segments has the union of their masks."""
    nodes = []
    for turn in (turn for turn in sample.turns if turn.task == "mgsc"):
        text, end, keys = "", 0, {}
        for span, phrase in zip(turn.answer.spans, turn.answer.phrases, strict=True):
            label = sample.segment(span.segment_ids[0]).label
            names = itertools.chain([label], (f"{label} {n}" for n in itertools.count(2)))
            # a node's own fields and its keys stand side by side: a mask called "label" must not be the node's label
            key = next(k for k in names if k not in keys and k not in Node.model_fields)
            union = masks.union([sample.segment(i).rle.to_coco() for i in span.segment_ids])
            keys[key] = {"label": label, "mask": [span.segment_ids[0], _mask_text(Rle.model_validate(union))]}
            text += f"{turn.answer.text[end : span.start]}<{key}>{phrase}</{key}>"
            end = span.end
        whole = turn.granularity == "panoptic" or not keys
        nodes.append(
            {
                "file_name": sample.image,
                "label": ROOT if whole else SUBTREE + next(iter(keys)),
                "type": ROOT if whole else "subtree",
                "gcg_caption": text + turn.answer.text[end:],
                "gcg_labels": list(keys),
                **keys,
            }
        )
    return nodes
