"""Self-contained HTML pages."""

import io
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image


def write(path: Path, template: str, **values: Any) -> None:
    """Write the page of a template in the assets, atomically; texts are escaped."""
    assets = files("mglmm").joinpath("assets")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = assets.joinpath("browse.css").read_text(encoding="utf-8")
    text = environment.from_string(assets.joinpath(template).read_text(encoding="utf-8")).render(style=style, **values)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def data_uri(picture: Image.Image) -> str:
    """The picture as the text that a page can hold."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()
