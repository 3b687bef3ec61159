"""What every answer says to browsers, which routes are closed, and what other sites may not send."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from tests.security.conftest import Site
from tests.security.visitor import Visitor, png
from tests.ui.browser import opened, settled, shown_count, whole
from ui.gate import OPEN, OPEN_FOLDERS
from ui.headers import CLOSED, SecurityHeaders, add_security_headers

# Every route of Gradio that does something here; whatever else it brings is looked at before it is let through.
USED = frozenset(
    {
        "/config",
        "/login",
        "/logout",
        "/metrics",
        "/svelte/{path:path}",
        "/static/{path:path}",
        "/assets/{path:path}",
        "/gradio_api/app_id",
        "/gradio_api/user",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/file={path_or_url:path}",
        "/gradio_api/file/{path:path}",
        "/gradio_api/reset",
        "/gradio_api/cancel",
        "/gradio_api/heartbeat/{session_hash}",
        "/gradio_api/run/{api_name}",
        "/gradio_api/api/{api_name}",
        "/gradio_api/call/{api_name}",
        "/gradio_api/call/{api_name}/{event_id}",
        "/gradio_api/call/v2/{api_name}",
        "/gradio_api/call/v2/{api_name}/{event_id}",
        "/gradio_api/queue/join",
        "/gradio_api/queue/data",
        "/gradio_api/queue/status",
        "/gradio_api/component_server",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/mcp",
    }
)


def test_the_page_says_what_it_needs_and_no_more(visitor: Visitor) -> None:
    answer = visitor.http.get("")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    nonce = re.fullmatch(r"'self' 'nonce-([\w-]{20,})' 'unsafe-eval'", policy["script-src"])
    assert nonce
    assert policy["frame-ancestors"] == "'self'"
    assert policy["object-src"] == "'none'"
    assert not {"*", "http:", "https:"} & set(" ".join(policy.values()).split())
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert len(scripts) > 3
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert nonce[1] not in visitor.http.get("").text  # another time, another one
    assert int(answer.headers["content-length"]) == len(answer.content)
    for name, value in {
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-frame-options": "SAMEORIGIN",
        "cache-control": "private, no-store",
    }.items():
        assert answer.headers[name] == value
    assert "camera=()" in answer.headers["permissions-policy"]
    assert not re.search(r"\d", answer.headers.get("server", ""))
    assert "x-powered-by" not in answer.headers


@pytest.mark.parametrize("path", ["config", "gradio_api/info", "nothing", "gradio_api/mcp/", "healthz", "theme.css"])
def test_every_answer_says_it(path: str, visitor: Visitor) -> None:
    headers = visitor.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src" in headers["content-security-policy"]
    assert headers["cache-control"] == "private, no-store"


def test_what_is_the_same_for_all_may_be_kept(visitor: Visitor) -> None:
    asset = re.search(r"assets/index-[\w-]+\.js", visitor.http.get("").text)
    assert asset
    assert "no-store" not in visitor.http.get(asset[0]).headers.get("cache-control", "")


@pytest.mark.browser
def test_the_page_works_under_its_policy(browser: Browser, open_site: Site, tmp_path: Path) -> None:
    (tmp_path / "square.png").write_bytes(png())
    with opened(browser, open_site.address) as page:  # which fails if another host is asked
        violations = watch(page)
        page.reload()
        whole(page)
        page.set_input_files("#drop input[type=file]", str(tmp_path / "square.png"))
        settled(page)
        assert shown_count(page) == 1
        page.click("#files-one")
        expect(page.locator("#files a").first).to_be_visible()
        for name in ("Score", "Look inside", "Help", "Segment"):
            page.get_by_role("tab", name=name).click()
            expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(500)
        assert violations == []


@pytest.mark.browser
def test_markup_brings_no_script_along(browser: Browser, open_site: Site) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    violations = watch(page)
    page.goto(open_site.address)
    whole(page)
    page.evaluate(
        """() => document.querySelector("#summary").insertAdjacentHTML("beforeend",
                `<img src="x" onerror="window.stolen = 1"><iframe srcdoc="<script>parent.stolen = 1</script>"></iframe>
                 <img src="https://example.org/tell"><iframe src="https://example.org/"></iframe>
                 <a id="lure" href="javascript:window.stolen=1">x</a>`)"""
    )
    page.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), {text: 'window.stolen = 1'}))"
    )
    page.evaluate("() => document.querySelector('#lure').click()")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.stolen") is None
    assert {"script-src-attr", "script-src-elem", "img-src", "frame-src"} <= {each.split()[0] for each in violations}
    page.close()


def watch(page: Page) -> list[str]:
    """What the page's policy stops from the next load on."""
    stopped: list[str] = []
    page.expose_function("stopped", lambda told: stopped.append(told))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => window.stopped(`${e.violatedDirective} ${e.blockedURI}`))"
    )
    return stopped


@pytest.mark.parametrize("prefix", CLOSED)
def test_what_nothing_here_uses_is_closed(prefix: str, visitor: Visitor) -> None:
    for method in ("GET", "POST", "HEAD"):
        answer = visitor.http.request(method, prefix.lstrip("/") + "x/y")
        assert answer.status_code == 404
        assert method == "HEAD" or answer.json() == {"detail": "Not found"}


def test_every_route_is_known() -> None:
    import gradio as gr
    from gradio.routes import App

    with gr.Blocks() as page:
        gr.File()
    page.run_history = False  # type: ignore[attr-defined]
    app = App.create_app(page, mcp_server=True)
    included = [router for route in app.routes if (router := getattr(route, "original_router", None))]
    routes = [*app.routes, *(route for router in included for route in router.routes)]
    paths = {str(path).rstrip("/") for route in routes if (path := getattr(route, "path", None)) is not None}
    assert len(paths) > 40
    unknown = {
        path
        for path in paths - USED
        if not path.startswith((*CLOSED, *OPEN_FOLDERS)) and not (path + "/").startswith(CLOSED) and path not in OPEN
    }
    assert unknown == set()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://evil.example:80"])
def test_other_sites_are_refused(origin: str, visitor: Visitor) -> None:
    for method, path in (("POST", "gradio_api/upload"), ("GET", "config"), ("POST", "gradio_api/call/model")):
        answer = visitor.http.request(method, path, headers={"origin": origin})
        assert answer.status_code == 403
        assert "Host header" in answer.json()["detail"]


def test_the_page_itself_is_not(visitor: Visitor, open_site: Site) -> None:
    own = {"origin": open_site.address.rstrip("/")}
    assert visitor.http.get("config", headers=own).status_code == 200
    behind = {"origin": "https://lab.example", "x-forwarded-host": "lab.example"}
    assert visitor.http.get("config", headers=behind).status_code == 200


def served(client: tuple[str, int], login: bool = False) -> TestClient:
    app = FastAPI()

    @app.get("/told")
    def told() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.middleware("http")
    async def echo(request, call_next):  # type: ignore[no-untyped-def]
        answer = await call_next(request)
        answer.headers["x-seen"] = request.headers.get("x-forwarded-host", "nothing")
        return answer

    app.add_middleware(SecurityHeaders, login=login)
    return TestClient(app, client=client)


def test_only_a_proxy_says_how_it_was_called() -> None:
    given = {"x-forwarded-host": "evil.example"}
    assert served(("192.168.0.7", 50000)).get("/told", headers=given).headers["x-seen"] == "nothing"
    assert served(("127.0.0.1", 50000)).get("/told", headers=given).headers["x-seen"] == "evil.example"
    # The proxy is trusted, and uvicorn has put the caller that it names in its place.
    assert served(("192.168.0.7", 0)).get("/told", headers=given).headers["x-seen"] == "evil.example"


def test_a_space_is_shown_in_the_frame_of_hugging_face_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = {"origin": "https://somewhere.example"}
    assert served(("10.0.0.1", 1)).get("/told", headers=strange).status_code == 403
    monkeypatch.setenv("SPACE_ID", "lab/nuclei")
    monkeypatch.setenv("SPACE_HOST", "lab-nuclei.hf.space")
    answer = served(("10.0.0.1", 1)).get("/told", headers=strange)
    assert answer.status_code == 200  # public, as Spaces are
    assert "frame-ancestors 'self' https://huggingface.co" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    locked = served(("10.0.0.1", 1), login=True)
    assert locked.get("/told", headers=strange).status_code == 403
    assert locked.get("/told", headers={"origin": "https://lab-nuclei.hf.space"}).status_code == 200


def test_an_application_around_it_is_wrapped_in_one_call() -> None:
    app = FastAPI()

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse("<script>1</script><p>\N{MICRO SIGN}</p>")

    add_security_headers(app)
    answer = TestClient(app).get("/")
    assert re.fullmatch(r'<script nonce="[\w-]+">1</script><p>\u00b5</p>', answer.text)
    assert TestClient(app).head("/").status_code == 405
