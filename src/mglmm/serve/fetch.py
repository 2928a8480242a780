"""Pictures from hosts that the operator allows, so that no request makes the server ask anything else.

The name is looked up once, the address that is checked is the one connected to (a name cannot change its mind in
between), redirects are not followed, proxies of the environment are not used.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore2

from mglmm.serve.errors import ApiError
from mglmm.serve.limits import Limits
from mglmm.serve.pictures import too_large

Resolve = Callable[[str, int], Awaitable[str]]
"""(host, port) -> the numeric address to connect to; OSError if there is none that may be asked."""

_PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 in IPv6. Source: RFC 6052."""
_TIMEOUT_S = 10.0
"""For each step of a fetch: connecting, writing, reading a piece. Ours."""


async def fetch(url: str, limits: Limits, param: str, resolve: Resolve | None = None) -> bytes:
    """The content behind an address, asked for as `https://host/path` of an allowed host.

    Args:
        resolve: what finds the host's address; None: `public_address`.

    Raises:
        ApiError: the host is not allowed or has no public address, does not answer with status 200, or with too much.
    """
    parts = _checked(url, limits, param)
    try:
        async with asyncio.timeout(3 * _TIMEOUT_S):
            return await _get(parts, limits, param, resolve or public_address)
    except (OSError, httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
        reason = " ".join(str(error).split()) or "no answer in time"
        raise _refusal(param, f"{parts.hostname} gives no picture ({reason})") from error


async def public_address(host: str, port: int) -> str:
    """The first of a host's addresses, if all of them are public ones.

    Raises:
        OSError: the name is not known, or an address is private, local to a machine or link, or reserved.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(ip_address(address)) for address in addresses):
        raise OSError("its address is not public")
    return addresses[0]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the open internet; IPv4 in IPv6 counts as the IPv4 that it is.

    >>> is_public(ip_address("93.184.215.14")), is_public(ip_address("::ffff:169.254.169.254"))
    (True, False)
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None or address in _NAT64:
            return False
    return address.is_global and not address.is_multicast


def _checked(url: str, limits: Limits, param: str) -> SplitResult:
    """The parts of the address of an allowed host; nothing is looked up for it."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _refusal(param, "an address holds printable ASCII without spaces; the rest is percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refusal(param, f"no address ({error})") from error
    if parts.hostname is None or parts.hostname.lower() not in {host.lower() for host in limits.image_hosts}:
        raise _refusal(param, "pictures are not fetched from this host; send the picture as a data: address")
    if parts.username is not None or parts.password is not None:
        raise _refusal(param, "an address with a user name is not fetched")
    if port not in (None, _PORTS[parts.scheme]):
        raise _refusal(param, f"port {port} is not fetched from; only {_PORTS[parts.scheme]} is")
    return parts


async def _get(parts: SplitResult, limits: Limits, param: str, resolve: Resolve) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = f"{parts.scheme}://{parts.netloc}{path}".encode("ascii")
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_S)
    content = bytearray()
    async with (
        httpcore2.AsyncConnectionPool(network_backend=_Pinned(resolve)) as pool,
        pool.stream(
            "GET", target, headers={"Host": parts.netloc, "Accept": "image/*"}, extensions={"timeout": timeout}
        ) as response,
    ):
        if response.status != 200:
            raise _refusal(param, f"{parts.hostname} answers with status {response.status}; redirects are not followed")
        async for piece in response.aiter_stream():
            content += piece
            if len(content) > limits.max_image_bytes:
                raise too_large(limits, param)
    return bytes(content)


class _Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to the very address that was checked; certificates are still checked against the host's name."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """See `httpcore2.AsyncNetworkBackend`."""
        address = await self._resolve(host, port)
        return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)


def _refusal(param: str, reason: str) -> ApiError:
    return ApiError(400, f"{param}: {reason}", code="invalid_image_url", param=param)
