"""What the page sends is checked; what is inside an object becomes a part of it."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError

from mglmm.instructions import INSTRUCTIONS, expand, sentence_case
from mglmm.masks import encode
from mglmm.schema import Rle, Segment, UserError, read_line
from mglmm.studio.export import FORMS, MAX_DRAWN, Wanted, export, picture_of
from mglmm.studio.pictures import PictureStore, keep
from mglmm.studio.session import MAX_SEGMENTS, Question, Session, definite, parent_of, placed

SIZE = (20, 30)


def segment(number: int, box: tuple[int, int, int, int], label: str = "a thing") -> Segment:
    x0, y0, x1, y1 = box
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return Segment(id=number, rle=Rle.from_mask(mask), label=label)


CAR = segment(7, (5, 5, 25, 15), "a red car")


def png(size_wh: tuple[int, int] = SIZE[::-1]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size_wh, "teal").save(buffer, "PNG")
    return buffer.getvalue()


def session(**changes: Any) -> dict[str, Any]:
    """A session with a car and its wheel, as JSON."""
    turns = [
        {"task": "conversation", "instruction": "what?", "answer": answer(7)},
        {"task": "mgsc", "instruction": "inside?", "answer": answer(8), "region_ids": [7]},
    ]
    segments = [CAR, segment(8, (6, 6, 9, 9)).model_copy(update={"parent": 7})]
    sample = {
        "id": "a.png",
        "image": "a.png",
        "size": SIZE,
        "segments": [json.loads(s.model_dump_json()) for s in segments],
        "turns": turns,
    }
    whole = {
        "format": "mglmm-session",
        "version": 1,
        "picture": "data:image/png;base64," + base64.b64encode(png()).decode(),
        "sample": sample | changes.pop("sample", {}),
    }
    return whole | changes


def answer(segment_id: int) -> dict[str, Any]:
    return {"text": "It is this.", "spans": [{"start": 6, "end": 10, "segment_ids": [segment_id]}]}


def opened(data: dict[str, Any]) -> Session:
    return read_line(json.dumps(data), Session, "the session")


@pytest.mark.parametrize(
    ("found", "parent"),
    [
        (segment(1, (8, 8, 12, 12), "a wheel"), 7),
        (segment(1, (20, 8, 28, 12), "a bumper"), 7),  # most of it is inside
        (segment(1, (23, 8, 29, 12), "a wall"), None),
        (segment(1, (5, 5, 25, 14), "a vehicle"), None),  # the car again
        (segment(1, (5, 5, 10, 10), "the red car"), None),  # by name
        (segment(1, (0, 0, 3, 3), "a bird"), None),
        (segment(1, (0, 0, 0, 0), "nothing"), None),
    ],
)
def test_parents(found: Segment, parent: int | None) -> None:
    assert parent_of(found, CAR) == parent
    assert parent_of(found, None) is None


def test_ids_go_on_where_the_session_is() -> None:
    question = Question(picture="x", instruction="y", focus=CAR, first_segment_id=12)
    new = placed([segment(1, (8, 8, 12, 12)), segment(2, (0, 0, 3, 3))], question)
    assert [(s.id, s.parent) for s in new] == [(12, 7), (13, None)]


def test_the_conversation_has_the_markup_again() -> None:
    said = {"instruction": "what?", "answer": answer(7)}
    question = Question.model_validate({"picture": "x", "instruction": "and?", "turns": [said]})
    assert question.conversation() == [("what?", "It is <p> this </p> [SEG]."), ("and?", None)]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([{"instruction": "what?", "answer": answer(7)}] * 65, "65 earlier turns are more than 64; begin a new"),
        ([{"instruction": "x" * 2001, "answer": answer(7)}], "field turns.0.instruction: String should have at most"),
        (
            [{"instruction": "x", "answer": {"text": "y" * 8001}}],
            "earlier answer of 8,001 characters is longer than 8,000",
        ),
        (
            [
                {
                    "instruction": "x",
                    "answer": answer(7) | {"spans": [{"start": 0, "end": 1, "segment_ids": [1] * 2000}]},
                }
            ],
            "longer",
        ),
        ([{"instruction": "x", "answer": answer(7) | {"text": "It is     ."}}], "[6, 10) is blank"),
        ([{"instruction": "x", "answer": {"text": "a [SEG]"}}], "plain text must hold no markup"),
    ],
)
def test_what_was_said_before_has_limits(turns: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(UserError) as error:
        read_line(json.dumps({"picture": "x", "instruction": "y", "turns": turns}), Question, "the question")
    assert str(error.value).startswith("the question") and told in str(error.value)


def test_masks_without_a_phrase_stay_in_the_conversation() -> None:
    said = {"instruction": "where?", "answer": {"text": "Sure, it is."}, "unnamed": [11]}
    question = Question.model_validate({"picture": "x", "instruction": "y", "turns": [said]})
    assert question.conversation() == [("where?", "Sure, it is [SEG]."), ("y", None)]


def test_a_focus_is_checked() -> None:
    damaged = CAR.model_dump(mode="json") | {"rle": {"size": SIZE, "counts": "0"}}
    with pytest.raises(ValidationError, match="RLE counts fill 0 pixels of 600"):
        Question.model_validate({"picture": "x", "instruction": "y", "focus": damaged})


def test_a_session_is_read() -> None:
    read = opened(session())
    assert picture_of(read).size == (30, 20)
    assert read.sample.segment(8).parent == 7


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "field version: Input should be 1"),
        ({"picture": "https://example.org/a.png"}, "field picture: String should match pattern"),
        ({"sample": {"size": [20, 31]}}, "mask size (20, 30) is not the image's (20, 31)"),
        ({"sample": {"segments": []}}, "turn 0 names segments [7] that the sample does not hold"),
    ],
)
def test_a_damaged_session_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        opened(session(**changes))
    assert str(error.value).startswith("the session") and told in str(error.value)


def test_levels_lead_back_up() -> None:
    """A level inside itself would never end."""
    data = session()
    data["sample"]["turns"][1]["region_ids"] = [8]
    with pytest.raises(UserError, match=r"turn 1 looks into \[8\], which came with no turn before it"):
        opened(data)


def unnamed_session(*unnamed: dict[str, int]) -> dict[str, Any]:
    """The car is named by no answer, but looked into."""
    data = session(unnamed=list(unnamed))
    data["sample"]["turns"][0]["answer"] = {"text": "Sure, it is."}
    return data


def test_a_mask_without_a_phrase_can_be_looked_into() -> None:
    read = opened(unnamed_session({"turn": 0, "segment_id": 7, "place": 11}))
    assert [[s.id for s in read.segments_of(turn)] for turn in (0, 1)] == [[7], [8]]
    drawn = export("overlay", Wanted(session=read, turn=0)).content
    assert drawn != export("overlay", Wanted(session=read, turn=1)).content


@pytest.mark.parametrize(
    ("unnamed", "told"),
    [
        ([], r"turn 1 looks into \[7\], which came with no turn before it"),
        ([{"turn": 1, "segment_id": 7, "place": 0}], r"turn 1 looks into \[7\], which came with no turn before it"),
        ([{"turn": 0, "segment_id": 7, "place": 99}], "mask 7 stands at character 99 of turn 0, which is not there"),
        ([{"turn": 2, "segment_id": 7, "place": 0}], "mask 7 stands at character 0 of turn 2, which is not there"),
        ([{"turn": 0, "segment_id": 8, "place": 0}], "mask 8 is listed without a phrase, but is missing or has its"),
        ([{"turn": 0, "segment_id": 7, "place": 0}] * 2, "mask 7 is listed without a phrase, but is missing or has"),
        ([{"turn": 0, "segment_id": 9, "place": -1}], "unnamed.0.place: Input should be greater than or equal to 0"),
    ],
)
def test_masks_without_a_phrase_have_one_place(unnamed: list[dict[str, int]], told: str) -> None:
    with pytest.raises(UserError, match=told):
        opened(unnamed_session(*unnamed))


def test_a_nameless_mask_inside_a_nameless_object_is_its_part() -> None:
    nameless = CAR.model_copy(update={"label": ""})
    assert parent_of(segment(1, (8, 8, 12, 12), ""), nameless) == 7


def test_a_picture_of_another_size_is_refused() -> None:
    wrong = "data:image/png;base64," + base64.b64encode(png((31, 20))).decode()
    with pytest.raises(UserError, match="its picture is 31 x 20, but its masks are 30 x 20"):
        picture_of(opened(session(picture=wrong)))
    with pytest.raises(UserError, match="the picture is not Base64"):
        picture_of(opened(session(picture="data:image/png;base64,?")))


def wanted(data: dict[str, Any]) -> Wanted:
    return Wanted.model_validate_json(json.dumps({"session": data}))


@pytest.mark.parametrize("form", FORMS)
def test_what_the_studio_never_makes_is_not_worked_on(form: str) -> None:
    """Before anything is unpacked: masks beyond the picture, and pictures beyond the studio's own."""
    huge = encode(np.zeros((3_000, 3_000), dtype=bool))
    bomb = session(sample={"size": [3_000, 3_000], "segments": [{"id": 7, "label": "", "rle": huge}], "turns": []})
    with pytest.raises(ValidationError, match="3000 x 3000 is longer than the 2048"):
        wanted(bomb | {"picture": "data:image/png;base64," + base64.b64encode(png((1, 1))).decode()})
    other = "data:image/png;base64," + base64.b64encode(png((1, 1))).decode()
    with pytest.raises(UserError, match="its picture is 1 x 1, but its masks are 30 x 20"):
        export(form, wanted(session(picture=other)))
    large = "data:image/png;base64," + base64.b64encode(png((2100, 2100))).decode()
    with pytest.raises(UserError, match="2100 x 2100 is above the limit of 4,194,304 pixels"):
        export(form, wanted(session(picture=large)))


def test_too_many_masks_are_refused() -> None:
    def _of(number: int) -> dict[str, Any]:
        segments = [json.loads(segment(i, (0, 0, 2, 2)).model_dump_json()) for i in range(number)]
        return session(sample={"segments": segments, "turns": []})

    with pytest.raises(ValidationError, match=f"its {MAX_SEGMENTS + 1} masks are more than the limit"):
        wanted(_of(MAX_SEGMENTS + 1))
    with pytest.raises(UserError, match="too many for one picture"):
        export("overlay", wanted(_of(MAX_DRAWN + 1)))
    assert export("masks", wanted(_of(MAX_DRAWN + 1))).name == "a-masks.zip"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.png", "attachment; filename=\"a-b.jsonl\"; filename*=UTF-8''a-b.jsonl"),
        ("фото.png", "attachment; filename=\"____.jsonl\"; filename*=UTF-8''%D1%84%D0%BE%D1%82%D0%BE.jsonl"),
        ("🙂.png", "attachment; filename=\"picture.jsonl\"; filename*=UTF-8''picture.jsonl"),
        ("x" * 5000, f"attachment; filename=\"{'x' * 60}.jsonl\"; filename*=UTF-8''{'x' * 60}.jsonl"),
    ],
)
def test_names_of_downloads(name: str, header: str) -> None:
    assert export("samples", wanted(session(sample={"image": name}))).disposition == header


def test_an_overlay_of_no_turn_is_refused() -> None:
    with pytest.raises(ValidationError, match="turn 2 of a session of 2"):
        Wanted.model_validate({"session": session(), "turn": 2})


def test_kept_pictures_hold_no_metadata_and_stay_the_same() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    exif[0x010F] = "a camera"
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(buffer, "JPEG", exif=exif)
    kept = keep(buffer.getvalue())
    assert (kept.media_type, kept.size) == ("image/jpeg", (40, 20))
    assert not Image.open(io.BytesIO(kept.content)).getexif()
    assert keep(kept.content).content == kept.content
    other = keep(png())
    assert keep(other.content).id == other.id != kept.id
    buffer = io.BytesIO()
    Image.new("RGBA", (3000, 30)).save(buffer, "WEBP")
    assert (keep(buffer.getvalue()).media_type, keep(buffer.getvalue()).size) == ("image/png", (20, 2048))


@pytest.mark.parametrize(
    "options",
    [
        {"comment": b"secret"},
        {"comment": b"secret", "progressive": True, "quality": 40},
        {"exif": b"Exif\0\0secret"},
        {"icc_profile": b"secret" * 30},
        {"extra": b"\xff\xec\x00\x08secret"},
    ],
)
@pytest.mark.parametrize(("mode", "size_wh"), [("RGB", (64, 48)), ("L", (64, 48)), ("RGB", (2100, 20))])
@pytest.mark.parametrize("behind", [b"", b"secret", b"secret\xff\xd9"])
def test_nothing_but_pixels_is_kept_of_a_jpeg(
    options: dict[str, Any], mode: str, size_wh: tuple[int, int], behind: bytes
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise(size_wh, 60).convert(mode).save(buffer, "JPEG", **options)
    kept = keep(buffer.getvalue() + behind)
    assert b"secret" not in kept.content and kept.media_type == "image/jpeg"
    again = keep(kept.content)
    assert (again.id, again.content) == (kept.id, kept.content)


def test_a_plain_jpeg_is_kept_as_it_is() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(buffer, "JPEG", quality=60)
    assert keep(buffer.getvalue()).content == buffer.getvalue()
    assert keep(buffer.getvalue() + b"more").content != buffer.getvalue() + b"more"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_nothing_but_pixels_is_kept_of_other_forms(form: str) -> None:
    buffer = io.BytesIO()
    options = {"pnginfo": _text(), "icc_profile": b"secret" * 30, "comment": b"secret", "description": "secret"}
    Image.new("RGB", (20, 10), "teal").save(buffer, form, **options)
    assert b"secret" in buffer.getvalue() and b"secret" not in keep(buffer.getvalue()).content


@pytest.mark.parametrize("form", ["EPS", "TIFF", "PPM", "ICO"])
def test_other_forms_are_not_opened(form: str) -> None:
    """EPS would run Ghostscript."""
    buffer = io.BytesIO()
    Image.new("RGB", SIZE[::-1], "teal").save(buffer, form)
    with pytest.raises(UserError, match=r"not a picture in a known format \(PNG, JPEG, WEBP, GIF\)"):
        keep(buffer.getvalue())
    picture = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    with pytest.raises(UserError, match="not a picture in a known format"):
        picture_of(opened(session(picture=picture)))


def test_pictures_of_too_many_pixels_are_not_unpacked() -> None:
    buffer = io.BytesIO()
    Image.new("1", (8_193, 8_192)).save(buffer, "PNG")
    with pytest.raises(UserError, match="8193 x 8192 is above the limit of 67,108,864 pixels"):
        keep(buffer.getvalue())


def _text() -> PngInfo:
    info = PngInfo()
    info.add_text("where", "secret")
    return info


def test_the_oldest_picture_is_forgotten() -> None:
    store = PictureStore(max_bytes=2 * len(png()) + 20)
    first, second = store.add(png((20, 20))), store.add(png((21, 20)))
    assert store.get(first.id) == first
    third = store.add(png((22, 20)))
    assert store.get(second.id) is None and store.get(first.id) == first and store.get(third.id) == third


@pytest.mark.parametrize(
    ("purpose", "task", "slots"),
    [
        ("panoptic_segcap", "Describe everything", {}),
        ("fine_grained_segcap", "Describe this object", {"object": "{object}"}),
        ("gcg", "Caption", {}),
        ("reasoning", "Reason", {"question": "What can one sit on?"}),
    ],
)
def test_tasks_are_worded_as_the_model_was_taught(purpose: str, task: str, slots: dict[str, str]) -> None:
    page = pytest.importorskip("mglmm.studio.page")
    (wanted,) = [t.instruction for t in page.TASKS if t.name == task]
    rng = np.random.default_rng(0)
    drawn = (expand(template, rng, **slots) for _ in range(4000) for template in INSTRUCTIONS[purpose])
    assert any(sentence_case(text).rstrip(".") == wanted.rstrip(".") for text in drawn)


def test_definite_knows_plain_nouns() -> None:
    assert [definite(p) for p in ("an old tree", "the sky", "one wheel", "Grass")] == [
        "the old tree",
        "the sky",
        "the wheel",
        "the Grass",
    ]
