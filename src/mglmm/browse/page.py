"""Self-contained HTML pages from the templates in the assets."""

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from mglmm.atomic import atomic_file


def write(path: Path, template: str, **values: Any) -> None:
    """Write the page of a template, atomically; texts are escaped."""
    environment = Environment(
        loader=PackageLoader("mglmm", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    with atomic_file(path) as file:
        file.write(text)


def data_uri(picture: Image.Image) -> str:
    """The picture, as JPEG, in the text of a page."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return jpeg_uri(buffer.getvalue())


def jpeg_uri(data: bytes) -> str:
    """The bytes of a JPEG file in the text of a page."""
    return "data:image/jpeg;base64," + b64encode(data).decode()
