"""The prompts for vision-language models: Jinja templates in files that can be copied and edited."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, meta

from mglmm.annotate.looks import place
from mglmm.schema import UserError

VALUES = {
    "describe": {"box", "whole"},
    "compose": {"whole", "parts"},
    "verify": {"label", "caption"},
    "retry": {"problems"},
}
"""Name of a prompt -> what its template is given."""


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
            return _template(self.texts[name]).render(**values).strip()
        except TemplateError as error:
            raise UserError(f"prompt {name}.md: {error}") from error


def load_prompts(folder: str) -> Prompts:
    """The prompts in a folder; those that it does not hold, and all where it is "", are the package's.

    Raises:
        UserError: the folder is missing, holds other files ending in ".md", or one cannot be read, is no template, or
            asks for a value that it is not given.
    """
    texts = {name: _asset(name) for name in VALUES}
    if not folder:
        return Prompts(texts)
    if not Path(folder).is_dir():
        raise UserError(f"prompts: {folder}: no such folder; `mglmm annotate --write-prompts {folder}` makes it")
    for path in sorted(Path(folder).glob("*.md")):
        if path.stem not in VALUES:
            raise UserError(f"{path}: no prompt has this name; there are {', '.join(f'{n}.md' for n in VALUES)}")
        try:
            texts[path.stem] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from error
        _check_template(texts[path.stem], path)
    return Prompts(texts)


def _check_template(text: str, path: Path) -> None:
    known = VALUES[path.stem]
    try:
        asked = meta.find_undeclared_variables(_environment().parse(text))
    except TemplateError as error:
        raise UserError(f"{path}: is no template ({error})") from error
    if asked - known:
        raise UserError(f"{path}: there is no value {min(asked - known)!r}; there are {', '.join(sorted(known))}")


def write_prompts(folder: Path) -> None:
    """Write the package's prompts into a folder, to be edited; files that are there stay.

    Raises:
        UserError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in VALUES:
            path = folder / f"{name}.md"
            if not path.exists():
                path.write_text(_asset(name), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from error


def _asset(name: str) -> str:
    return (files("mglmm") / "assets" / "annotate" / f"{name}.md").read_text(encoding="utf-8")


@lru_cache(maxsize=16)
def _template(text: str) -> Template:
    """The template of a text; to make one takes longer than all else that a call needs."""
    return _environment().from_string(text)


def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["place"] = lambda part: place(part.looks)
    return environment
