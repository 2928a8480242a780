"""The studio over a scripted engine, and a browser if there is one on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.studio.fake import FakeEngine
from tests.studio.server import Studio, free_port

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def shared_studio() -> Iterator[Studio]:
    pytest.importorskip("gradio")
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of one module: while it is there Playwright's loop runs in this thread, and no other can."""
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
