"""Writes what the documentation takes from the code: `docs/sample.schema.json` and the readers' part of `docs/data.md`.

Run `python tools/formats.py` after a change of `schema.py` or of a reader's docstring; a test tells when.
"""

import inspect
import json
from pathlib import Path

from mglmm.data.convert import COMMON_OPTIONS
from mglmm.data.readers import READERS, Reader
from mglmm.schema import Sample

DOCS = Path(__file__).resolve().parents[1] / "docs"
START, END = "<!-- readers -->", "<!-- end of readers -->"
"""Between these lines of `docs/data.md` stands what is written here."""


def schema() -> str:
    """The JSON Schema of a record, as a text."""
    value = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Sample.model_json_schema()}
    return json.dumps(value, indent=1) + "\n"


def reader_section(name: str, reader: Reader) -> str:
    """The part of `docs/data.md` about one reader, from its docstring and parameters."""
    text = inspect.getdoc(reader) or ""
    for part in ("Source", "Licence", "Tree", "Convert"):
        text = text.replace(f"\n{part}: ", f"\n* {part}: ")
    options = [
        f"`{k}={str(p.default).lower() if isinstance(p.default, bool) else p.default}`"
        for k, p in inspect.signature(reader).parameters.items()
        if k not in COMMON_OPTIONS
    ]
    return f"#### {name}\n\n{text}\n* Options and their defaults: {', '.join(options)}\n"


def overview() -> str:
    """A table of the readers: what they read, in one line, and the licence of the data."""
    rows = ["| reader | data set | licence |", "|---|---|---|"]
    for name, reader in READERS.items():
        text = inspect.getdoc(reader) or ""
        licence = " ".join(text.partition("\nLicence: ")[2].partition("\nTree: ")[0].split())
        rows.append(f"| [{name}](#{name.replace('+', '-1')}) | {text.splitlines()[0]} | {licence} |")
    return "\n".join(rows) + "\n"


def data_page(page: str) -> str:
    """`docs/data.md` with the part about the readers as the code has it."""
    before, _, rest = page.partition(START)
    sections = "\n".join(reader_section(name, reader) for name, reader in READERS.items())
    return f"{before}{START}\n\n{overview()}\n{sections}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write both files."""
    (DOCS / "sample.schema.json").write_text(schema(), encoding="utf-8")
    page = DOCS / "data.md"
    page.write_text(data_page(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
