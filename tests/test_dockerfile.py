"""The Dockerfile, read as Docker would read it: nothing builds it here, but what it names must be there and agree."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from segmentation.app_requirements import app_requirements
from segmentation.space_files import checkout_files, front_matter
from tests.conftest import ROOT

Step = tuple[str, str]
PORT = 7860  # Gradio's own, and a Space's


@pytest.fixture(scope="module")
def stages() -> list[list[Step]]:
    """Instruction and arguments of each step, by stage."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    steps = [tuple(line.split(maxsplit=1)) for line in re.sub(r"\\\n\s*", "", text).splitlines() if line]
    starts = [number for number, step in enumerate(steps) if step[0] == "FROM"]
    assert starts[0] == 0
    return [steps[start:end] for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)]  # type: ignore[misc]


def of(stage: list[Step], instruction: str) -> list[str]:
    return [arguments for name, arguments in stage if name == instruction]


def copied(stages: list[list[Step]]) -> list[str]:
    """Sources in this folder."""
    lines = [line.split() for stage in stages for line in of(stage, "COPY") if not line.startswith("--from")]
    return [source for line in lines for source in line[:-1]]


def ignored(name: str) -> bool:
    """As .dockerignore says: the last rule that matches a path, or a folder above it, wins."""
    verdict = False
    paths = [name, *(parent.as_posix() for parent in Path(name).parents if parent != Path("."))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.removeprefix("!")
        if not rule or rule.startswith("#"):
            continue
        anywhere = rule.removeprefix("**/")
        candidates = [part for path in paths for part in path.split("/")] if anywhere != rule else paths
        if any(
            fnmatch(candidate, anywhere) and (anywhere == "*" or "*" in rule or candidate == anywhere)
            for candidate in candidates
        ):
            verdict = not line.startswith("!")
    return verdict


def test_it_copies_what_is_there_and_all_that_the_app_needs(stages: list[list[Step]]) -> None:
    sources = copied(stages)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    for name in checkout_files():
        needed = name.startswith(("app.py", "ui/", "segmentation/", "checkpoints/", "LICENSE"))
        if needed:
            assert name.split("/")[0] in sources, name
            assert not ignored(name), name


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "README.md",
        "checkpoints/nuclei/last.ckpt",
        "runs/mine/config.json",
        "segmentation/.secret.json",
        "segmentation/__pycache__/unet.pyc",
        "segmentation/web/index.html",
        "tests/conftest.py",
        "ui/static/__pycache__/x.pyc",
    ],
)
def test_nothing_else_is_sent(name: str) -> None:
    assert ignored(name)


def test_python_is_that_of_the_space(stages: list[list[Step]]) -> None:
    python = front_matter((ROOT / "README.md").read_text(encoding="utf-8"))["python_version"]
    for stage in stages:
        assert of(stage, "FROM")[0].split()[0] == f"python:{python}-slim"


def test_an_ordinary_user_serves_on_the_port_that_is_open(stages: list[list[Step]]) -> None:
    last = stages[-1]
    users = of(last, "USER")
    assert users
    assert users[-1] not in ("0", "root")
    order = [name for name, _ in last]
    assert order.index("USER") > max(number for number, name in enumerate(order) if name in ("RUN", "COPY"))
    settings = dict(pair.split("=", 1) for line in of(last, "ENV") for pair in line.split())
    assert settings["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert int(settings["GRADIO_SERVER_PORT"]) == int(of(last, "EXPOSE")[0]) == PORT
    assert json.loads(of(last, "ENTRYPOINT")[0]) == ["python", "app.py"]


def test_the_health_check_asks_the_page(stages: list[list[Step]]) -> None:
    options, command = of(stages[-1], "HEALTHCHECK")[0].split("CMD ")
    assert "--start-period=" in options
    python, _, code = json.loads(command)
    assert python == "python"
    compile(code, "HEALTHCHECK", "exec")
    assert "GRADIO_SERVER_PORT" in code


def test_no_cache_and_no_pip_stay(stages: list[list[Step]]) -> None:
    install = next(line for line in of(stages[0], "RUN") if "pip install" in line)
    assert "--no-cache-dir" in install
    assert "app_requirements.py requirements.txt > app.txt" in install
    assert "pip uninstall" in install
    assert "+cpu" in app_requirements((ROOT / "requirements.txt").read_text(), cuda=False)
    assert not any("pip" in line for line in of(stages[-1], "RUN"))
