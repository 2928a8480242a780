"""Take pictures of the studio with the model in the package: `python tools/studio.py`.

Writes `docs/images/studio*.webp` and prints the times of docs/studio.md; with a folder as argument, pictures of every
state into that folder instead. Needs a Chromium (Playwright's own, or one on the path).
"""

import shutil
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from mglmm.engine import Engine
from mglmm.predict import load
from mglmm.studio.launch import serve
from mglmm.studio.samples import SAMPLES

DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}


@contextmanager
def studio() -> Iterator[str]:
    """The address of a studio that runs until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(Engine(load()),), kwargs={"port": port, "stop": stop})
    thread.start()
    while thread.is_alive():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/"
    stop.set()
    thread.join()


def finished(page: Page) -> None:
    """Wait until the answer has ended and nothing moves."""
    expect(page.locator(".turn .facts").last).to_contain_text("all", timeout=60_000)
    page.wait_for_timeout(700)


def begin(page: Page, sample: int) -> None:
    """Open a sample picture and have everything described."""
    page.click(f"[data-sample='{sample}']")
    page.click("text=Describe everything")
    finished(page)


def point(page: Page, label: str) -> tuple[float, float]:
    """Where on the screen the largest mask with a label like this is."""
    x, y = page.evaluate(
        "label => studio.viewer.place(studio.viewer.marks.find(mark => mark.label.includes(label)).id)", label
    )
    return x, y


def shoot(page: Page, path: Path) -> None:
    """Write what the page shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shot = path.with_suffix(".png")
    page.screenshot(path=shot)
    if path.suffix == ".webp":
        Image.open(shot).save(path, quality=82, method=6)
        shot.unlink()


def times(page: Page, address: str) -> None:
    """Print the medians over the sample pictures, in seconds from the click to what one sees."""
    told: dict[str, list[dict[str, float]]] = {"a new picture": [], "the next turn": []}
    for sample in range(len(SAMPLES)):
        page.goto(address)
        begin(page, sample)
        page.click("text=Caption")
        page.locator(".turn").nth(1).locator(".facts", has_text="all").wait_for()
        turns = page.evaluate("studio.state().session.turns.map(turn => turn.times)")
        for found, one in zip(told.values(), turns, strict=True):
            found.append(one)
    for name, found in told.items():
        parts = (
            f"{key} {statistics.median(one[key] for one in found) / 1000:.2f} s" for key in ("word", "mask", "all")
        )
        print(f"{name}: {', '.join(parts)}")


def every_state(page: Page, folder: Path) -> None:
    """Pictures of the states of a page, one after the other."""
    shoot(page, folder / "1-start.png")
    page.click("[data-sample='0']")
    page.click("text=Describe everything")
    page.wait_for_selector(".phrase")
    shoot(page, folder / "2-streaming.png")
    finished(page)
    shoot(page, folder / "3-answered.png")
    page.locator(".phrase").last.hover()
    page.wait_for_timeout(300)
    shoot(page, folder / "4-pointed.png")
    page.locator("#tree-box").evaluate("node => { node.open = true }")
    page.locator("#tree button").last.click()
    finished(page)
    shoot(page, folder / "5-inside.png")
    page.click("#download")
    shoot(page, folder / "6-download.png")
    page.keyboard.press("Escape")
    page.fill("#instruction", "")
    page.click("#send")
    shoot(page, folder / "7-error.png")


def main() -> None:
    """Take the pictures of the docs, or all."""
    with studio() as address, sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = str(own) if own.is_file() else shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        if len(sys.argv) > 1:
            for scheme in ("light", "dark"):
                for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
                    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
                    page.goto(address)
                    every_state(page, Path(sys.argv[1]) / f"{name}-{scheme}")
        else:
            page = browser.new_page(viewport=DESKTOP, color_scheme="light")  # type: ignore[arg-type]
            page.goto(address)
            begin(page, 0)
            page.mouse.move(*point(page, "horse"))
            page.wait_for_timeout(300)
            shoot(page, DOCS / "studio.webp")
            page.emulate_media(color_scheme="dark")
            page.mouse.click(*point(page, "horse"))
            finished(page)
            shoot(page, DOCS / "studio-inside.webp")
            times(page, address)
        browser.close()


if __name__ == "__main__":
    main()
