"""The routes of the server, and what surrounds every request."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mglmm import __version__
from mglmm.serve.errors import ApiError, ErrorBody, error_body
from mglmm.serve.observing import Metrics, Trace, known_method, log_request
from mglmm.serve.openai import ChatRequest, Chunk, Completion, Delta, Health, Model, Models
from mglmm.serve.replying import Frame
from mglmm.serve.service import Answer, Service, while_connected

CLIENT_GONE = 499
"""Status in logs and metrics of a request whose client went away. Source: nginx."""

_SLACK_S = 30.0
"""Beyond the time of the answer, for a client to send its request and to take the answer. Ours."""

_REFERENCE = "#/components/schemas/{model}"
_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event: a chunk, or an error that ends the stream; the last is [DONE]",
    "properties": {
        "data": {
            "anyOf": [
                {"const": "[DONE]"},
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "anyOf": [{"$ref": _REFERENCE.format(model=name)} for name in ("Chunk", "ErrorBody")]
                    },
                },
            ]
        }
    },
    "required": ["data"],
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "Not a request that this model can honour; `param` says where"},
    404: {"model": ErrorBody, "description": "There is no such model"},
    408: {"model": ErrorBody, "description": "The request did not come in time"},
    413: {"model": ErrorBody, "description": "Too many bytes"},
    415: {"model": ErrorBody, "description": "Not JSON"},
    429: {
        "model": ErrorBody,
        "description": "As many requests are under way as the server takes",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
    },
    500: {"model": ErrorBody, "description": "The server failed"},
    503: {"model": ErrorBody, "description": "The server is shutting down"},
    504: {"model": ErrorBody, "description": "The answer, or the first word of a stream, did not come in time"},
}


def create_app(service: Service) -> FastAPI:
    """The application of a service, whose engine it closes at its end."""

    @asynccontextmanager
    async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.engine.close, finish=False)

    app = _App(
        title="mglmm", version=__version__, lifespan=_lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.service = service
    metrics = Metrics(lambda: service.engine.num_waiting, lambda: service.engine.num_running, lambda: service.num_open)
    app.add_middleware(_Observed, metrics=metrics, timeout_s=service.limits.timeout_s + _SLACK_S)
    app.add_exception_handler(ApiError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_route)
    app.add_exception_handler(ClientDisconnect, _nobody)
    app.add_exception_handler(Exception, _fail)
    _add_chat(app, service)
    _add_models(app, service)
    _add_operation(app, service, metrics)
    return app


def _add_chat(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/chat/completions",
        response_class=Response,
        responses={
            **_REFUSALS,
            200: {
                "description": "The answer; with `stream`, events of `Chunk` and at last `[DONE]`",
                "model": Completion,
                "content": {"text/event-stream": {"schema": _EVENT}},
            },
        },
    )
    async def chat_completions(request: Request) -> Response:
        """The next answer of a conversation about one picture, its phrases tied to masks."""
        trace, stack = request.state.trace, request.state.stack
        service.check_key(request)
        stack.enter_context(service.admission(trace))
        answer = await service.ask(request, trace)
        stack.callback(answer.close)
        frame = Frame(f"chatcmpl-{trace.id.removeprefix('req-')}", int(time.time()), service.model)
        if trace.stream:
            # the first word is waited for, so that what goes wrong before it still has its status
            first = await while_connected(request, answer.next())
            headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
            return StreamingResponse(_events(frame, answer, first), media_type="text/event-stream", headers=headers)
        await while_connected(request, answer.rest())
        return _json(frame.completion(answer.said, answer.limit, answer.usage))


async def _events(frame: Frame, answer: Answer, delta: Delta | None) -> AsyncIterator[bytes]:
    """The events of a stream that begins with `delta`."""
    yield _event(frame.opening(answer.said))
    try:
        while delta is not None:
            yield _event(frame.chunk(delta))
            delta = await answer.next()
        for chunk in frame.closing(answer.said, answer.limit, answer.usage):
            yield _event(chunk)
    except ApiError as error:
        yield _event(error.body)
    yield b"data: [DONE]\n\n"


def _event(value: BaseModel) -> bytes:
    return f"data: {value.model_dump_json(exclude_none=True)}\n\n".encode()


def _json(value: BaseModel) -> Response:
    return Response(value.model_dump_json(exclude_none=True), media_type="application/json")


def _add_models(app: FastAPI, service: Service) -> None:
    model = Model(id=service.model, created=int(time.time()))

    @app.get("/v1/models", response_model=Models)
    async def list_models(request: Request) -> Models:
        """The model that answers."""
        service.check_key(request)
        return Models(data=(model,))

    @app.get("/v1/models/{model_id:path}", response_model=Model, responses={404: _REFUSALS[404]})
    async def retrieve_model(request: Request, model_id: str) -> Model:
        """The model of this name."""
        service.check_key(request)
        service.check_model(model_id)
        return model


def _add_operation(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", response_model=Health, responses={503: _REFUSALS[503]})
    async def healthz() -> Health:
        """That the server answers requests, not only this one."""
        service.check_engine()
        return Health()

    text = {"text/plain": {"schema": {"type": "string"}}}

    @app.get("/metrics", response_class=Response, responses={200: {"content": text}})
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


class _App(FastAPI):
    """Tells the schema of the body that the chat route reads by itself, the model's name and the key that is wanted."""

    service: Service

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI schema."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schemas = schema["components"]["schemas"]
            for model in (ChatRequest, Chunk):
                described = model.model_json_schema(ref_template=_REFERENCE)
                schemas.update(described.pop("$defs", {}))
                schemas[model.__name__] = described
            schemas["ChatRequest"]["properties"]["model"]["enum"] = [self.service.model]
            body = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ChatRequest")}}}
            schema["paths"]["/v1/chat/completions"]["post"]["requestBody"] = {"required": True, "content": body}
            if self.service.needs_key:
                schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ErrorBody")}}}
                refused = {"description": "The API key is missing or wrong", "content": content}
                for path, methods in schema["paths"].items():
                    for operation in methods.values() if path.startswith("/v1/") else ():
                        operation["security"] = [{"key": []}]
                        operation["responses"]["401"] = refused
            self.openapi_schema = schema
        return self.openapi_schema


class _Observed:
    """Around every request: its id, its time, what it holds until its end, its line in the log and its metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics, timeout_s: float) -> None:
        self._app, self._metrics, self._timeout_s = app, metrics, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by Starlette."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = Trace(method=known_method(scope["method"]))

        async def _send(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", trace.id.encode())]
            await send(message)

        try:
            async with asyncio.timeout(self._timeout_s), AsyncExitStack() as stack:
                scope.setdefault("state", {}).update(trace=trace, stack=stack)
                await self._app(scope, receive, _send)
        except TimeoutError:
            # a client that does not take its answer; the connection is closed without the rest
            trace.outcome = "time"
        finally:
            route = scope.get("route")
            trace.path = route.path if route is not None else "other"
            trace.status = trace.status or 500
            self._metrics.add(trace)
            log_request(trace)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    request.state.trace.error = error.code
    return JSONResponse(error.body.model_dump(), error.status, error.headers)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "there is no such path here", 405: "this path does not take this method"}
    body = error_body(error.status_code, said.get(error.status_code, str(error.detail)))
    return JSONResponse(body.model_dump(), error.status_code, dict(error.headers or {}))


async def _nobody(request: Request, error: Exception) -> Response:
    """Nobody reads it; the status is for the log."""
    request.state.trace.outcome = "gone"
    return Response(status_code=CLIENT_GONE)


async def _fail(request: Request, error: Exception) -> Response:
    body = error_body(500, "the server failed to answer this request", "internal_error")
    return JSONResponse(body.model_dump(), 500, {"x-request-id": request.state.trace.id})
