"""The page and what it is told when it opens: the tasks, the colors, the sample pictures."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from mglmm import __version__, viz
from mglmm.studio.pictures import MAX_UPLOAD_BYTES
from mglmm.studio.samples import SAMPLES
from mglmm.studio.session import MAX_INSTRUCTION_CHARACTERS

STATIC = Path(__file__).parent / "static"

SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of the page: the browser itself refuses whatever would come from elsewhere."""

INSIDE = "Describe {object} in detail with its parts, with masks."
"""What is asked when an object is clicked; `{object}`: its phrase with "the"."""


class Task(NamedTuple):
    """An instruction at one click. `way`: "ask" it at once, "edit" it first, or ask about the chosen "object"."""

    name: str
    way: Literal["ask", "edit", "object"]
    instruction: str
    about: str


TASKS = (
    Task(
        "Describe everything",
        "ask",
        "Describe everything in the picture in detail, with masks.",
        "The whole scene, with a mask for every thing",
    ),
    Task("Describe this object", "object", INSIDE, "The parts of the object that you have chosen"),
    Task("Segment ...", "edit", "Segment ", "The mask of what you name"),
    Task(
        "Reason",
        "edit",
        "What can one sit on? Answer with masks.",
        "A question whose answer is a mask; change it as you like",
    ),
    Task("Caption", "ask", "Describe the picture briefly, with masks.", "One sentence, with masks"),
)
"""In the order of the page. The wordings are among those of `mglmm.instructions`, on which the default was trained."""


def page(model: str) -> str:
    """The HTML of the page; `model`: the name it shows."""
    environment = Environment(
        loader=PackageLoader("mglmm.studio", "static"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("index.html").render(
        version=__version__, model=model, samples=SAMPLES, tasks=TASKS, configuration=configuration()
    )


def configuration() -> dict[str, Any]:
    """What the page's scripts need to know."""
    return {
        "inside": INSIDE,
        "palette": [{"fill": _css(color), "ink": _css(viz.readable_on(color))} for color in viz.PALETTE],
        "tasks": [task._asdict() for task in TASKS],
        "max_upload_bytes": MAX_UPLOAD_BYTES,
        "max_instruction_characters": MAX_INSTRUCTION_CHARACTERS,
    }


def _css(color: viz.Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
