"""Samples as tasks of Label Studio, for people to review: masks, labels, captions of segments and answers.

In an answer a phrase stands as a link to its segments: "[the red car](1) has [two wheels](2,3)."
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from mglmm import masks
from mglmm.data import brush
from mglmm.data.meta import meta_of
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn

REGION = "segment-"
"""What the id of a region begins with that is a segment of the record; those that a reviewer draws have other ids."""

_LINK = re.compile(r"\[((?:\\.|[^\[\]\\])*)\]\((-?\d+(?:, *-?\d+)*)\)")


def task(sample: Sample, image_url: str) -> dict[str, Any]:
    """The task of a sample. Its regions are predictions: a reviewer's annotation starts from them."""
    bare = sample.model_dump(mode="json", exclude={"segments": {"__all__": {"rle"}}})
    shown = [{"instruction": turn.instruction, "task": turn.task} for turn in sample.turns]
    regions = [item for segment in sample.segments for item in _region(segment)]
    answers = [
        {
            "id": f"turn-{number}",
            "from_name": f"answer_{number}",
            "to_name": f"instruction_{number}",
            "type": "textarea",
            "value": {"text": [linked(turn.answer)]},
        }
        for number, turn in enumerate(sample.turns)
    ]
    return {
        "data": {"image": image_url, "turns": shown, "record": bare},
        "predictions": [{"model_version": "mglmm", "result": regions + answers}],
    }


def labelling_config(labels: Iterable[str]) -> str:
    """The labelling interface for tasks with these labels, as Label Studio's project settings take it."""
    choices = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in labels)
    return f"""<View>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="label" toName="image">
{choices}
  </BrushLabels>
  <TextArea name="caption" toName="image" perRegion="true" maxSubmissions="1" editable="true"/>
  <Repeater on="$turns" indexFlag="{{{{idx}}}}">
    <Text name="instruction_{{{{idx}}}}" value="$turns[{{{{idx}}}}].instruction"/>
    <TextArea name="answer_{{{{idx}}}}" toName="instruction_{{{{idx}}}}" maxSubmissions="1" editable="true" rows="3"/>
  </Repeater>
</View>
"""


def reviewed(record: Mapping[str, Any], result: Sequence[Mapping[str, Any]]) -> Sample:
    """The sample of a task's record with what a reviewer made of it.

    A region that is gone takes its segment with it, also out of the answers; a phrase without segments is plain text
    again, parts of what is gone become wholes, and `meta` forgets it. New regions get the next free ids.

    Raises:
        ValueError: a region has no label or a broken mask, or an answer names a segment that is not there.
    """
    before = {segment["id"]: segment for segment in record["segments"]}
    size = (int(record["size"][0]), int(record["size"][1]))
    found = _segments(before, result, size)
    kept = {segment.id for segment in found}
    segments = [s if s.parent in kept else s.model_copy(update={"parent": None}) for s in found]
    texts = {item["from_name"]: _text(item) for item in result if item["type"] == "textarea"}
    turns = []
    for number, turn in enumerate(Turn.model_validate(turn) for turn in record["turns"]):
        text = texts.get(f"answer_{number}")
        answer = turn.answer if text is None else unlinked(text)
        unknown = set(answer.segment_ids) - kept - before.keys()
        if unknown:
            raise ValueError(f"the answer of turn {number} names segments {sorted(unknown)} that are not there")
        region_ids = tuple(i for i in turn.region_ids if i in kept)
        turns.append(turn.model_copy(update={"answer": _without(answer, kept), "region_ids": region_ids}))
    meta = meta_of(record.get("meta", {}), kept)
    return Sample.model_validate({**record, "segments": segments, "turns": turns, "meta": meta})


def linked(answer: GroundedText) -> str:
    """The text with a link for every phrase.

    >>> linked(GroundedText(text="A cat.", spans=(Span(start=0, end=5, segment_ids=(3, 4)),)))
    '[A cat](3,4).'
    """
    pieces, end = [], 0
    for span, phrase in zip(answer.spans, answer.phrases, strict=True):
        ids = ",".join(map(str, span.segment_ids))
        pieces += [_escaped(answer.text[end : span.start]), f"[{_escaped(phrase)}]({ids})"]
        end = span.end
    return "".join([*pieces, _escaped(answer.text[end:])])


def unlinked(text: str) -> GroundedText:
    """The grounded text of one with links: `unlinked(linked(x)) == x`."""
    plain, spans, end = "", [], 0
    for link in _LINK.finditer(text):
        if _is_escaped(text, link.start()):
            continue
        plain += _unescaped(text[end : link.start()])
        phrase = _unescaped(link[1])
        ids = tuple(int(number) for number in link[2].split(","))
        if phrase:
            spans.append(Span(start=len(plain), end=len(plain) + len(phrase), segment_ids=ids))
        plain += phrase
        end = link.end()
    return GroundedText(text=plain + _unescaped(text[end:]), spans=tuple(spans))


def _region(segment: Segment) -> list[dict[str, Any]]:
    """The mask and label of a segment, and its caption."""
    height, width = segment.rle.size
    common = {
        "id": f"{REGION}{segment.id}",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    mask = {"format": "rle", "rle": brush.encode(segment.mask), "brushlabels": [segment.label]}
    found = [{**common, "from_name": "label", "type": "brushlabels", "value": mask}]
    if segment.caption is not None:
        found.append({**common, "from_name": "caption", "type": "textarea", "value": {"text": [segment.caption]}})
    return found


def _segments(
    before: Mapping[int, Mapping[str, Any]], result: Sequence[Mapping[str, Any]], size: tuple[int, int]
) -> list[Segment]:
    captions = {item["id"]: _text(item) for item in result if item.get("from_name") == "caption"}
    found = []
    free = max(before, default=0) + 1
    for item in result:
        if item["type"] != "brushlabels":
            continue
        name = str(item["id"])
        if not item["value"].get("brushlabels"):
            raise ValueError(f"region {name} has no label")
        number = int(name.removeprefix(REGION)) if name.startswith(REGION) else free
        free += not name.startswith(REGION)
        old = before.get(number, {})
        found.append(
            Segment(
                id=number,
                rle=Rle.model_validate(masks.encode(brush.decode(item["value"]["rle"], size))),
                label=item["value"]["brushlabels"][0],
                caption=captions.get(name),
                parent=old.get("parent"),
                score=old.get("score"),
            )
        )
    return found


def _text(item: Mapping[str, Any]) -> str:
    """The text of a text area, which Label Studio writes as a list of one or by itself."""
    text: str | list[str] = item["value"]["text"]
    return text if isinstance(text, str) else text[0]


def _without(answer: GroundedText, kept: set[int]) -> GroundedText:
    """The answer without the segments that are gone."""
    spans = []
    for span in answer.spans:
        ids = tuple(i for i in span.segment_ids if i in kept)
        spans += [span.model_copy(update={"segment_ids": ids})] if ids else []
    return answer.model_copy(update={"spans": tuple(spans)})


def _escaped(text: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\[\]\\])", r"\1", text)


def _is_escaped(text: str, place: int) -> bool:
    """Whether an odd number of backslashes stands before this place."""
    return (place - len(text[:place].rstrip("\\"))) % 2 == 1
