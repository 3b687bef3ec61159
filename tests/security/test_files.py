"""Which files of the server a visitor can have: his own, under a name that nobody can guess, and none besides."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.security.conftest import Site
from tests.security.visitor import Visitor, png, sent


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture that was never uploaded."""
    path = tmp_path / "secret.png"
    path.write_bytes(png(150))
    return path


def forms(path: str) -> list[str]:
    """One path in the ways people try."""
    return [path, f"//{path}", f"/.{path}", f"/tmp/..{path}", path.replace("/", "%2F"), f"./../../../../../..{path}"]


def test_the_file_route_gives_what_was_uploaded_and_nothing_else(
    visitor: Visitor, secret: Path, project_root: Path
) -> None:
    mine = visitor.upload("mine.png", png())
    assert visitor.file(mine).content == png()
    folder = str(Path(mine).parent)
    own = [str(project_root / "app.py"), str(project_root / "checkpoints" / "nuclei" / "config.json")]
    asked = [each for path in ("/etc/passwd", "/proc/self/environ", str(secret), *own) for each in forms(path)]
    asked += [f"{folder}/../../../{project_root}/app.py", folder, f"{folder}/..", "/", ".", "app.py", "../app.py", ""]
    asked += ["file:///etc/passwd", "\\etc\\passwd", "C:\\boot.ini", "/etc/passwd\0.png", f"{mine}\0"]
    for path in asked:
        for route in ("gradio_api/file=", "gradio_api/file/"):
            answer = visitor.http.get(route + path.replace("\0", "%00"))
            assert answer.status_code in (403, 404, 307), (path, answer.status_code)
            assert b"root:" not in answer.content


@pytest.mark.parametrize("place", ["assets/", "static/", "svelte/", "gradio_api/custom_component/x/client/x/"])
def test_folders_of_the_page_lead_nowhere_else(place: str, visitor: Visitor) -> None:
    for path in ("../../../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/app.py", "/etc/passwd"):
        answer = visitor.http.get(place + path)
        assert answer.status_code in (403, 404), (path, answer.status_code)


def test_payloads_name_uploads_alone(visitor: Visitor, secret: Path, project_root: Path, open_site: Site) -> None:
    shown = visitor.http.get("gradio_api/file=" + visitor.upload("a.png", png()))
    assert shown.status_code == 200
    paths = ["/etc/passwd", str(secret), str(project_root / "docs" / "page.png"), "docs/page.png", str(open_site.log)]
    for path in [*paths, *(f"/tmp/gradio/..{path}" for path in paths)]:
        for file in (sent(path), sent(path, url=f"/gradio_api/file={path}"), {"path": path}, path):
            event, data = visitor.call("describe", file)
            assert event == "error", (file, data)
            assert "width" not in str(data)


def test_payloads_without_files_name_none_either(visitor: Visitor, secret: Path) -> None:
    labels = sent(visitor.upload("labels.png", png()))
    for corrections in ([sent(str(secret))], sent(str(secret)), [{"kind": "delete", "labels": [sent("/etc/passwd")]}]):
        event, data = visitor.call("correct", labels, corrections)
        assert event == "error", data
        assert "root:" not in str(data)


def test_tools_name_no_files_of_the_server(visitor: Visitor, secret: Path) -> None:
    # Gradio's tools call the page from the server itself: what its client takes for a file is read from its own disk.
    for picture in (str(secret), f"file://{secret}", sent(str(secret)), "/etc/passwd"):
        _, text = visitor.tool("describe", picture=picture)
        assert '"isError":true' in text
        assert "64 x 64" not in text
    for more in ([sent(str(secret))], sent("/etc/passwd")):
        _, text = visitor.tool("correct", labels="data:image/png;base64,aGFsbG8=", corrections=more)
        assert '"isError":true' in text
        assert str(secret.name) not in text or "not valid" in text


def test_uploads_keep_no_way_out_in_their_names(visitor: Visitor) -> None:
    for name in ("../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "a/b/evil.png", "..", ".", "\u202egnp.exe"):
        answer = visitor.http.post("gradio_api/upload", files={"files": (name, png())})
        if answer.status_code == 200:
            path = Path(answer.json()[0])
            assert ".." not in path.parts
            assert re.fullmatch("[0-9a-f]{64}", path.parent.name)
            assert path.is_file()
        else:
            assert answer.status_code == 400


def test_another_visitor_would_have_to_know_the_name(visitor: Visitor, open_site: Site) -> None:
    mine = visitor.upload("patient 7.png", png(111))
    other = Visitor(open_site.address)
    # 256 bits of a hash over the content and a secret of the server: as good as a password, and nobody lists them.
    name = Path(mine).parent.name
    assert re.fullmatch("[0-9a-f]{64}", name)
    assert name not in {hashlib.new(kind, png(111)).hexdigest() for kind in ("sha256", "blake2s", "sha3_256")}
    for path in (str(Path(mine).parent), str(Path(mine).parents[1]), f"{Path(mine).parents[1]}/*/patient 7.png"):
        assert other.file(path).status_code == 403
    assert mine not in other.http.get("config").text
    assert other.file(mine).status_code == 200  # who was given the name has the file: docs/security.md says so


def test_another_visitor_does_not_have_the_pictures_of_a_key_he_guesses(visitor: Visitor) -> None:
    config = visitor.http.get("config").json()
    bench = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == "workbench")
    asked = {"key": "guessed", "name": "patient 7", "left": 0, "top": 0, "width": 9, "height": 9, "step": 1}
    question = {"data": asked, "component_id": bench, "session_hash": "another", "fn_name": "closeup"}
    answer = visitor.http.post("gradio_api/component_server", json=question)
    assert (answer.status_code, answer.json()) == (200, None)
    for function in ("__init__", "get_config", "preprocess", "load_event", "server_fns"):
        assert (
            visitor.http.post("gradio_api/component_server", json=question | {"fn_name": function}).status_code == 404
        )


def test_the_folder_of_uploads_is_the_servers_alone(visitor: Visitor) -> None:
    mine = Path(visitor.upload("mine.png", png()))
    private = [folder for folder in mine.parents if folder.name.startswith("nucleoscope-server-")]
    assert private
    assert private[0].stat().st_mode & 0o077 == 0  # other people on the same machine cannot look into it


EVIL = {
    "evil.html": b"<script>document.title = 'stolen'</script>",
    "evil.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "stolen"</script></svg>',
    "evil.xml": b'<x:script xmlns:x="http://www.w3.org/1999/xhtml">document.title = "stolen"</x:script>',
    "evil.xhtml": b'<html xmlns="http://www.w3.org/1999/xhtml"><script>document.title = "stolen"</script></html>',
    "evil.js": b"document.title = 'stolen'",
    "evil.txt": b"<script>document.title = 'stolen'</script>",
    "evil.json": b"<script>document.title = 'stolen'</script>",
    "evil.png": b"<script>document.title = 'stolen'</script>",
    "evil": b"<script>document.title = 'stolen'</script>",
}


@pytest.mark.parametrize("name", EVIL)
def test_an_upload_runs_nothing(name: str, visitor: Visitor) -> None:
    path = visitor.upload(name, EVIL[name])
    for headers in ({}, {"range": "bytes=0-999"}):
        answer = visitor.file(path, **headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"
        kind = answer.headers["content-type"].partition(";")[0]
        assert answer.headers["content-disposition"].startswith("attachment") or kind in (
            "image/png",
            "text/plain",
            "application/json",
        )
        assert kind not in ("text/html", "image/svg+xml", "text/xml", "application/xhtml+xml", "text/javascript")


def test_a_part_of_a_file_comes_without_the_requests_own_headers(visitor: Visitor) -> None:
    path = visitor.upload("mine.png", png())
    secrets = {"cookie": "access-token=secret", "authorization": "Basic c2VjcmV0", "x-odd": "secret"}
    answer = visitor.file(path, range="bytes=2-5", **secrets)
    assert answer.status_code == 206
    assert answer.content == png()[2:6]
    assert "secret" not in str(answer.headers).lower()
    assert "c2VjcmV0" not in str(answer.headers)


@pytest.mark.browser
def test_a_browser_runs_nothing_of_an_upload(browser: Browser, visitor: Visitor, open_site: Site) -> None:
    page = browser.new_page()
    for name in ("evil.txt", "evil.png", "evil.json"):  # what is shown rather than saved
        page.goto(f"{open_site.address}gradio_api/file={visitor.upload(name, EVIL[name])}")
        assert page.title() != "stolen"
    page.close()
