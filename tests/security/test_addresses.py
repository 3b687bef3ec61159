"""Addresses in payloads: a server near to this one, which strangers cannot reach, is never asked on their behalf."""

import asyncio
import socket

import httpx
import pytest

from tests.security.conftest import NAME, PASSWORD, Site
from tests.security.visitor import Visitor, canary, in_other_thread, png, sent

INSIDE = [
    "127.0.0.1",
    "169.254.169.254",  # metadata of most clouds
    "100.100.100.200",  # of another, in the shared address space that Gradio's own guard takes for public
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "2002:7f00:1::",  # 127.0.0.1, by 6to4
    "64:ff9b:1::7f00:1",
    "fe80::1",
    "fd00::1",
]


def ways(url: str) -> list[object]:
    """Payloads that ask for an address."""
    relative = url.partition(":")[2]
    return [
        sent(url),
        sent(url, url=url),
        sent("x.png", url=url),
        {"path": url},
        {"url": url},
        url,
        sent(relative),
        sent(url.replace("http:", "HTTP:")),
        sent(f"http:{relative[2:]}"),
    ]


def test_no_payload_makes_the_server_ask(visitor: Visitor) -> None:
    with canary() as (url, asked):
        assert httpx.get(url, trust_env=False).status_code == 200
        assert asked == ["/secret.png"]
        port = url.split(":")[2]
        asked.clear()
        for each in (url, f"http://localhost:{port}", f"http://[::ffff:127.0.0.1]:{port}", f"http://2130706433:{port}"):
            for payload in ways(each):
                assert visitor.call("describe", payload)[0] == "error"
            for route in ("gradio_api/file=", "gradio_api/file/", "gradio_api/proxy="):
                assert visitor.http.get(route + each).status_code in (400, 403, 404)
            assert '"isError":true' in visitor.tool("describe", picture=each)[1]
        visitor.http.post("gradio_api/upload", data={"files": url, "url": url})
        assert asked == []


def test_no_header_makes_the_tools_ask_somebody_else(open_site: Site, visitor: Visitor) -> None:
    # The first call of all could decide whom Gradio's tools ask from then on; it named a canary in its headers.
    assert open_site.lied_to == []
    assert "bright" in visitor.tool("model", model="")[1]


def test_what_the_server_refuses_it_says(visitor: Visitor) -> None:
    event, data = visitor.call("describe", sent("http://127.0.0.1:1/a.png"))
    assert event == "error"
    assert "public addresses alone" in str(data)


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Fetch with the server's rules, from a name that stands for given addresses."""
    from ui import fetching

    def run(url: str, addresses: list[str] | None = None, *, allowed: bool = True, most_bytes: int = 10**6) -> bytes:
        async def resolve(_host: str, _port: int, **_: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses or []]

        async def go() -> bytes:
            if addresses is not None:
                monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            transport = fetching.Fetcher(allowed=allowed, most_bytes=most_bytes)
            async with httpx.AsyncClient(transport=transport) as client:
                return (await client.get(url)).content

        return in_other_thread(go())

    return run


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public_are_refused(address: str, fetch) -> None:  # type: ignore[no-untyped-def]
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(Exception, match="public addresses alone"):
        fetch(f"http://{literal}/x")
    with pytest.raises(Exception, match="public addresses alone"):  # nor one of several that a name stands for
        fetch("http://name.example/x", ["93.184.216.34", address])


def test_a_name_is_looked_up_once_and_the_answer_is_bounded(fetch, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from ui import fetching

    with canary() as (url, asked):
        port = url.split(":")[2].split("/")[0]
        monkeypatch.setattr(fetching, "_is_public", lambda _address: True)  # as if the canary were out there
        assert fetch(f"http://name.example:{port}/a", ["127.0.0.1"]) == png()
        assert asked == ["/a"]
        with pytest.raises(Exception, match="more than 10 bytes"):
            fetch(f"http://name.example:{port}/a", ["127.0.0.1"], most_bytes=10)
        asked.clear()
        with pytest.raises(Exception, match="upload the file itself"):
            fetch(f"http://name.example:{port}/a", ["127.0.0.1"], allowed=False)
        assert asked == []


def test_a_name_that_stands_for_nothing(fetch) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Exception, match="there is no such host"):
        fetch("http://nowhere.invalid/x")


def test_the_login_is_not_passed_on(locked_site: Site) -> None:
    with canary() as (url, asked):
        user = Visitor(locked_site.address)
        user.http.auth = (NAME, PASSWORD)
        assert '"isError":true' in user.tool("describe", picture=url)[1]
        assert asked == []
