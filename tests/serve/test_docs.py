"""docs/serving.md keeps its promises: its examples run, its tables name what there is."""

import json
import re
import shutil
import subprocess

import pytest

from mglmm.serve.limits import Limits
from mglmm.serve.openai import ChatRequest, Grounding
from mglmm.serve.reading import FIELDS
from tests.serve.conftest import ROOT
from tests.serve.live import Live

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_python(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = blocks("python")
    exec(compile(code.replace(ADDRESS, live.url), "serving.md", "exec"), {})
    said = capsys.readouterr().out
    assert "scooter" in said and "[1]" in said


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl(live: Live) -> None:
    (command,) = [block for block in blocks("sh") if "curl" in block]
    done = subprocess.run(
        ["sh", "-c", command.replace(ADDRESS, live.url)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["choices"][0]["message"]["grounding"]["phrases"]


def test_the_grounding_that_is_shown() -> None:
    (shown,) = blocks("json")
    Grounding.model_validate_json(shown)


def test_everything_is_named() -> None:
    for name in Limits.model_fields:
        assert f"--{name.replace('_', '-')}" in PAGE or name == "image_hosts" and "--image-host HOST" in PAGE
    for name in FIELDS:
        assert f"`{name}`" in PAGE
    named = set(re.findall(r"`(\w+)`", PAGE.split("## What is taken")[1].split("## Limits")[0]))
    assert {name for name in named if name in ChatRequest.model_fields} >= {"temperature", "n", "tools", "stop", "seed"}
