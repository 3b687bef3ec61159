"""The page behind nginx, as deploy/nginx.conf sets it up: at a path of its own, over TLS, behind the login."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.security.conftest import NAME, PASSWORD, ROOT_PATH, Site
from tests.security.test_headers import watch
from tests.security.visitor import Visitor, png, sent
from tests.ui.browser import give, shown_count, whole

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@dataclass(frozen=True)
class Proxy:
    """nginx at work.

    Attributes:
        address: of the page.
        log: what nginx noted of requests.
    """

    address: str
    log: Path


@pytest.fixture(scope="module")
def proxy(locked_site: Site, project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if NGINX is None or shutil.which("openssl") is None:
        reason = "no nginx or no openssl on this machine; on Debian: apt-get install nginx-light openssl"
        if os.environ.get("REQUIRE_NGINX"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
    subprocess.run([*command, *names], check=True, capture_output=True)
    text = (project_root / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    (folder / "mime.types").write_text("types { text/html html; }\n")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/nucleoscope/fullchain.pem", str(certificate)),
        ("/etc/ssl/nucleoscope/privkey.pem", str(key)),
        ("http://127.0.0.1:7860", locked_site.address.rstrip("/")),
        ("/var/log/nginx/nucleoscope.log", str(folder / "access.log")),
        ("client_max_body_size 2g", "client_max_body_size 1m"),  # as large as the test is patient
        ("http {", f"http {{\n    client_body_temp_path {folder}/body;\n    proxy_temp_path {folder}/proxy;"),
    ):
        assert old in text
        text = text.replace(old, new)
    for unused in ("fastcgi", "uwsgi", "scgi"):
        text = text.replace("http {", f"http {{\n    {unused}_temp_path {folder}/{unused};", 1)
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    errors = str(folder / "error.log")
    running = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-c", str(configuration), "-e", errors, "-g", f"daemon off; pid {folder}/pid;"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"https://localhost:{port}{ROOT_PATH}/"
        for _ in range(100):
            assert running.poll() is None, running.stderr.read() if running.stderr else ""
            try:
                httpx.get(address, verify=False, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Proxy(address, folder / "access.log")
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture
def outside(proxy: Proxy) -> Visitor:
    """Who comes through the proxy and has not logged in."""
    visitor = Visitor(proxy.address)
    visitor.http = httpx.Client(base_url=proxy.address, timeout=60, trust_env=False, verify=False)
    return visitor


@pytest.fixture
def inside(outside: Visitor) -> Visitor:
    """Who has."""
    answer = outside.http.post("login", data={"username": NAME, "password": PASSWORD})
    assert answer.json() == {"success": True}
    for cookie in answer.headers.get_list("set-cookie"):
        assert "; secure" in cookie.lower()
    return outside


@pytest.mark.browser
def test_a_visitor_logs_in_and_segments(browser: Browser, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "square.png").write_bytes(png())
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    strangers: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith((proxy.address, "data:", "blob:")) else strangers.append(r.url)
    )
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    violations = watch(page)
    page.goto(proxy.address)
    expect(page.locator("#visit")).to_have_count(0)
    page.get_by_label("username").fill(NAME)
    page.get_by_label("password").fill(PASSWORD)
    page.get_by_role("button", name="Login").click()
    whole(page)
    give(page, tmp_path / "square.png")
    assert shown_count(page) == 1
    page.click("#files-one")
    link = page.locator("#files a").first
    expect(link).to_be_visible()
    assert str(link.get_attribute("href")).startswith(proxy.address)
    with page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).stat().st_size > 100
    assert [url for url in strangers if not url.endswith("/manifest.json")] == []
    assert [each for each in failed if "manifest.json" not in each] == []
    assert violations == []
    page.goto(f"{proxy.address}logout")
    expect(page.get_by_role("button", name="Login")).to_be_visible()
    assert page.url.startswith(proxy.address)
    context.close()


def test_the_api_and_its_stream(inside: Visitor, proxy: Proxy) -> None:
    event, data = inside.call("correct", sent(inside.upload("labels.png", png())), [])
    assert event == "complete", data
    assert data[1]["url"].startswith(proxy.address)
    assert inside.http.get(data[1]["url"]).status_code == 200
    status, text = inside.tool("model", model="")
    assert status == 200
    assert "bright" in text


def test_what_comes_as_a_stream_comes_at_once(inside: Visitor) -> None:
    with inside.http.stream("GET", "gradio_api/heartbeat/x", timeout=10) as answer:  # which never ends
        assert next(answer.iter_lines()) == "data: ALIVE"


def test_too_large_an_upload_is_refused_by_the_proxy(inside: Visitor) -> None:
    answer = inside.http.post("gradio_api/upload", files={"files": ("large.tif", bytes(2**21))})
    assert answer.status_code == 413


def test_strangers_get_nothing_through_the_proxy_either(outside: Visitor) -> None:
    assert outside.http.get("config").status_code == 401
    assert outside.http.get("gradio_api/info").status_code == 401
    assert outside.http.get("metrics").status_code == 403
    assert outside.http.get("healthz").status_code == 200


def test_what_callers_claim_of_a_proxy_is_not_believed(inside: Visitor) -> None:
    lies = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-for": "127.0.0.1"}
    assert "evil.example" not in inside.http.get("config", headers=lies).text
    assert inside.http.get("config", headers={"origin": "https://evil.example", **lies}).status_code == 403


def test_headers_through_the_proxy(outside: Visitor) -> None:
    headers = outside.http.get("").headers
    assert headers["server"] == "nginx"
    assert "max-age" in headers["strict-transport-security"]
    assert "nonce-" in headers["content-security-policy"]


def test_the_log_of_the_proxy_holds_no_names_of_files(inside: Visitor, proxy: Proxy) -> None:
    path = inside.upload("patient 7.png", png())
    assert inside.file(path).status_code == 200
    log = proxy.log.read_text()
    assert "gradio_api/file=..." in log
    assert "patient" not in log
    assert not re.search("[0-9a-f]{64}", log)


def test_guessing_is_limited_by_the_proxy(outside: Visitor) -> None:
    answers = [
        outside.http.post("login", data={"username": f"name{number}", "password": "guess"}).status_code
        for number in range(9)
    ]
    assert 429 in answers
