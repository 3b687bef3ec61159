"""Tokens and passwords are in no log, no message and no answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.errors import HubError
from segmentation.hub_errors import explained
from segmentation.hub_pull import pull
from segmentation.hub_push import push
from tests.hub_fixtures import hub, server, waits  # noqa: F401  (fixtures)
from tests.hub_server import HubServer
from tests.security.conftest import HUB_TOKEN, NAME, PASSWORD, Site
from tests.security.visitor import Visitor, png, sent


def test_the_server_logs_none(locked_site: Site, open_site: Site, user: Visitor, users: Path) -> None:
    tried = Visitor(locked_site.address)
    tried.http.post("login", data={"username": NAME, "password": "MyOtherPassword!"})
    tried.http.get("config", headers={"authorization": "Basic c2VjcmV0OnNlY3JldA=="})
    tried.http.post("gradio_api/upload", files={"files": ("x", b"x")}, headers={"cookie": "access-token=stolenTOKEN"})
    path = user.upload("patient 7.png", png())
    user.file(path)
    user.call("describe", sent(path))
    user.call("describe", sent("/nothing/patient 8.png"))
    Visitor(open_site.address).call("model", "patient 9")
    hashed = users.read_text().split("$")[-1].strip()
    cookies = [str(cookie.value) for cookie in user.http.cookies.jar]
    assert cookies
    logs = locked_site.log.read_text() + open_site.log.read_text()
    assert "event=http" in logs
    for secret in (HUB_TOKEN, PASSWORD, "MyOtherPassword!", "c2VjcmV0OnNlY3JldA==", "stolenTOKEN", hashed, *cookies):
        assert secret not in logs
    assert Path(path).parent.name not in logs  # who has it has the file


def test_the_page_tells_none(user: Visitor, visitor: Visitor) -> None:
    for someone in (user, visitor):
        for path in ("", "config", "gradio_api/info", "metrics", "gradio_api/openapi.json"):
            text = someone.http.get(path).text
            assert HUB_TOKEN not in text
            assert PASSWORD not in text


def test_the_hubs_messages_hold_none(
    hub: HubServer,  # noqa: F811
    bundle_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
    caplog.set_level("DEBUG")
    for act in (lambda: push(bundle_folder, "lab/nuclei"), lambda: pull("lab/none")):
        with pytest.raises(HubError) as caught:
            act()
        assert HUB_TOKEN not in str(caught.value)
    assert HUB_TOKEN not in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        f"401 for Authorization: Bearer {HUB_TOKEN}",
        f"https://user:{HUB_TOKEN}@hub.example.org/api",
        "cannot reach http://ada:proxy-password@proxy.example.org:3128",
        f"the token '{HUB_TOKEN}' may not",
    ],
)
def test_what_others_say_is_scrubbed(said: str) -> None:
    with pytest.raises(HubError) as caught, explained("lab/nuclei"):
        raise ValueError(said)
    assert HUB_TOKEN not in str(caught.value)
    assert "proxy-password" not in str(caught.value)


def test_an_address_with_a_password_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "https://ada:mirror-password@hub.example.org")
    with pytest.raises(HubError) as caught, explained("lab/nuclei"):
        raise ConnectionResetError("reset")
    assert "hub.example.org" in str(caught.value)
    assert "mirror-password" not in str(caught.value)


def test_the_command_that_hashes_takes_no_password_as_a_word(tmp_path: Path) -> None:
    # Words of a command are in the shell's history, and everybody on the machine sees them.
    command = [sys.executable, "-m", "ui.auth", str(tmp_path / "users"), "ada", PASSWORD]
    done = subprocess.run(command, capture_output=True, text=True, input=f"{PASSWORD}\n")
    assert done.returncode == 2
    assert not (tmp_path / "users").exists()
