"""The pipeline against an endpoint over real HTTP, however that behaves."""

import io
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from mglmm.annotate.endpoint import EndpointAnnotator, _answer_of
from mglmm.annotate.ledger import Answer, Ledger, Totals
from mglmm.annotate.prompts import load_prompts
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.run import run
from mglmm.annotate.summary import Summary
from mglmm.cli import main
from mglmm.schema import Sample, UserError, read_jsonl
from tests.annotate.server import Behavior, Endpoint, Reply, pictures_of, prompt_of, sensible, serving

WORLD = "world:7:9@128"
NOW = {"retry-after-ms": "5"}
"""Makes the client try again at once."""


def recipe(endpoint: Endpoint | str, **options: Any) -> AnnotateRecipe:
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    verify = options.pop("verify", None)
    values = {
        "endpoints": {"vlm": {"base_url": url, "model": "test-vlm", "timeout_s": 5, **options}},
        "label": "vlm",
        "compose": "vlm",
        "verify": verify,
        "workers": 0,
        "give_up_after": 2,
        "export": {"forms": ()},
    }
    return AnnotateRecipe.model_validate(values)


def annotate(endpoint: Endpoint, out: Path, images: str = WORLD, **options: Any) -> Summary:
    return run(images, out, recipe(endpoint, **options))


def samples(out: Path) -> list[Sample]:
    return list(read_jsonl(out / "samples.jsonl", Sample))


def once(reply: Reply, every: int = 1) -> Behavior:
    """Every `every`-th different question gets `reply` the first time it comes."""
    seen: list[str] = []

    def behavior(number: int, request: dict[str, Any]) -> Reply:
        text = json.dumps(request["messages"], sort_keys=True)
        if text in seen or len(request["messages"]) > 1:
            return sensible(number, request)
        seen.append(text)
        return reply if len(seen) % every == 0 else sensible(number, request)

    return behavior


def test_whole_pipeline(tmp_path: Path) -> None:
    with serving() as endpoint:
        summary = annotate(endpoint, tmp_path, verify="vlm")
    found = samples(tmp_path)
    assert [s.id for s in found] == ["world-7", "world-8"]
    assert summary.finished == 2 and summary.quarantined == summary.unfinished == 0
    assert summary.ledger.answered == summary.ledger.attempts == len(endpoint.requests) == summary.calls
    assert summary.ledger.prompt_tokens == 100 * len(endpoint.requests)
    for sample in found:
        assert {s.label for s in sample.segments} == {"gadget"}
        root = sample.turns[0]
        assert root.granularity == "panoptic" and root.answer.text.startswith("Here we see")
        assert set(root.answer.segment_ids) == {s.id for s in sample.children(None)}
        provenance = sample.meta["annotation"]
        assert provenance["models"] == {name: "test-vlm" for name in ("label", "compose", "verify")}
        assert set(provenance["prompts"]) == {"describe", "compose", "verify", "retry"}


def test_what_is_asked(tmp_path: Path) -> None:
    with serving() as endpoint:
        annotate(endpoint, tmp_path, images="world:7:8@128", temperature=0.5, seed=3, extra={"top_k": 5})
    described = [r for r in endpoint.requests if len(r["messages"][0]["content"]) > 1]
    composed = [r for r in endpoint.requests if len(r["messages"][0]["content"]) == 1]
    assert described and composed
    request = described[0]
    assert (request["model"], request["temperature"], request["seed"]) == ("test-vlm", 0.5, 3)
    assert request["top_k"] == 5
    schema = request["response_format"]["json_schema"]["schema"]
    assert set(schema["required"]) == {"label", "caption", "confidence"}
    whole, crop = (Image.open(io.BytesIO(data)) for data in pictures_of(request))
    assert max(whole.size) == 128 and max(crop.size) >= 100
    sample = samples(tmp_path)[0]
    (root,) = [prompt for r in composed if "things in one picture" in (prompt := prompt_of(r))]
    assert all(re.search(rf"^{s.id}\. gadget", root, re.MULTILINE) for s in sample.children(None))


def test_concurrency_is_bounded_and_used(tmp_path: Path) -> None:
    with serving(lambda n, r: Reply(sensible(n, r).text, delay_s=0.05)) as endpoint:
        annotate(endpoint, tmp_path, concurrency=5)
    assert endpoint.most == 5


@pytest.mark.parametrize(
    ("reply", "invalid"),
    [
        (Reply(status=429, headers=NOW), False),
        (Reply(status=500, headers=NOW), False),
        (Reply('{"label": "gad', finish_reason="length"), True),
        (Reply(body=b'{"choices": [{"message": {"content": null}}], "usage": "dear"}'), True),
        (Reply(json.dumps({"label": 3})), True),
        (Reply(json.dumps({"caption": "Here is <998>a gadget</998>.", "label": "x", "confidence": 1})), True),
        (Reply(json.dumps({"label": "cat", "caption": "A dog in grass.", "confidence": 1})), True),
    ],
    ids=["429", "500", "cut short", "no text, no usage", "wrong form", "wrong ids", "label not in caption"],
)
def test_bad_answers_are_asked_again(tmp_path: Path, reply: Reply, invalid: bool) -> None:
    """Every third call goes wrong once: the results are those of an undisturbed run, and each request is counted."""
    with serving() as endpoint:
        annotate(endpoint, tmp_path / "calm")
    with serving(once(reply, every=3)) as endpoint:
        summary = annotate(endpoint, tmp_path / "rough")
    assert (tmp_path / "rough" / "samples.jsonl").read_bytes() == (tmp_path / "calm" / "samples.jsonl").read_bytes()
    assert summary.ledger.attempts == len(endpoint.requests)
    assert bool(summary.invalid_answers) == invalid
    if invalid:
        assert summary.ledger.answered == len(endpoint.requests)
        assert any(len(request["messages"]) == 3 for request in endpoint.requests)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"mess',
        b'{"error": {"message": "the engine is overloaded"}}',
        b"<html><body>Please log in.</body></html>",
        b'{"choices": []}',
        b'{"choices": [{"message": {}}]}',
        b"[1, 2]",
    ],
)
def test_bodies_that_are_no_answer_are_failures(tmp_path: Path, body: bytes) -> None:
    """They are told, and not kept: the next run asks again."""
    with (
        serving(lambda n, r: Reply(body=body)) as endpoint,
        pytest.raises(UserError, match="no chat completion: .*run the same command again"),
    ):
        annotate(endpoint, tmp_path, concurrency=1)
    assert samples(tmp_path) == []
    with serving() as endpoint:
        summary = annotate(endpoint, tmp_path)
    assert summary.finished == 2 and summary.invalid_answers == 0
    assert summary.outcomes["no completion"] == summary.ledger.failed == 2


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2.0}, (7, 2)),
        ({"prompt_tokens": "many", "completion_tokens": -1}, (0, 0)),
        ({"prompt_tokens": 10**30, "completion_tokens": True}, (0, 0)),
        ([7, 2], (0, 0)),
        (None, (0, 0)),
    ],
)
def test_usage_is_counted_where_it_is_told(usage: Any, counts: tuple[int, int]) -> None:
    body = json.dumps({"choices": [{"message": {"content": None}}], "usage": usage})
    assert _answer_of(body, 1) == ("", *counts, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_picture_goes_to_quarantine(tmp_path: Path, status: int) -> None:
    """One prompt is refused: its picture is left out with the reason, the other is finished."""
    refused: list[int] = []

    def behavior(number: int, request: dict[str, Any]) -> Reply:
        if not refused:
            refused.append(number)
            return Reply(status=status)
        return sensible(number, request)

    with serving(behavior) as endpoint:
        summary = annotate(endpoint, tmp_path)
    assert (summary.finished, summary.quarantined) == (1, 1)
    said = json.loads((tmp_path / "quarantine.jsonl").read_text())
    assert said["reason"] == f"{endpoint.url}: {status} status {status}" and said["stage"] == "annotate"


def test_refusing_every_picture_stops_the_run(tmp_path: Path) -> None:
    with (
        serving(lambda n, r: Reply(status=400)) as endpoint,
        pytest.raises(UserError, match="400 status 400; given up after 2 pictures in a row"),
    ):
        annotate(endpoint, tmp_path, images="world:0:20@128", concurrency=1)
    assert len((tmp_path / "quarantine.jsonl").read_text().splitlines()) < 10


def test_damaged_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no data base " * 100)
    with (
        serving() as endpoint,
        pytest.raises(UserError, match=r"ledger\.sqlite: file is not a database; .*move it away"),
    ):
        annotate(endpoint, tmp_path)


def test_totals_are_those_of_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.add("a", "m", Answer("x", 10, 2, 3), 0.5, 1.0)
    ledger.add_failure("m", "RateLimitError", 4, 1.0)
    ledger.add("b", "m", Answer("y", 5, 1, 1), 0.25, 1.0)
    assert ledger.totals() == Totals(2, 8, 1, 15, 3, 0.75)
    ledger.close()
    again = Ledger(tmp_path / "ledger.sqlite")
    assert again.totals() == ledger.totals() and again.known("b") == Answer("y", 5, 1, 1)
    again.close()


def test_budget_needs_prices() -> None:
    with pytest.raises(ValidationError, match="max_usd needs usd_per_million_prompt"):
        recipe("http://127.0.0.1:1/v1", max_usd=5)
    assert recipe("http://127.0.0.1:1/v1", max_usd=5, usd_per_million_completion=1).endpoints["vlm"].max_usd == 5


def test_answers_that_stay_bad_reject_the_mask(tmp_path: Path) -> None:
    """One mask never gets a usable answer: it alone is left out, after as many tries as allowed."""

    def behavior(number: int, request: dict[str, Any]) -> Reply:
        bad = "x, y = 0.000" in prompt_of(request)
        return Reply("I would rather not.") if bad else sensible(number, request)

    with serving(behavior) as endpoint:
        summary = annotate(endpoint, tmp_path, images="world:7:8@128", max_tries=2)
    asked = [r for r in endpoint.requests if "x, y = 0.000" in prompt_of(r)]
    assert summary.rejections["label: no_answer"] == len(asked) / 2 > 0
    assert summary.finished == 1 and len(samples(tmp_path)[0].segments) == summary.proposals - len(asked) / 2


def test_no_answer_at_all_stops_the_run(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    start = time.monotonic()
    with pytest.raises(UserError, match=r"Connection error.*2 pictures in a row; 0 of 20 pictures.*run the same"):
        run("world:0:20@128", tmp_path, recipe(url, max_retries=0))
    assert time.monotonic() - start < 20
    assert not list((tmp_path / "records").rglob("*.json")) and not (tmp_path / "quarantine").exists()


def test_silence_runs_into_the_time_limit(tmp_path: Path) -> None:
    with serving(lambda n, r: Reply(delay_s=3.0)) as endpoint, pytest.raises(UserError, match="timed out"):
        annotate(endpoint, tmp_path, timeout_s=0.2, max_retries=1, concurrency=4)
    assert len(endpoint.requests) <= 16  # of two pictures four at once, each tried twice


@pytest.mark.parametrize(("status", "said"), [(401, "401 .*status 401"), (404, "404 .*status 404")])
def test_refusals_stop_at_once(tmp_path: Path, status: int, said: str) -> None:
    with serving(lambda n, r: Reply(status=status)) as endpoint, pytest.raises(UserError, match=said):
        annotate(endpoint, tmp_path, concurrency=1)
    assert len(endpoint.requests) == 1


def test_goes_on_without_paying_twice(tmp_path: Path) -> None:
    """The endpoint breaks down in the middle; the next run asks only for what was not answered."""
    with serving() as endpoint:
        annotate(endpoint, tmp_path / "calm")
    needed = len(endpoint.requests)
    with (
        serving(lambda n, r: sensible(n, r) if n < 12 else Reply(status=503, headers=NOW)) as endpoint,
        pytest.raises(UserError, match="run the same command again"),
    ):
        annotate(endpoint, tmp_path / "rough", max_retries=0, concurrency=2)
    with serving() as endpoint:
        summary = annotate(endpoint, tmp_path / "rough")
    assert len(endpoint.requests) == needed - 12
    assert summary.ledger.answered == needed
    assert (tmp_path / "rough" / "samples.jsonl").read_bytes() == (tmp_path / "calm" / "samples.jsonl").read_bytes()


def test_budget_is_kept_over_runs(tmp_path: Path) -> None:
    prices = {"usd_per_million_prompt": 2000.0, "usd_per_million_completion": 5000.0}  # 0.2 + 0.05 a call
    with serving() as endpoint:
        for budget in (1.0, 2.5):
            with pytest.raises(UserError, match=rf"\${budget:g} is spent"):
                annotate(endpoint, tmp_path, **prices, max_usd=budget, concurrency=1)
            assert len(endpoint.requests) == budget / 0.25
        summary = annotate(endpoint, tmp_path, **prices, concurrency=1)
    assert summary.ledger.usd == pytest.approx(0.25 * len(endpoint.requests))
    assert "$" in (tmp_path / "summary.html").read_text()


def test_second_model_rejects(tmp_path: Path) -> None:
    def behavior(number: int, request: dict[str, Any]) -> Reply:
        if '"right"' in prompt_of(request) and " tiny " in prompt_of(request):
            return Reply(json.dumps({"right": False, "reason": "Too tiny to tell."}))
        return sensible(number, request)

    with serving(behavior) as endpoint:
        summary = annotate(endpoint, tmp_path, verify="vlm")
    assert summary.rejections["verify: second_model_disagrees"] > 0
    captions = [segment.caption or "" for sample in samples(tmp_path) for segment in sample.segments]
    assert captions and not any(" tiny " in caption for caption in captions)


def test_edited_prompts_are_used_and_told(tmp_path: Path) -> None:
    assert main(["annotate", "--write-prompts", str(tmp_path / "prompts")]) == 0
    text = (tmp_path / "prompts" / "describe.md").read_text()
    (tmp_path / "prompts" / "describe.md").write_text("Be brief, please.\n" + text)
    hashes = []
    for prompts in ("", str(tmp_path / "prompts")):
        with serving() as endpoint:
            changed = recipe(endpoint).model_copy(update={"prompts": prompts})
            run("world:7:8@128", tmp_path / f"out{bool(prompts)}", changed)
        hashes.append(samples(tmp_path / f"out{bool(prompts)}")[0].meta["annotation"]["prompts"])
    assert any(prompt_of(request).startswith("Be brief") for request in endpoint.requests)
    assert hashes[0]["describe"] != hashes[1]["describe"] and hashes[0]["compose"] == hashes[1]["compose"]


def test_more_connections_than_the_client_opens_by_itself(tmp_path: Path) -> None:
    """Its own limit is 1,000, of which 100 stay open."""
    options = recipe("http://localhost:1/v1", concurrency=3000).endpoints["vlm"]
    annotator = EndpointAnnotator(options, load_prompts(""), Ledger(tmp_path / "ledger.sqlite"))
    pool = annotator.client._client._transport._pool  # type: ignore[attr-defined]
    assert (pool._max_connections, pool._max_keepalive_connections) == (3000, 3000)


def test_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mglmm.annotate.endpoint import EndpointAnnotator
    from mglmm.annotate.prompts import load_prompts

    monkeypatch.setenv("MY_KEY", "secret")
    options = recipe("http://127.0.0.1:1/v1", api_key_env="MY_KEY").endpoints["vlm"]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert EndpointAnnotator(options, load_prompts(""), ledger).client.api_key == "secret"
    ledger.close()
    assert "secret" not in recipe("http://127.0.0.1:1/v1", api_key_env="MY_KEY").model_dump_json()
