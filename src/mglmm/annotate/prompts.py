"""The prompts for vision-language models: Jinja templates in files that can be copied and edited."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError

from mglmm.annotate.looks import place
from mglmm.schema import UserError

NAMES = ("describe", "compose", "verify", "retry")


@dataclass(frozen=True)
class Prompts:
    """The text of every template by its name."""

    texts: dict[str, str]

    @property
    def hashes(self) -> dict[str, str]:
        """The first 12 digits of the SHA-256 of each text: part of the provenance."""
        return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in self.texts.items()}

    def render(self, name: str, **values: Any) -> str:
        """A prompt with its values.

        Raises:
            UserError: the template is none, or asks for a value that there is not.
        """
        try:
            return _environment().from_string(self.texts[name]).render(**values).strip()
        except TemplateError as error:
            raise UserError(f"prompt {name}.md: {error}") from error


def load_prompts(folder: str) -> Prompts:
    """The prompts in a folder; those that it does not hold, and all where it is "", are the package's.

    Raises:
        UserError: the folder is missing, holds other files ending in ".md", or one cannot be read.
    """
    texts = {name: _asset(name) for name in NAMES}
    if not folder:
        return Prompts(texts)
    if not Path(folder).is_dir():
        raise UserError(f"prompts: {folder}: no such folder; `mglmm annotate --write-prompts {folder}` makes it")
    for path in sorted(Path(folder).glob("*.md")):
        if path.stem not in NAMES:
            raise UserError(f"{path}: no prompt has this name; there are {', '.join(f'{n}.md' for n in NAMES)}")
        try:
            texts[path.stem] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from error
    return Prompts(texts)


def write_prompts(folder: Path) -> None:
    """Write the package's prompts into a folder, to be edited; files that are there stay.

    Raises:
        UserError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            path = folder / f"{name}.md"
            if not path.exists():
                path.write_text(_asset(name), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from error


def _asset(name: str) -> str:
    return (files("mglmm") / "assets" / "annotate" / f"{name}.md").read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["place"] = lambda part: place(part.looks)
    return environment
