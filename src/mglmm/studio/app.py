"""The studio's server: the page and its files, pictures, sessions, downloads; answers go through Gradio's queue."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import gradio
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from mglmm.engine import Engine, EngineClosedError
from mglmm.schema import UserError, read_line
from mglmm.studio import export, page
from mglmm.studio.bodies import QuestionLimit, body_of
from mglmm.studio.pictures import MAX_UPLOAD_BYTES, Kept, PictureStore
from mglmm.studio.samples import SAMPLES, sample_png
from mglmm.studio.session import Question, Session
from mglmm.studio.streaming import answers

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when a server is made; nothing is sent anywhere

MAX_SESSION_BYTES = 2 * MAX_UPLOAD_BYTES
"""Ours: the largest picture as Base64, and room for its masks."""

MAX_DECODING = 2
"""Uploads, sessions and downloads worked on at once; others wait. Ours: one may take 1.1 GB for a moment."""

UPLOADS_OF_GRADIO = ("/gradio_api/upload", "/gradio_api/process_recording")
"""Gradio's own ways to leave a file on the server, which nothing here needs."""
PAST_THE_QUEUE = ("/gradio_api/run/{name}", "/gradio_api/api/{name}")
"""Gradio's ways to ask without a place in its queue, where nothing limits how many do."""

GONE = "The server has gone in the middle of the answer; ask again when it is back."

_FORBIDDEN, _UNPROCESSABLE = 403, 422


def make_app(engine: Engine, *, model: str = "default", max_new_tokens: int = 512) -> gradio.Server:
    """The server over an engine; `model` is the name that the page shows. `launch` starts it."""
    app = gradio.Server(title="mglmm studio", docs_url=None, redoc_url=None, openapi_url=None)
    pictures = PictureStore()
    decoding = asyncio.Semaphore(MAX_DECODING)
    html = page.page(model)

    @app.exception_handler(UserError)
    def _complain(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": one_line(error)}, _UNPROCESSABLE)

    @app.get("/", include_in_schema=False)
    def _page() -> HTMLResponse:
        return HTMLResponse(html, headers=page.SECURITY)

    app.mount("/studio/static", StaticFiles(directory=page.STATIC))
    _add_pictures(app, pictures, decoding)
    _add_sessions(app, pictures, decoding)
    for address in UPLOADS_OF_GRADIO:  # ours come first
        app.add_api_route(address, _refuse, methods=["POST"])
    for address in PAST_THE_QUEUE:
        app.add_api_route(address, _refuse_directly, methods=["POST"])
    app.add_middleware(QuestionLimit)

    @app.api(name="ask", concurrency_limit=None)
    async def _ask(question: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The answer to a `Question`, event by event: see `streaming.told`, and "error" and "unknown_picture"."""
        try:
            parsed = _question(question)
            kept = pictures.get(parsed.picture)
            if kept is None:
                yield {"kind": "unknown_picture"}
                return
            if parsed.focus and parsed.focus.rle.size != kept.size:
                raise UserError(f"the question: its object is of a picture of {parsed.focus.rle.size}, not {kept.size}")
            image = await run_in_threadpool(kept.image)
            async for event in answers(engine, image, parsed, max_new_tokens):
                yield event
        except UserError as error:
            yield {"kind": "error", "message": one_line(error)}
        except EngineClosedError:
            yield {"kind": "error", "message": GONE}

    return app


def one_line(error: UserError) -> str:
    """What the user is told."""
    return " ".join(str(error).split())


def _refuse() -> JSONResponse:
    return JSONResponse({"error": "pictures go to studio/pictures"}, _FORBIDDEN)


def _refuse_directly(name: str) -> JSONResponse:
    return JSONResponse({"error": f"questions go to gradio_api/call/{name}"}, _FORBIDDEN)


def _add_pictures(app: gradio.Server, pictures: PictureStore, decoding: asyncio.Semaphore) -> None:
    @app.post("/studio/pictures")
    async def _upload(request: Request) -> dict[str, Any]:
        content = await body_of(request, "the picture", MAX_UPLOAD_BYTES)
        async with decoding:
            return _told(await run_in_threadpool(pictures.add, content))

    @app.get("/studio/pictures/{picture_id}")
    def _picture(picture_id: str) -> Response:
        kept = pictures.get(picture_id)
        return _file(kept.content, kept.media_type) if kept else Response(status_code=404)

    @app.get("/studio/samples/{number}")
    def _sample(number: int) -> Response:
        return _file(sample_png(number), "image/png") if 0 <= number < len(SAMPLES) else Response(status_code=404)


def _add_sessions(app: gradio.Server, pictures: PictureStore, decoding: asyncio.Semaphore) -> None:
    @app.post("/studio/sessions")
    async def _open(request: Request) -> dict[str, Any]:
        """The session in the body, found to be whole, with its picture as one that is kept."""
        body = await body_of(request, "the session", MAX_SESSION_BYTES)

        def _opened() -> dict[str, Any]:
            session = read_line(body, Session, "the session")
            export.picture_of(session)
            kept = pictures.add(session.content)
            if kept.size != session.sample.size:
                raise UserError("the session: its picture is larger than the studio works with")
            return session.model_dump(mode="json", include={"sample", "unnamed"}) | {"picture": _told(kept)}

        async with decoding:
            return await run_in_threadpool(_opened)

    @app.post("/studio/export/{form}")
    async def _export(form: str, request: Request) -> Response:
        body = await body_of(request, "the session", MAX_SESSION_BYTES)

        def _made() -> export.File:
            return export.export(form, read_line(body, export.Wanted, "the session to export"))

        async with decoding:
            file = await run_in_threadpool(_made)
        headers = {"Content-Disposition": file.disposition}
        return Response(file.content, media_type=file.media_type, headers=headers)


def _question(question: dict[str, Any]) -> Question:
    """The question; UserError if it is none."""
    return read_line(json.dumps(question), Question, "the question")


def _told(kept: Kept) -> dict[str, Any]:
    """What the page learns about a picture."""
    return {"id": kept.id, "size": kept.size, "uploaded_size": kept.uploaded_size, "media_type": kept.media_type}


def _file(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=86400, immutable"})
