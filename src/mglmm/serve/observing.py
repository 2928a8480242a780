"""What the server tells about itself: a line of JSON for each request, and metrics for Prometheus.

Neither holds an instruction, an answer, or anything of a picture.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

LOGGER = "mglmm.serve"
MOMENTS = {
    "read": "the body and the picture are there",
    "first_word": "the first word of a stream is there",
    "first_mask": "the first mask of a stream is there",
    "whole": "the answer is whole",
}
"""What is timed of a request, from its beginning on."""

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


@dataclass
class Trace:
    """What is known of one request. Moments are those of `time.perf_counter`."""

    id: str = field(default_factory=lambda: f"req-{uuid4().hex}")
    began: float = field(default_factory=time.perf_counter)
    path: str = "other"
    """Of the route, so that clients cannot make metrics grow."""
    method: str = "other"
    status: int = 0
    outcome: str = ""
    """How an answer ended: stop, tokens, time, gone (the client went away), failed; empty: there was none."""
    error: str = ""
    """Code of a refusal."""
    stream: bool = False
    moments: dict[str, float] = field(default_factory=dict)
    """Name in `MOMENTS` -> when."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    masks: int = 0
    pixels: int = 0

    def mark(self, name: str) -> None:
        """Note the moment of something that happens for the first time."""
        self.moments.setdefault(name, time.perf_counter())

    @property
    def seconds(self) -> dict[str, float]:
        """From the beginning of the request to each moment."""
        return {name: moment - self.began for name, moment in self.moments.items()}

    def to_log(self) -> dict[str, Any]:
        """The fields of the request's line."""
        fields = {
            "request_id": self.id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "outcome": self.outcome,
            "error": self.error,
            "stream": self.stream,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "masks": self.masks,
            "pixels": self.pixels,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
        }
        return {name: value for name, value in fields.items() if value or name == "status"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a record carries as `fields` stands beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **record.__dict__.get("fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_json(level: str = "INFO") -> None:
    """From now on all that is logged in this process is a line of JSON on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpcore2", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log_request(trace: Trace) -> None:
    """Log the line of a request that has ended."""
    logging.getLogger(LOGGER).info("request", extra={"fields": trace.to_log()})


class Metrics:
    """The metrics of one server. `waiting`, `running`: requests now; `open_requests`: taken and not yet answered."""

    def __init__(
        self, waiting: Callable[[], float], running: Callable[[], float], open_requests: Callable[[], float]
    ) -> None:
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        for name, about, value in (
            ("waiting", "Requests whose answer has not begun", waiting),
            ("running", "Answers on their way", running),
            ("open", "Chat requests taken and not yet answered", open_requests),
        ):
            Gauge(f"mglmm_requests_{name}", about, registry=registry).set_function(value)
        self._requests = Counter("mglmm_requests", "Requests answered", ["method", "path", "status"], registry=registry)
        self._outcomes = Counter("mglmm_answers", "Answers by how they ended", ["outcome"], registry=registry)
        self._prompt_tokens = Counter("mglmm_prompt_tokens", "Tokens of prompts with pictures", registry=registry)
        self._completion_tokens = Counter("mglmm_completion_tokens", "Tokens of answers", registry=registry)
        self._masks = Counter("mglmm_masks", "Masks of answers", registry=registry)
        self._seconds = {
            name: Histogram(f"mglmm_{name}_seconds", f"Until {about}", registry=registry, buckets=_SECONDS)
            for name, about in MOMENTS.items()
        }

    def add(self, trace: Trace) -> None:
        """Count a request that has ended."""
        self._requests.labels(trace.method, trace.path, str(trace.status)).inc()
        if trace.outcome:
            self._outcomes.labels(trace.outcome).inc()
        self._prompt_tokens.inc(trace.prompt_tokens)
        self._completion_tokens.inc(trace.completion_tokens)
        self._masks.inc(trace.masks)
        for name, seconds in trace.seconds.items():
            self._seconds[name].observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


def known_method(method: str) -> str:
    """The method, or "other" for one that HTTP does not know."""
    return method if method in _METHODS else "other"
