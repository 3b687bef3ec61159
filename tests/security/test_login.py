"""With --auth, nothing but the form to log in is given to strangers: pages, API, files, tools, metrics."""

import re
import time

import httpx
import pytest

from tests.security.conftest import NAME, PASSWORD, Site
from tests.security.visitor import Visitor, png, sent
from ui.gate import LASTS, Logins

BASIC = httpx.BasicAuth(NAME, PASSWORD)
# Path, and what it is asked with.
SHUT = [
    ("GET", "metrics"),
    ("GET", "gradio_api/info"),
    ("GET", "gradio_api/openapi.json"),
    ("GET", "config"),
    ("GET", "gradio_api/queue/status"),
    ("GET", "gradio_api/queue/data?session_hash=x"),
    ("GET", "gradio_api/heartbeat/x"),
    ("GET", "gradio_api/app_id"),
    ("GET", "gradio_api/mcp/"),
    ("GET", "gradio_api/mcp/schema"),
    ("GET", "gradio_api/mcp/sse"),
    ("POST", "gradio_api/mcp/"),
    ("POST", "gradio_api/mcp/messages/"),
    ("POST", "gradio_api/upload"),
    ("GET", "gradio_api/upload_progress?upload_id=x"),
    ("POST", "gradio_api/queue/join"),
    ("POST", "gradio_api/run/model"),
    ("POST", "gradio_api/api/model"),
    ("POST", "gradio_api/call/model"),
    ("POST", "gradio_api/call/v2/model"),
    ("GET", "gradio_api/call/model/x"),
    ("POST", "gradio_api/cancel"),
    ("POST", "gradio_api/reset"),
    ("POST", "gradio_api/component_server"),
    ("POST", "gradio_api/stream/x"),
    ("GET", "gradio_api/file=/etc/passwd"),
    ("GET", "gradio_api/file/etc/passwd"),
    ("GET", "nothing/of/the/kind"),
]


@pytest.mark.parametrize(("method", "path"), SHUT)
def test_strangers_get_nothing(method: str, path: str, stranger: Visitor) -> None:
    answer = stranger.http.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code in (401, 404), answer.text
    assert answer.status_code == 401 or path.startswith("gradio_api/stream")
    assert "nucle" not in answer.text.lower()  # nor the names of models and actions


def test_the_form_tells_strangers_nothing_of_what_is_behind_it(stranger: Visitor, user: Visitor) -> None:
    form, page = stranger.http.get("").text, user.http.get("").text
    assert '"auth_required": true' in re.sub(r"\s*:\s*", ": ", form)
    for told in ("look_inside", "min_area", "bright"):
        assert told in page
        assert told not in form


def test_files_are_behind_the_login(stranger: Visitor, user: Visitor) -> None:
    path = user.upload("cells.png", png())
    assert user.file(path).content == png()
    assert stranger.file(path).status_code == 401
    assert stranger.http.get("gradio_api/file=" + path, headers={"range": "bytes=0-3"}).status_code == 401


def test_a_wrong_password_and_the_right_one(locked_site: Site) -> None:
    visitor = Visitor(locked_site.address)
    wrong = visitor.http.post("login", data={"username": NAME, "password": "a wrong password"})
    assert (wrong.status_code, wrong.json()) == (400, {"detail": "Incorrect credentials."})
    assert not visitor.http.cookies
    unknown = visitor.http.post("login", data={"username": "nobody", "password": PASSWORD})
    assert (unknown.status_code, unknown.text) == (wrong.status_code, wrong.text)
    right = visitor.http.post("login", data={"username": NAME, "password": PASSWORD})
    assert right.status_code == 200
    for cookie in right.headers.get_list("set-cookie"):
        assert "httponly" in cookie.lower()
        assert "samesite=lax" in cookie.lower()
    assert visitor.http.get("config").status_code == 200


def test_guessing_is_slowed_down(locked_site: Site) -> None:
    visitor = Visitor(locked_site.address)
    start = time.perf_counter()
    for number in range(5):
        answer = visitor.http.post("login", data={"username": "mallory", "password": f"guess {number}"})
        assert answer.status_code == 400
    assert time.perf_counter() - start > 3  # one second before the fourth, two before the fifth
    assert visitor.http.post("login", data={"username": NAME, "password": PASSWORD}).status_code == 200


def test_who_logs_out_is_out(locked_site: Site) -> None:
    visitor = Visitor(locked_site.address)
    visitor.http.post("login", data={"username": NAME, "password": PASSWORD})
    thief = Visitor(locked_site.address)
    thief.http.cookies = httpx.Cookies(visitor.http.cookies)
    assert thief.http.get("config").status_code == 200
    assert visitor.http.get("logout").status_code == 302
    assert thief.http.get("config").status_code == 401


def test_the_api_works_for_who_logged_in(user: Visitor) -> None:
    event, data = user.call("describe", sent(user.upload("cells.png", png())))
    assert event == "complete", data
    assert data[0]["width"] == 64
    assert user.http.get("gradio_api/token").status_code == 404  # which would hand the cookie to scripts


def test_programs_send_name_and_password_along(locked_site: Site) -> None:
    with httpx.Client(base_url=locked_site.address, trust_env=False) as program:
        assert program.get("metrics").headers["www-authenticate"].startswith("Basic")
        assert program.get("metrics", auth=BASIC).status_code == 200
        for wrong in (httpx.BasicAuth(NAME, "a wrong password"), httpx.BasicAuth("", "")):
            assert program.get("metrics", auth=wrong).status_code == 401
        for odd in ("Basic !!!", "Basic", "Bearer x", "Basic " + "A" * 10_000, "basic \xe9"):
            assert program.get("metrics", headers={"authorization": odd.encode("latin1")}).status_code == 401
    status, text = Visitor(locked_site.address).tool("model", model="")
    assert status == 401
    program = Visitor(locked_site.address)
    program.http.auth = BASIC
    status, text = program.tool("model", model="")
    assert status == 200
    assert "bright" in text


def test_the_tools_work_for_who_logged_in(user: Visitor) -> None:
    status, text = user.tool("model", model="")
    assert status == 200
    assert "bright" in text


def test_a_login_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("ui.gate.time.monotonic", lambda: now)
    logins = Logins()
    for number in range(10_001):
        logins[f"token {number}"] = "ada"
    assert len(logins) == 10_000
    assert logins.get("token 0") is None
    assert logins.get("token 10000") == "ada"
    del logins["token 10000"]
    assert logins.get("token 10000") is None
    assert logins.get(None) is None
    now = LASTS + 1
    assert logins.get("token 9999") is None
    assert len(logins) == 9998
