"""The studio over a scripted engine, and a browser if there is one on this machine."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

pytest.importorskip("gradio")

from mglmm.studio.launch import serve
from tests.studio.fake import FakeEngine

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Studio:
    """A server that can be stopped and started again at the same address."""

    engine: FakeEngine
    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=serve, args=(self.engine,), kwargs={"port": self.port, "stop": self.stop}, daemon=True
        )
        self.thread.start()
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("the studio has not started")

    def end(self) -> None:
        assert self.thread
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def shared_studio() -> Iterator[Studio]:
    studio = Studio(FakeEngine(), free_port())
    studio.start()
    yield studio
    studio.end()


@pytest.fixture
def studio(shared_studio: Studio) -> Studio:
    """The shared server, its engine as new."""
    shared_studio.engine.__init__()
    return shared_studio


@pytest.fixture(scope="session")
def picture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 x 160 pixels, PNG."""
    image = Image.new("RGB", (240, 160), (120, 170, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 72, 240, 160), fill=(90, 150, 70))
    draw.rounded_rectangle((48, 64, 192, 144), 20, fill=(190, 40, 40))
    draw.ellipse((196, 32, 236, 112), fill=(40, 110, 50))
    path = tmp_path_factory.mktemp("pictures") / "a street.png"
    image.save(path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        own = Path(p.chromium.executable_path)
        found = str(own) if own.is_file() else next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            pytest.skip("no Chromium: neither Playwright's own nor one on the path")
        arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        browser = p.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()
