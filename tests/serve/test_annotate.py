"""The annotation pipeline against the server: what a model that sees one picture can do, and what it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.run import run
from mglmm.annotate.summary import Summary
from mglmm.schema import Sample, UserError, read_jsonl
from tests.serve.live import Live

WORLD = "world:7:8@128"
PROMPT = "Describe the picture in one sentence, with masks."


def annotate(live: Live, out: Path, **options: Any) -> Summary:
    prompts = out.parent / "prompts"
    prompts.mkdir(exist_ok=True)
    for name in ("describe", "retry"):
        (prompts / f"{name}.md").write_text(PROMPT)
    roles = {name: options.pop(name) for name in ("compose", "verify") if name in options}
    endpoint = {"base_url": f"{live.url}/v1", "model": "default", "max_tries": 1, "max_retries": 0, **options}
    values = {
        "endpoints": {"mglmm": endpoint},
        "label": "mglmm",
        "prompts": str(prompts),
        "workers": 0,
        "give_up_after": 1,
        "export": {"forms": ()},
        **roles,
    }
    return run(WORLD, out, AnnotateRecipe.model_validate(values))


@pytest.mark.parametrize("structured", ["json_schema", "json_object"])
def test_crops_are_described(live: Live, tmp_path: Path, structured: str) -> None:
    """Label, caption and confidence come from the answer itself: they hold together, and are counted."""
    summary = annotate(live, tmp_path / "out", pictures="crop", structured=structured)
    assert summary.finished == 1 and summary.quarantined == 0
    assert summary.ledger.prompt_tokens > summary.ledger.answered > 5
    segments = [s for sample in read_jsonl(tmp_path / "out" / "samples.jsonl", Sample) for s in sample.segments]
    assert len(segments) >= 2
    for segment in segments:
        assert segment.caption and segment.label.split()[-1] in segment.caption.lower()


def test_two_pictures_are_refused_by_name(live: Live, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this model sees one picture"):
        annotate(live, tmp_path / "out")
    lines = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    assert all("400 messages.0.content.2.image_url.url" in json.loads(line)["reason"] for line in lines)


@pytest.mark.parametrize(
    ("role", "said"),
    [("compose", "this model answers about a picture"), ("verify", "of an object it fills label")],
)
def test_what_the_model_cannot_do_is_refused_by_name(live: Live, tmp_path: Path, role: str, said: str) -> None:
    """It composes no text without a picture, and judges no one else's."""
    with pytest.raises(UserError, match=said):
        annotate(live, tmp_path / "out", pictures="crop", **{role: "mglmm"})
