"""Addresses that visitors give in place of files: not fetched at all, or as a stranger on the internet could."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import cast

import gradio as gr
import httpx
from gradio import processing_utils

TIMEOUT_S = 30.0  # without a single byte


class Fetcher(httpx.AsyncBaseTransport):
    """Fetches from public addresses alone, and no more than a limit; what a name stands for is looked up once.

    Args:
        allowed: False refuses everything.
        most_bytes: of an answer.
    """

    def __init__(self, *, allowed: bool, most_bytes: int) -> None:
        self._allowed, self._most_bytes = allowed, most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            gradio.Error: if it is refused, told to the visitor.
        """
        if not self._allowed:
            raise _refused("Files are not fetched from addresses here; upload the file itself.")
        host = request.url.host
        address = await _public_address(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.extensions = {
            **request.extensions,
            "sni_hostname": host,
            "timeout": httpx.Timeout(TIMEOUT_S).as_dict(),
        }
        request.url = request.url.copy_with(host=address)
        inner = httpx.AsyncHTTPTransport()
        try:
            answer = await inner.handle_async_request(request)
        except BaseException:
            await inner.aclose()
            raise
        if int(answer.headers.get("content-length") or 0) > self._most_bytes:
            await inner.aclose()
            raise _too_large(self._most_bytes)
        stream = _Bounded(cast(httpx.AsyncByteStream, answer.stream), inner, self._most_bytes)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream, extensions=answer.extensions)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, inner: httpx.AsyncHTTPTransport, most_bytes: int) -> None:
        self._stream, self._inner = stream, inner
        self._most_bytes = self._rest = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._rest -= len(chunk)
            if self._rest < 0:
                raise _too_large(self._most_bytes)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
        await self._inner.aclose()


def limit_fetching(*, allowed: bool, most_bytes: int) -> None:
    """Set, for the whole process, what becomes of addresses that are given in place of files.

    Args:
        allowed: whether they are fetched at all.
        most_bytes: of one file.
    """
    processing_utils.async_transport = Fetcher(allowed=allowed, most_bytes=most_bytes)  # type: ignore[assignment]


async def _public_address(host: str, port: int) -> str:
    """One address of the host. All of them must be public, or which one is asked would be a matter of luck."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(f"{host[:100]}: there is no such host; check the address, or upload the file itself.") from error
    addresses = [entry[4][0] for entry in found]
    if not addresses or not all(map(_is_public, addresses)):
        raise _refused(f"{host[:100]}: files are fetched from public addresses alone; upload the file itself.")
    return str(addresses[0])


def _is_public(text: str | int) -> bool:
    address = ipaddress.ip_address(str(text).split("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    reached = mapped or address
    return reached.is_global and not reached.is_multicast and not reached.is_reserved


def _too_large(most_bytes: int) -> gr.Error:
    return _refused(f"The file at that address has more than {most_bytes:,} bytes, the limit; make it smaller.")


def _refused(told: str) -> gr.Error:
    return gr.Error(told, duration=None, print_exception=False)
