"""The studio in a real browser: what a user sees and does."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm.data.records import Records
from mglmm.masks import box, encode
from mglmm.studio.pictures import PictureStore
from tests.studio.fake import CAR, SCENE, FakeEngine
from tests.studio.server import Studio, free_port

expect = pytest.importorskip("playwright.sync_api").expect

Page = Any

BELOW_THE_MIDDLE = """() => {
    const box = studio.viewer.canvas.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height * 0.75];
}"""
OWN = "performance.getEntriesByType('resource').every(r => /^(blob:|http:..127.0.0.1)/.test(r.name))"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}


@pytest.fixture
def open_page(browser: Any, studio: Studio) -> Iterator[Callable[..., Any]]:
    """Opens the studio; at the end no page has asked any other machine for anything, nor raised an error."""
    contexts, foreign, errors = [], [], []

    def _open(address: str = studio.address, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        own = (address, "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else foreign.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        return page

    yield _open
    for context in contexts:
        context.close()
    assert not foreign
    assert not errors


@pytest.fixture
def page(open_page: Callable[..., Any], picture_file: Path) -> Page:
    """A page with a picture."""
    page = open_page()
    bring(page, picture_file)
    return page


def bring(page: Page, path: Path) -> None:
    page.set_input_files("#picture-file", path)
    expect(page.locator("#work")).to_be_visible()


def ask(page: Page, instruction: str) -> None:
    page.fill("#instruction", instruction)
    page.press("#instruction", "Enter")
    expect(page.locator(".turn").last.locator(".facts")).not_to_be_empty()


def describe(page: Page) -> None:
    page.click("text=Describe everything")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator(".turn .facts").last).to_contain_text("masks")


def place(page: Page, label: str) -> tuple[float, float]:
    """Where on the screen the middle of a mask is."""
    x, y = page.evaluate(
        """label => {
            const {session} = studio.state();
            const found = studio.viewer.marks.find(mark => session.segments.get(mark.id).label === label);
            return studio.viewer.place(found.id);
        }""",
        label,
    )
    return x, y


def pixel(page: Page, x: float, y: float) -> tuple[int, int, int]:
    clip = {"x": x, "y": y, "width": 1, "height": 1}
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB").getpixel((0, 0))


def phrases(script: Any) -> list[str]:
    return [piece[0] for piece in script if not isinstance(piece, str)]


def text_of(script: Any) -> str:
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in script)


def test_ask_and_see(page: Page) -> None:
    """The one that runs by default: upload, ask, words and masks in one color, time to both told."""
    assert page.locator("#canvas").get_attribute("aria-label") == "a street.png, without masks"
    page.uncheck("#labels")
    x, y = page.evaluate(BELOW_THE_MIDDLE)
    bare = pixel(page, x, y)
    describe(page)
    assert page.locator(".answer").inner_text() == text_of(SCENE)
    assert page.locator(".phrase").all_inner_texts() == phrases(SCENE)
    assert page.locator("#tree button span").all_inner_texts() == phrases(SCENE)
    assert re.search(
        r"4 masks.*first word [\d.]+ s.*first mask [\d.]+ s.*all [\d.]+ s", page.locator(".facts").inner_text()
    )
    assert pixel(page, x, y) != bare
    page.fill("#opacity", "100")
    page.uncheck("#outlines")
    fill = page.locator(".phrase").nth(2).evaluate("node => node.style.getPropertyValue('--fill')")
    assert "#{:02x}{:02x}{:02x}".format(*pixel(page, *place(page, "a red car"))) == fill
    label = page.locator("#canvas").get_attribute("aria-label")
    assert label == "a street.png, with masks of the sky, a wide meadow, a red car, a tree"


def test_a_mask_without_a_phrase_is_shown(page: Page, studio: Studio) -> None:
    for _ in range(2):
        page.fill("#instruction", "sure")
        page.click("#send")
        page.wait_for_selector("#send:visible")
        page.wait_for_selector(".facts:has-text('1 mask')")
        assert page.locator("#tree button span").all_inner_texts() == ["(no phrase)"]
    assert studio.engine.asked[-1][0] == ("sure", "Sure, it is [SEG].")


@pytest.mark.slow
def test_inside_a_mask_without_a_phrase(
    page: Page, open_page: Callable[..., Any], studio: Studio, tmp_path: Path
) -> None:
    """It is saved and opened again with its turn, and the conversation goes on with it."""
    ask(page, "sure")
    page.click("#tree button")
    expect(page.locator("#crumbs")).to_contain_text("(no phrase)")
    expect(page.locator(".facts")).to_contain_text("4 masks")
    name, content = download(page, "session")
    assert json.loads(content)["unnamed"] == [{"turn": 0, "segment_id": 1, "place": 11}]
    assert download(page, "overlay")[0] == "a-street-overlay.png"
    (tmp_path / name).write_bytes(content)
    again = open_page()
    again.set_input_files("#session-file", tmp_path / name)
    expect(again.locator(".facts")).to_have_text("1 mask")
    assert again.locator("#tree button span").all_inner_texts()[0] == "(no phrase)"
    ask(again, "And?")
    assert studio.engine.asked[-1] == [("sure", "Sure, it is [SEG]."), ("And?", None)]


@pytest.mark.slow
def test_words_and_masks_come_while_the_answer_streams(page: Page, studio: Studio) -> None:
    studio.engine.pace = 0.15
    page.click("text=Describe everything")
    page.wait_for_selector(".phrase")
    assert page.evaluate("studio.state().running !== null")
    assert page.locator(".answer").inner_text() != text_of(SCENE)
    assert page.evaluate("studio.viewer.marks.length") >= 1
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("4 masks")
    first, mask, whole = map(float, re.findall(r"([\d.]+) s", page.locator(".facts").inner_text()))
    assert first < mask < 0.7 * whole


@pytest.mark.slow
def test_hover_both_ways(page: Page) -> None:
    describe(page)
    page.locator(".phrase").nth(2).hover()
    assert page.evaluate("[...studio.viewer.lit]") == [3]
    expect(page.locator("#about")).to_contain_text("a red car")
    page.mouse.move(*place(page, "a tree"))
    expect(page.locator(".phrase.lit")).to_have_text(["a tree"])
    expect(page.locator("#tree .lit")).to_contain_text("a tree")
    # where two masks overlap the smaller one is meant
    page.mouse.move(*place(page, "a red car"))
    expect(page.locator(".phrase.lit")).to_have_text(["a red car"])
    page.mouse.move(3, 3)
    expect(page.locator(".phrase.lit")).to_have_count(0)
    page.locator("#tree button").nth(0).focus()
    expect(page.locator(".phrase.lit")).to_have_text(["the sky"])


@pytest.mark.slow
def test_drill_down_and_back(page: Page, studio: Studio) -> None:
    describe(page)
    page.mouse.click(*place(page, "a red car"))
    expect(page.locator(".facts")).to_contain_text("4 masks")
    assert page.locator(".answer").inner_text() == text_of(CAR)
    assert studio.engine.asked[-1] == [("Describe the red car in detail with its parts, with masks.", None)]
    assert page.locator("#crumbs li").all_inner_texts() == ["Whole picture", "a red car"]
    # the car again and the bird elsewhere are no parts of the car
    assert page.locator("#tree ul ul span").all_inner_texts() == ["a wheel", "a door"]
    expect(page.locator("#tree [aria-current]")).to_contain_text("a red car")
    page.mouse.click(*place(page, "a wheel"))
    expect(page.locator(".answer")).to_contain_text("a hub")
    assert page.locator("#crumbs li").all_inner_texts() == ["Whole picture", "a red car", "a wheel"]
    expect(page.locator("#tree ul ul ul span")).to_have_text(["a hub"])
    page.click("#crumbs >> text=a red car")
    assert page.locator(".answer").inner_text() == text_of(CAR)
    page.keyboard.press("Escape")
    assert page.locator("#crumbs li").all_inner_texts() == ["Whole picture"]
    assert page.locator(".answer").inner_text() == text_of(SCENE)
    # what was asked once is not asked again
    page.locator("#tree ul ul button").first.click()
    assert page.locator("#crumbs li").all_inner_texts()[-1] == "a wheel"
    assert len(studio.engine.asked) == 3


@pytest.mark.slow
def test_many_turns_and_a_new_conversation(page: Page, studio: Studio) -> None:
    describe(page)
    ask(page, "Where is the tree?")
    first, second = studio.engine.asked[-1]
    assert first[0] == "Describe everything in the picture in detail, with masks."
    assert first[1].startswith("This is a quiet place. In the background we see <p> the sky </p> [SEG] and")
    assert second == ("Where is the tree?", None)
    # text beyond the basic plane: spans count characters, browsers count code units
    assert page.locator(".turn").nth(1).locator(".phrase").all_inner_texts() == ["the 🌳 tree"]
    page.click("#fresh")
    ask(page, "And where is it now?")
    assert [turn[0] for turn in studio.engine.asked[-1]] == ["And where is it now?"]
    ask(page, "Once more?")
    assert [turn[0] for turn in studio.engine.asked[-1]] == ["And where is it now?", "Once more?"]
    page.locator(".turn").nth(0).locator(".phrase").nth(1).hover()
    assert page.evaluate("studio.viewer.marks.length") == 4
    assert all(image == studio.engine.images[0] for image in studio.engine.images)


def download(page: Page, form: str) -> tuple[str, bytes]:
    page.click("#download")
    with page.expect_download() as waiting:
        page.click(f"[data-form='{form}']")
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@pytest.mark.slow
def test_every_download(page: Page, tmp_path: Path) -> None:
    describe(page)
    page.mouse.click(*place(page, "a red car"))
    expect(page.locator(".facts")).to_contain_text("4 masks")
    name, content = download(page, "overlay")
    overlay = Image.open(io.BytesIO(content))
    assert (name, overlay.format, overlay.size) == ("a-street-overlay.png", "PNG", (1200, 800))
    name, content = download(page, "masks")
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert (
        name == "a-street-masks.zip" and archive.namelist()[2] == "003-a-red-car.png" and len(archive.namelist()) == 8
    )
    mask = np.asarray(Image.open(archive.open("003-a-red-car.png")))
    name, content = download(page, "samples")
    (tmp_path / "x.jsonl").write_bytes(content)
    sample = Records(tmp_path / "x.jsonl")[0]
    assert name == "a-street.jsonl" and sample.size == (160, 240) and len(sample.turns) == 2
    assert np.array_equal(sample.segment(3).mask, mask)
    assert [s.parent for s in sample.segments] == [None, None, None, None, None, 3, 3, None]
    assert sample.turns[1].region_ids == (3,) and not sample.turns[1].follows
    name, content = download(page, "coco")
    coco = json.loads(content)
    assert name == "a-street-coco.json" and len(coco["annotations"]) == 8
    assert coco["annotations"][2]["area"] == int(mask.sum()) and coco["images"][0]["file_name"] == "a street.png"


@pytest.mark.slow
def test_a_session_opens_again(page: Page, open_page: Callable[..., Any], studio: Studio, tmp_path: Path) -> None:
    describe(page)
    ask(page, "Where is the tree?")
    page.mouse.click(*place(page, "the 🌳 tree"))
    expect(page.locator("#crumbs")).to_contain_text("the 🌳 tree")
    expect(page.locator(".facts")).to_contain_text("mask")
    name, content = download(page, "session")
    assert name == "a street-session.json"
    path = tmp_path / name
    path.write_bytes(content)
    again = open_page()
    again.set_input_files("#session-file", path)
    expect(again.locator("#work")).to_be_visible()
    assert again.locator(".turn").count() == 2
    assert again.locator(".turn").nth(0).locator(".answer").inner_text() == text_of(SCENE)
    assert again.locator(".turn").nth(1).locator(".phrase").all_inner_texts() == ["the 🌳 tree"]
    again.mouse.click(*place(again, "the 🌳 tree"))
    assert len(studio.engine.asked) == 3  # that level came with the session
    ask(again, "And the rest?")
    assert len(studio.engine.asked[-1]) == 2
    _, second = download(again, "session")
    before, after = json.loads(content), json.loads(second)
    assert after["sample"]["segments"][: len(before["sample"]["segments"])] == before["sample"]["segments"]
    assert after["picture"] == before["picture"]
    session = json.loads(content)
    session["sample"]["segments"][0]["rle"]["counts"] = "00"
    path.write_text(json.dumps(session))
    again.set_input_files("#session-file", path)
    expect(again.get_by_role("alert")).to_contain_text("RLE counts fill 0 pixels of 38400")
    path.write_text("{}")
    again.set_input_files("#session-file", path)
    expect(again.get_by_role("alert")).to_contain_text("the session, field format: Field required")


@pytest.mark.slow
def test_what_is_no_picture(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page()
    (tmp_path / "notes.png").write_text("no picture at all")
    page.set_input_files("#picture-file", tmp_path / "notes.png")
    expect(page.get_by_role("alert")).to_contain_text("the picture: not a picture in a known format")
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 10_000)).save(huge)
    page.set_input_files("#picture-file", huge)
    expect(page.get_by_role("alert")).to_contain_text("above the limit of 67,108,864 pixels")
    heavy = tmp_path / "heavy.png"
    with heavy.open("wb") as file:
        file.truncate(49 * 2**20)
    page.set_input_files("#picture-file", heavy)
    expect(page.get_by_role("alert")).to_contain_text("larger than 48 MiB")
    page.click("#alert >> text=Close")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#start")).to_be_visible()


@pytest.mark.slow
def test_a_large_picture_is_made_smaller(open_page: Callable[..., Any], studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (4000, 1000), "navy").save(tmp_path / "wide.jpg")
    page = open_page()
    bring(page, tmp_path / "wide.jpg")
    expect(page.locator("#smaller")).to_be_in_viewport(ratio=1)
    expect(page.locator("#smaller")).to_contain_text("4000 × 1000 pixels was made smaller: 2048 × 512")
    describe(page)
    assert studio.engine.images[0].size == (2048, 512)


@pytest.mark.slow
def test_what_cannot_be_asked(page: Page) -> None:
    page.click("#send")
    expect(page.get_by_role("alert")).to_contain_text("The instruction is empty")
    assert page.evaluate("document.activeElement.id") == "instruction"
    page.click("text=Describe this object")
    expect(page.get_by_role("alert")).to_contain_text("Choose an object first")
    ask(page, "This is too long")
    expect(page.get_by_role("alert")).to_contain_text("take 9 of the model's 8 tokens; begin a new chat")
    ask(page, "Please crash")
    expect(page.get_by_role("alert")).to_contain_text("Something went wrong on the server; its log says what.")
    assert "fire" not in page.content()
    describe(page)
    expect(page.get_by_role("alert")).to_be_empty()
    page.fill("#instruction", "x" * 2001)
    page.click("#send")
    expect(page.get_by_role("alert")).to_contain_text("longer than 2000 characters")


@pytest.mark.slow
def test_stop(page: Page, studio: Studio) -> None:
    studio.engine.pace = 0.2
    page.click("text=Describe everything")
    page.wait_for_selector(".phrase")
    page.click("#stop")
    expect(page.locator(".facts")).to_contain_text("stopped")
    page.wait_for_timeout(600)
    assert studio.engine.tickets[-1].cancelled.is_set()
    words = page.locator(".answer").inner_text()
    studio.engine.pace = 0
    ask(page, "Where is the tree?")
    assert page.locator(".answer").first.inner_text() == words
    assert len(studio.engine.asked[-1]) == 1  # what was stopped is not part of the conversation


@pytest.mark.slow
def test_a_new_conversation_stays_new(page: Page, studio: Studio) -> None:
    """Also when its first answer fails or is stopped."""
    ask(page, "one")
    page.click("#fresh")
    ask(page, "crash")
    ask(page, "two")
    assert [turn[0] for turn in studio.engine.asked[-1]] == ["two"]
    page.click("#fresh")
    studio.engine.pace = 0.2
    page.fill("#instruction", "three")
    page.press("#instruction", "Enter")
    expect(page.locator(".answer").last).to_contain_text("Café")
    page.click("#stop")
    expect(page.locator(".facts").last).to_contain_text("stopped")
    studio.engine.pace = 0
    ask(page, "four")
    assert [turn[0] for turn in studio.engine.asked[-1]] == ["four"]
    ask(page, "five")
    assert [turn[0] for turn in studio.engine.asked[-1]] == ["four", "five"]
    told = json.loads(download(page, "session")[1])["sample"]["turns"]
    assert {turn["instruction"]: turn["follows"] for turn in told} == {
        "one": False,
        "two": False,
        "three": False,
        "four": False,
        "five": True,
    }


@pytest.mark.slow
def test_what_was_stopped_is_not_done(
    page: Page, open_page: Callable[..., Any], studio: Studio, tmp_path: Path
) -> None:
    """Neither in a session that is opened again, nor where one has looked inside."""
    describe(page)
    studio.engine.pace = 0.2
    for turn in (1, 2):
        page.click("#tree button >> text=a red car")
        page.wait_for_selector(f".turn:nth-child({turn}) .phrase:nth-of-type(2)")
        page.click("#stop")
        expect(page.locator(".facts").last).to_contain_text("stopped")
        page.keyboard.press("Escape")
        assert len(studio.engine.asked) == turn + 1
    page.click("[data-task='0']")
    page.wait_for_selector(".turn:nth-child(2) .phrase")
    page.click("#stop")
    expect(page.locator(".facts").last).to_contain_text("stopped")
    name, content = download(page, "session")
    assert json.loads(content)["sample"]["meta"] == {"unfinished": [1, 2, 3]}
    (tmp_path / name).write_bytes(content)
    again = open_page()
    again.set_input_files("#session-file", tmp_path / name)
    expect(again.locator(".facts")).to_have_text(["4 masks", re.compile("^stopped")])
    studio.engine.pace = 0
    ask(again, "Where is the tree?")
    assert [turn[0] for turn in studio.engine.asked[-1]] == [
        "Describe everything in the picture in detail, with masks.",
        "Where is the tree?",
    ]
    again.locator(".phrase").nth(2).hover()
    assert "a wheel" in again.locator("#tree ul ul span").all_inner_texts()
    again.click("#tree button >> text=a red car")
    expect(again.locator(".facts").last).to_contain_text("4 masks")
    assert again.locator(".answer").last.inner_text() == text_of(CAR)
    assert again.locator("#tree ul ul span").all_inner_texts() == ["a wheel", "a door"]


@pytest.mark.slow
def test_the_whole_answer_counts(page: Page) -> None:
    ask(page, "Describe it loud")
    assert page.locator(".answer").inner_text() == text_of(SCENE).upper()
    assert page.locator(".phrase").all_inner_texts() == [phrase.upper() for phrase in phrases(SCENE)]
    assert page.evaluate("studio.viewer.marks.length") == 4


@pytest.mark.slow
def test_a_forgotten_picture_is_sent_again(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.evaluate("studio.state().session.picture.id = 'forgotten'")
    describe(page)
    assert page.evaluate("studio.state().session.picture.id") != "forgotten"
    with monkeypatch.context() as patched:
        patched.setattr(PictureStore, "get", lambda *_: None)
        ask(page, "Where?")
        expect(page.get_by_role("alert")).to_contain_text("The server has no room for this picture now")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".facts").last).to_contain_text("1 mask")


@pytest.mark.slow
def test_a_slow_first_word(page: Page, studio: Studio) -> None:
    """What the server says meanwhile is no part of the answer."""
    studio.engine.pace = 2.2
    page.fill("#instruction", "Where?")
    page.press("#instruction", "Enter")
    expect(page.locator(".answer")).to_have_text("Café")
    studio.engine.pace = 0
    expect(page.locator("#send")).to_be_visible()
    assert page.locator(".answer").inner_text() == "Café 🙂: here is the 🌳 tree."
    expect(page.locator(".facts")).to_contain_text("1 mask")


@pytest.mark.slow
def test_downloads_of_any_name(open_page: Callable[..., Any], picture_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "фото 東京.png"
    path.write_bytes(picture_file.read_bytes())
    page = open_page()
    bring(page, path)
    describe(page)
    assert download(page, "overlay")[0] == "фото-東京-overlay.png"


@pytest.mark.slow
def test_the_server_restarts_in_the_middle_of_an_answer(open_page: Callable[..., Any], picture_file: Path) -> None:
    own = Studio(FakeEngine(pace=0.2), free_port())
    own.start()
    page = open_page(own.address)
    bring(page, picture_file)
    page.click("text=Describe everything")
    page.wait_for_selector(".phrase")
    own.end()
    expect(page.get_by_role("alert")).to_contain_text("ask again")
    expect(page.locator(".facts")).to_contain_text("broken off")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    own.engine = FakeEngine()
    own.start()
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".turn").last.locator(".facts")).to_contain_text("4 masks")
    assert page.locator(".answer").last.inner_text() == text_of(SCENE)
    expect(page.get_by_role("alert")).to_be_empty()
    own.end()


@pytest.mark.slow
def test_keys_alone(open_page: Callable[..., Any], studio: Studio) -> None:
    page = open_page()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.sample") == "0":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "instruction"
    page.keyboard.type("Describe what you see")
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("4 masks")
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.textContent") == "a red car":
            break
    assert page.evaluate("[...studio.viewer.lit]") == [3]
    page.keyboard.press("Enter")
    expect(page.locator(".phrase[aria-pressed='true']")).to_have_text("a red car")
    page.locator("#about button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#crumbs")).to_contain_text("a red car")
    expect(page.locator(".answer")).to_contain_text("a bird")
    page.keyboard.press("Escape")
    expect(page.locator("#crumbs")).to_have_text("Whole picture")


@pytest.mark.slow
def test_paste_drop_camera(open_page: Callable[..., Any], picture_file: Path, studio: Studio) -> None:
    give = """([bytes, kind]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "given.png", {type: "image/png"}));
        const event = kind === "paste" ? new ClipboardEvent("paste", {clipboardData: data})
                                       : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
        dispatchEvent(event);
    }"""
    for kind in ("paste", "drop"):
        page = open_page()
        page.evaluate(give, [list(picture_file.read_bytes()), kind])
        expect(page.locator("#work")).to_be_visible()
        assert page.evaluate("studio.state().session.picture.size") == [160, 240]
    page = open_page(permissions=["camera"])
    page.click("#use-camera")
    expect(page.locator("#video")).to_have_js_property("readyState", 4)
    page.click("#shoot")
    expect(page.locator("#work")).to_be_visible()
    describe(page)
    assert studio.engine.images[-1].width > 100


@pytest.mark.slow
def test_a_phone(open_page: Callable[..., Any], picture_file: Path) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    bring(page, picture_file)
    describe(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator(".phrase").nth(2).tap()
    expect(page.locator("#about")).to_contain_text("a red car")
    x, y = place(page, "a tree")
    page.touchscreen.tap(x, y)
    expect(page.locator("#about")).to_contain_text("a tree")
    expect(page.locator("#crumbs")).to_have_text("Whole picture")
    page.touchscreen.tap(*place(page, "a red car"))
    page.touchscreen.tap(*place(page, "a red car"))
    expect(page.locator("#crumbs")).to_contain_text("a red car")
    expect(page.locator("#canvas")).to_be_in_viewport()
    expect(page.locator("#instruction")).to_be_in_viewport()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessibility(
    open_page: Callable[..., Any], picture_file: Path, scheme: str, viewport: dict[str, int]
) -> None:
    """axe-core finds nothing at all, in any state, in either theme."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(color_scheme=scheme, viewport=viewport)

    def _scan(state: str) -> None:
        found = [
            (v["id"], v["impact"], [n["html"] for n in v["nodes"]][:3]) for v in axe.run(page).response["violations"]
        ]
        assert not found, state

    _scan("start")
    bring(page, picture_file)
    _scan("picture")
    describe(page)
    _scan("answered")
    for phrase in page.locator(".phrase").all():
        phrase.click()
        _scan("chosen")
    page.click("#download")
    _scan("downloads")
    page.keyboard.press("Escape")
    page.click("#about button")
    expect(page.locator(".facts")).to_contain_text("mask")
    _scan("inside")
    page.fill("#instruction", "")
    page.click("#send")
    _scan("error")


@pytest.mark.slow
def test_masks_are_read_as_python_reads_them(open_page: Callable[..., Any]) -> None:
    """Runs, area and box of any mask; its outline holds the cells of the mask and no other, holes and corners too."""
    page = open_page()
    rng = np.random.default_rng(0)
    for size, share in ((1, 1), 1), ((7, 5), 0.5), ((24, 18), 0.6), ((40, 90), 0.02), ((300, 2), 0.5), ((64, 64), 0.97):
        mask = rng.random(size) < share
        shape = page.evaluate(
            """async rle => {
                const {Shape} = await import(new URL("studio/static/masks.js", location));
                const shape = new Shape(rle), context = document.createElement("canvas").getContext("2d");
                const inside = [...shape.bits].map((_, at) => context.isPointInPath(
                    shape.path, at % shape.w + 0.5, Math.floor(at / shape.w) + 0.5, "evenodd"));
                return {bits: [...shape.bits], inside, area: shape.area, box: shape.box};
            }""",
            encode(mask),
        )
        assert np.array_equal(np.array(shape["bits"], dtype=bool).reshape(size), mask)
        assert np.array_equal(np.array(shape["inside"]).reshape(size), mask)
        assert shape["area"] == pytest.approx(mask.mean()) and tuple(shape["box"]) == box(encode(mask))


@pytest.mark.slow
def test_theme_is_kept(open_page: Callable[..., Any]) -> None:
    page = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(22, 24, 27)"
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(246, 245, 241)"
    page.reload()
    assert page.evaluate(ground) == "rgb(246, 245, 241)"
    assert page.locator("#theme").get_attribute("aria-label") == "Theme: light"


@pytest.mark.slow
def test_offline(open_page: Callable[..., Any], picture_file: Path, studio: Studio) -> None:
    """Everything but the studio's own address is out of reach."""
    page = open_page()
    page.context.route(re.compile(f"^(?!{re.escape(studio.address)})http"), lambda route: route.abort())
    page.reload()
    bring(page, picture_file)
    describe(page)
    assert page.evaluate(OWN)
