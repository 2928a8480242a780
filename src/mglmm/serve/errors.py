"""Refusals, in the form in which OpenAI's API tells them."""

from pydantic import BaseModel

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
_LOST = 500
"""From this status on the server is to blame."""


class ErrorDetails(BaseModel):
    """What is wrong, the parameter that it is about (as in `messages.0.content`), and a short name of the mistake."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every answer with a status from 400 on."""

    error: ErrorDetails


class ApiError(Exception):
    """A request that is not answered; `headers` go with the refusal."""

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}
        self.body = error_body(status, message, code, param)


def error_body(status: int, message: str, code: str | None = None, param: str | None = None) -> ErrorBody:
    """The body of a refusal."""
    kind = _TYPES.get(status, "server_error" if status >= _LOST else "invalid_request_error")
    return ErrorBody(error=ErrorDetails(message=message, type=kind, param=param, code=code))
