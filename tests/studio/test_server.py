"""The studio's server without a browser: its addresses, many users at once, and a real engine."""

import asyncio
import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from mglmm import __version__, predict
from mglmm.cli import main
from mglmm.engine import Engine
from mglmm.schema import GroundedText
from mglmm.studio import pictures
from tests.studio.fake import SCENE, FakeEngine, FakeTicket
from tests.studio.server import Studio, free_port

ROOT = Path(__file__).parents[2]


def post(studio: Studio, path: str, body: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(studio.address + path, data=body, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ask(studio: Studio, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of an answer, read as any client of Gradio's does."""
    _, joined = post(studio, "gradio_api/call/ask", json.dumps({"data": [question]}).encode())
    found = []
    with urllib.request.urlopen(f"{studio.address}gradio_api/call/ask/{joined['event_id']}") as stream:
        for block in stream.read().decode().split("\n\n"):
            name, _, data = block.partition("\ndata: ")
            if name == "event: generating":
                found.append(json.loads(data)[0])
    return found


def upload(studio: Studio, path: Path) -> str:
    return post(studio, "studio/pictures", path.read_bytes())[1]["id"]


def test_an_answer_is_told_bit_by_bit(studio: Studio, picture_file: Path) -> None:
    events = ask(studio, {"picture": upload(studio, picture_file), "instruction": "describe", "first_segment_id": 5})
    kinds = [event["kind"] for event in events]
    assert kinds.index("grounded") < len(kinds) - 5 and kinds[-1] == "done"
    text = "".join(event["text"] for event in events if event["kind"] == "words")
    assert text == events[-1]["answer"]["text"]
    spans = [event["span"] for event in events if event["kind"] == "grounded"]
    assert spans == events[-1]["answer"]["spans"]
    assert [i for span in spans for i in span["segment_ids"]] == [5, 6, 7, 8]
    assert [s for e in events if e["kind"] == "grounded" for s in e["segments"]] == events[-1]["segments"]


def test_a_mask_without_a_phrase_is_told(studio: Studio, picture_file: Path) -> None:
    events = ask(studio, {"picture": upload(studio, picture_file), "instruction": "sure", "first_segment_id": 5})
    [mask] = [segment for event in events if event["kind"] == "unnamed" for segment in event["segments"]]
    assert mask["id"] == 5 and events[-1]["answer"] == {"text": "Sure, it is.", "spans": []}
    assert events[-1]["segments"] == [mask] and events[-1]["unnamed"] == [11]


def test_what_a_question_lacks_is_said(studio: Studio, picture_file: Path) -> None:
    assert ask(studio, {"picture": "unknown", "instruction": "what?"}) == [{"kind": "unknown_picture"}]
    (event,) = ask(studio, {"instruction": "what?"})
    assert event == {"kind": "error", "message": "the question, field picture: Field required"}
    (event,) = ask(studio, {"picture": upload(studio, picture_file), "instruction": " "})
    assert event["message"].startswith("the instruction is empty")
    elsewhere = {"id": 1, "label": "a car", "rle": {"size": [1, 1], "counts": "1"}}
    question = {"picture": upload(studio, picture_file), "instruction": "what?", "focus": elsewhere}
    assert ask(studio, question)[0]["message"].endswith("its object is of a picture of (1, 1), not (160, 240)")
    status, told = post(studio, "studio/export/poem", b"{}")
    assert status == 422 and "field session: Field required" in told["error"]
    status, told = post(studio, "studio/pictures", b"")
    assert (status, told) == (422, {"error": "the picture: the file is empty"})


@pytest.mark.parametrize("form", ["overlay", "masks", "samples", "coco"])
def test_a_picture_of_any_name_is_downloaded(studio: Studio, picture_file: Path, form: str) -> None:
    picture = "data:image/png;base64," + base64.b64encode(picture_file.read_bytes()).decode()
    sample = {"id": "x", "image": "фото 東京.png", "size": [160, 240]}
    session = {"format": "mglmm-session", "version": 1, "picture": picture, "sample": sample}
    body = json.dumps({"session": session}).encode()
    request = urllib.request.Request(f"{studio.address}studio/export/{form}", data=body, method="POST")
    with urllib.request.urlopen(request) as response:
        name = response.headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
    assert urllib.parse.unquote(name).startswith("фото-東京")


def test_few_pictures_are_unpacked_at_once(studio: Studio, picture_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def _slowly(content: bytes) -> pictures.Kept:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.05)
        with lock:
            at_work -= 1
        return keep(content)

    keep = pictures.keep
    monkeypatch.setattr(pictures, "keep", _slowly)
    users = [threading.Thread(target=upload, args=(studio, picture_file)) for _ in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert most == 2


@pytest.mark.parametrize("address", ["upload", "upload/", "process_recording"])
def test_nothing_is_left_with_gradio(studio: Studio, address: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nkept\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{studio.address}gradio_api/{address}", data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == (307 if address.endswith("/") else 403)


def test_a_question_has_a_size(studio: Studio) -> None:
    """However it is sent, it is refused before it is read any further."""
    request = b"POST /gradio_api/call/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", studio.port)) as announced:
        announced.sendall(request + b"Content-Length: 400000000\r\n\r\n")
        told = announced.makefile("rb").read()
    assert told.startswith(b"HTTP/1.1 413") and b"the question is larger than 4 MiB; begin a new" in told
    with socket.create_connection(("127.0.0.1", studio.port)) as chunked:
        chunked.sendall(request + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            chunked.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
        chunked.sendall(b"1\r\n \r\n")
        assert chunked.makefile("rb").read().startswith(b"HTTP/1.1 413")
    assert post(studio, "gradio_api/run/ask", b'{"data": []}') == (
        403,
        {"error": "questions go to gradio_api/call/ask"},
    )


def test_more_questions_than_there_is_room_for_are_refused(picture_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = pytest.importorskip("mglmm.studio.launch")
    monkeypatch.setattr(launch, "MAX_OPEN", 2)
    monkeypatch.setattr(launch, "MAX_WAITING", 1)
    own = Studio(FakeEngine(pace=60), free_port())
    own.start()
    body = json.dumps({"data": [{"picture": upload(own, picture_file), "instruction": "describe"}]}).encode()
    found = []
    for number in range(4):
        found.append(post(own, "gradio_api/call/ask", body)[0])
        for _ in range(500 if number < 2 else 0):
            if len(own.engine.tickets) > number:
                break
            time.sleep(0.02)
    assert found == [200, 200, 200, 503] and len(own.engine.tickets) == 2
    own.end()


def test_many_users_at_once(studio: Studio, picture_file: Path) -> None:
    """Each gets the whole of its own answer, and they do not wait for one another."""
    studio.engine.pace = 0.03
    picture = upload(studio, picture_file)
    answers: dict[int, str] = {}

    def _user(number: int) -> None:
        words = "describe" if number % 2 else "where?"
        answers[number] = ask(studio, {"picture": picture, "instruction": words})[-1]["answer"]["text"]

    users = [threading.Thread(target=_user, args=(number,)) for number in range(12)]
    for user in users:
        user.start()
    most = 0
    while any(user.is_alive() for user in users):
        most = max(most, sum(not ticket.ended for ticket in studio.engine.tickets))
    assert most > 6
    assert len({answers[n] for n in range(0, 12, 2)}) == 1 and len({answers[n] for n in range(1, 12, 2)}) == 1
    assert answers[1] == "".join(piece if isinstance(piece, str) else piece[0] for piece in SCENE)


def test_the_page_may_fetch_nothing_from_elsewhere(studio: Studio) -> None:
    with urllib.request.urlopen(studio.address) as response:
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        page = response.read().decode()
    static = ROOT / "src" / "mglmm" / "studio" / "static"
    for text in [page, *(path.read_text(encoding="utf-8") for path in static.iterdir())]:
        assert "//" not in text.replace("// ", "").replace("http://www.w3.org/2000/svg", "")


def test_a_real_engine_says_what_asking_says(tiny_model_dir: Path, picture: Image.Image) -> None:
    pytest.importorskip("gradio")
    from mglmm.studio.session import Question
    from mglmm.studio.streaming import answers

    predictor = predict.load(tiny_model_dir)
    asked = predictor.ask(picture, "What is in it?", max_new_tokens=24)
    engine = Engine(predictor)

    async def _events() -> list[dict[str, Any]]:
        question = Question(picture="x", instruction="What is in it?")
        return [event async for event in answers(engine, picture, question, 24)]

    events = asyncio.run(_events())
    engine.close()
    assert GroundedText.model_validate(events[-1]["answer"]) == asked.answer
    assert [s["rle"]["counts"] for s in events[-1]["segments"]] == [s.rle.counts for s in asked.segments]
    assert "".join(event["text"] for event in events if event["kind"] == "words") == asked.answer.text


def test_a_port_in_use_is_one_line(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--port", str(studio.port)]) == 2
    assert capsys.readouterr().err.startswith(f"mglmm: cannot listen at 127.0.0.1, port {studio.port} (")
    assert main(["demo", "--host", "no.such.host.invalid"]) == 2
    assert main(["demo", "--port", "70000"]) == 2
    assert "70000" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_and_ends(tiny_model_dir: Path, picture_file: Path, ending: signal.Signals) -> None:
    """In a process of its own: prints the address, answers, ends with exit code 0, also mid-answer."""
    pytest.importorskip("gradio")
    port = free_port()
    command = [sys.executable, "-m", "mglmm", "demo", "--port", str(port), "--model", str(tiny_model_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    assert process.stdout.readline() == f"mglmm studio: http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
    studio = Studio(engine=None, port=port)  # type: ignore[arg-type]
    question = {"picture": upload(studio, picture_file), "instruction": "Describe everything"}
    assert ask(studio, question)[-1]["kind"] == "done"
    post(studio, "gradio_api/call/ask", json.dumps({"data": [question]}).encode())
    process.send_signal(ending)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors


LISTENING = """
import sys
asked = []
sys.addaudithook(lambda event, details: asked.append(str(details)) if event == "socket.connect" else None)
from tests.studio.fake import FakeEngine
from tests.studio.server import Studio, free_port
studio = Studio(FakeEngine(), free_port())
studio.start()
studio.end()
assert asked and all("127.0.0.1" in one for one in asked), asked
"""


@pytest.mark.slow
def test_the_server_talks_to_nobody() -> None:
    """Neither the studio nor Gradio opens a connection to another machine."""
    pytest.importorskip("gradio")
    assert subprocess.run([sys.executable, "-c", LISTENING], cwd=ROOT).returncode == 0


@pytest.mark.slow
def test_the_space_runs(tiny_model_dir: Path, picture_file: Path) -> None:
    pytest.importorskip("gradio")
    port = free_port()
    environment = os.environ | {"MGLMM_MODEL": str(tiny_model_dir), "GRADIO_SERVER_PORT": str(port)}
    command = [sys.executable, "examples/space/app.py"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout and "mglmm studio: http" in process.stdout.readline()
    studio = Studio(engine=None, port=port)  # type: ignore[arg-type]
    assert ask(studio, {"picture": upload(studio, picture_file), "instruction": "what?"})[-1]["kind"] == "done"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_the_space_names_the_versions_of_the_project() -> None:
    card = yaml.safe_load((ROOT / "examples/space/README.md").read_text(encoding="utf-8").split("---")[1])
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert f"gradio=={card['sdk_version']}" in pinned and (ROOT / "examples/space" / card["app_file"]).is_file()
    requirements = (ROOT / "examples/space/requirements.txt").read_text(encoding="utf-8")
    assert requirements.strip() == f"mglmm[demo]=={__version__}"


def test_sample_pictures(studio: Studio) -> None:
    with urllib.request.urlopen(f"{studio.address}studio/samples/0") as response:
        assert max(Image.open(io.BytesIO(response.read())).size) == 640
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{studio.address}studio/samples/99")


def test_who_has_left_is_not_answered(studio: Studio, picture_file: Path) -> None:
    """Also while the first word is long in coming."""
    studio.engine.pace = 60
    question = {"picture": upload(studio, picture_file), "instruction": "describe"}
    _, joined = post(studio, "gradio_api/call/ask", json.dumps({"data": [question]}).encode())
    stream = urllib.request.urlopen(f"{studio.address}gradio_api/call/ask/{joined['event_id']}")
    assert "waiting" in next(line for line in stream if line.startswith(b"data: [")).decode()
    stream.close()
    assert studio.engine.tickets[-1].cancelled.wait(10)


def test_a_question_that_is_left_while_it_is_taken_is_cancelled(picture: Image.Image) -> None:
    pytest.importorskip("gradio")
    from mglmm.studio.session import Question
    from mglmm.studio.streaming import answers

    taking, go_on = threading.Event(), threading.Event()

    class _Slow(FakeEngine):
        def submit(self, *given: Any, **options: Any) -> FakeTicket:
            taking.set()
            go_on.wait(10)
            return super().submit(*given, **options)

    engine = _Slow(pace=60)

    async def _leave() -> None:
        events = answers(engine, picture, Question(picture="x", instruction="y"), 24)  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.to_thread(taking.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        assert await asyncio.to_thread(engine.taken.wait, 10)
        assert await asyncio.to_thread(engine.tickets[-1].cancelled.wait, 5)

    asyncio.run(_leave())


def test_a_server_that_does_not_start_closes_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    gradio = pytest.importorskip("gradio")
    from mglmm.studio.launch import serve

    def _fail(*_: Any, **__: Any) -> None:
        raise OSError("no")

    monkeypatch.setattr(gradio.Server, "launch", _fail)
    engine = FakeEngine()
    with pytest.raises(OSError, match="no"):
        serve(engine, port=free_port())  # type: ignore[arg-type]
    assert engine.closed


def test_sigterm_ends_a_studio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As Ctrl-C does, and afterwards it means what it meant before."""
    gradio = pytest.importorskip("gradio")
    from mglmm.studio.launch import serve

    heard: list[int] = []
    monkeypatch.setattr(gradio.Server, "launch", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    engine = FakeEngine()
    try:
        serve(engine, port=free_port())  # type: ignore[arg-type]
        assert engine.closed and capsys.readouterr().out == "ended\n" and not heard
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_studio_ends_with_its_model(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, for whoever starts it again."""
    pytest.importorskip("gradio")
    engine = FakeEngine()

    def _failing(_: object, on_failure: Callable[[], None]) -> FakeEngine:
        threading.Timer(0.2, on_failure).start()
        return engine

    monkeypatch.setattr("mglmm.engine.Engine", _failing)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--port", str(free_port()), "--model", str(tiny_model_dir)])
    assert ended.value.code == 1 and engine.closed
    assert "the model failed and cannot go on" in capsys.readouterr().err
