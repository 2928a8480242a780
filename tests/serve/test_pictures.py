"""Pictures in requests: what is read, and that nothing else of this machine or its network ever is."""

import asyncio
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest
from PIL import Image

from mglmm.serve import fetch as fetching
from mglmm.serve.errors import ApiError
from mglmm.serve.fetch import fetch, is_public, public_address
from mglmm.serve.limits import Limits
from mglmm.serve.pictures import content_of, data_url, decoded
from tests.serve.live import png

ALLOWED = Limits(image_hosts=("pictures.example",), max_image_bytes=50_000)


def refused(url: str, limits: Limits = ALLOWED) -> str:
    """Why a remote picture is not fetched, without any name being looked up."""

    async def resolve(host: str, port: int) -> str:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(ApiError) as caught:
        asyncio.run(fetch(url, limits, "url", resolve))
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "data:image/png,abc",
        "data:text/plain;base64,AAAA",
        "data:image/png;base64",
        "ftp://pictures.example/x.png",
        " http://169.254.169.254/",
        "gopher://x",
        "",
    ],
)
def test_other_addresses_are_no_pictures(url: str) -> None:
    with pytest.raises(ApiError, match="only those and allowed https hosts"):
        content_of(url, ALLOWED, "url")


@pytest.mark.parametrize("text", ["AAA", "AA=A", "A A A A=", "AAAA\n", "ÄÄÄÄ", "====", "AAAA=", "AAAA====", "AA==AA=="])
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(ApiError, match="broken base64"):
        content_of(f"data:image/png;base64,{text}", ALLOWED, "url")


def test_data_url_round_trip() -> None:
    assert content_of(data_url(png(), "jpeg"), ALLOWED, "url") == png()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_formats(form: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (9, 5), "blue").save(content, form)
    assert decoded(content.getvalue(), ALLOWED, "url").size == (9, 5)


@pytest.mark.parametrize("form", ["EPS", "TIFF", "BMP", "PPM"])
def test_other_formats_are_not_opened(form: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (9, 5), "blue").save(content, form)
    with pytest.raises(ApiError, match=r"PNG, JPEG, WEBP, GIF"):
        decoded(content.getvalue(), ALLOWED, "url")


@pytest.mark.parametrize("content", [b"", b"x", png()[:40], b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"\xff\xd8\xff"])
def test_broken_pictures(content: bytes) -> None:
    with pytest.raises(ApiError):
        decoded(content, ALLOWED, "url")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://169.254.169.254/latest/meta-data", "not fetched from this host"),
        ("https://other.example/x.png", "not fetched from this host"),
        ("https://pictures.example.evil.example/x", "not fetched from this host"),
        ("https://pictures.example@other.example/x", "not fetched from this host"),
        ("https://other.example\\@pictures.example/x", "user name"),
        ("https://me:word@pictures.example/x", "user name"),
        ("https://pictures.example:22/x", "port 22"),
        ("http://pictures.example:443/x", "port 443"),
        ("https://pictures.example:0x50/x", "no address"),
        ("http://[::1/x", "no address"),
        ("https:///x", "not fetched from this host"),
        ("https://pictures.example/a b", "printable ASCII"),
        ("https://pictures.example/\r\nHost: x", "printable ASCII"),
        ("https://pictures.exämple/", "printable ASCII"),
    ],
)
def test_refused_before_anything_is_looked_up(url: str, said: str) -> None:
    assert said in refused(url)


def test_nothing_is_fetched_by_default() -> None:
    assert "not fetched" in refused("https://pictures.example/x.png", Limits())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("2001:0:7f00:1::", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) == public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "::1"])
def test_names_of_this_machine_are_not_connected_to(host: str) -> None:
    limits = Limits(image_hosts=(host,))
    with pytest.raises(ApiError, match="gives no picture|not fetched"):
        asyncio.run(fetch(f"http://{f'[{host}]' if ':' in host else host}/x", limits, "url"))


def test_one_private_address_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that has a public and a private address is not asked: which is taken is not left to chance."""

    async def found(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, port)) for address in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", found)
    with pytest.raises(OSError, match="not public"):
        asyncio.run(public_address("pictures.example", 443))


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        self.server.asked.append((self.headers["Host"], self.path))  # type: ignore[attr-defined]
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
            return
        content = png() if self.path.startswith("/x.png") else b"x" * 200_000
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def host() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_fetch(host: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked up is what is connected to, the host's name is in the request, a proxy is not used."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setitem(fetching._PORTS, "http", host.server_port)
    looked_up = []

    async def resolve(name: str, port: int) -> str:
        looked_up.append(name)
        return "127.0.0.1"

    url = f"http://pictures.example:{host.server_port}"
    assert asyncio.run(fetch(f"{url}/x.png?a=b", ALLOWED, "url", resolve)) == png()
    assert host.asked == [(f"pictures.example:{host.server_port}", "/x.png?a=b")]  # type: ignore[attr-defined]
    for path, said in (("/moved", "status 302; redirects"), ("/large", "50,000 bytes")):
        with pytest.raises(ApiError, match=said):
            asyncio.run(fetch(url + path, ALLOWED, "url", resolve))
    assert looked_up == ["pictures.example"] * 3


def test_silent_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_TIMEOUT_S", 0.05)

    async def resolve(name: str, port: int) -> str:
        await asyncio.sleep(5)
        return "127.0.0.1"

    with pytest.raises(ApiError, match="no answer in time"):
        asyncio.run(fetch("https://pictures.example/", ALLOWED, "url", resolve))
