"""The rules of docs/architecture.md that a machine can check, read from the syntax tree."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mglmm"
FILES = sorted(PACKAGE.rglob("*.py"))

LEVELS: tuple[set[str], ...] = (
    {"atomic", "masks", "colors"},
    {"schema"},
    {"grounding", "config", "instructions", "images", "arguments"},
    {"phrasing"},
    {"model", "data", "world", "viz"},
    {"predict", "browse"},
    {"eval", "annotate"},
    {"train", "serve"},
    {"data_cli", "model_cli", "annotate_cli"},
    {"cli"},
    {"__main__"},
)
"""Modules and packages from the bottom to the top. Each imports only what stands below it; the first four rows are
level 0 of the page."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

