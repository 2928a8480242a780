"""Bodies of requests, read no further than they may be long."""

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mglmm.schema import UserError
from mglmm.studio.pictures import too_large

MAX_QUESTION_BYTES = 4 * 2**20
"""Of a question. Ours: the longest conversation that `session` allows, in most scripts, and the mask of an object."""

_OWN = "/studio/"
"""Below this the studio reads bodies itself, with `body_of`."""
_TOO_LARGE = 413


class QuestionLimit:
    """Refuses what is sent to Gradio's addresses, or any but the studio's own, and is above `MAX_QUESTION_BYTES`.

    Gradio and FastAPI would read all of it into memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any ASGI application; the body is here before the one within is asked."""
        if scope["type"] != "http" or scope["path"].startswith(_OWN):
            await self._app(scope, receive, send)
            return
        whole = await _whole(scope, receive)
        if whole is None:
            said = f"the question is larger than {MAX_QUESTION_BYTES // 2**20} MiB; begin a new conversation"
            await JSONResponse({"error": said}, _TOO_LARGE, {"Connection": "close"})(scope, receive, send)
            return

        unread = [whole]

        async def _again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, _again, send)


async def _whole(scope: Scope, receive: Receive) -> Message | None:
    """The message with the whole body, or that the client has gone; None if it is too long, or says that it will be."""
    if int(dict(scope["headers"]).get(b"content-length", b"0")) > MAX_QUESTION_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > MAX_QUESTION_BYTES:
            return None
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


async def body_of(request: Request, what: str, limit: int) -> bytes:
    """The body of a request, read no further than `limit` bytes; UserError if it is longer."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > limit:
            raise UserError(too_large(what, limit))
        parts.append(part)
    return b"".join(parts)
