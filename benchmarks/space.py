"""How long a Space takes to install and to start: from nothing but the files that ``deploy`` sends.

Lays these files out read-only, sets up a fresh environment with ``pip install -r requirements.txt``, as a Space does,
and starts ``python app.py`` as an ordinary user whose home cannot be written, until the page is served.

Run: ``python -m benchmarks.space`` (needs a package index, and a gigabyte on the disk).
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segmentation.space_files import Files, checkout_files, space_files

NOBODY = 65534
PATIENCE_S = 240  # until a page that is not served is given up


@dataclass(frozen=True)
class Served:
    """An app that runs.

    Attributes:
        address: of the page.
        seconds: from the start of the process to the page.
        process: of the app; it is ended with the ``with`` block.
    """

    address: str
    seconds: float
    process: subprocess.Popen


@contextmanager
def read_only_space(files: Files) -> Iterator[tuple[Path, Path]]:
    """A folder with these files that nobody may write to, and one for temporary files that everybody may."""
    # Not below a folder of this user's own, which another could not enter.
    with tempfile.TemporaryDirectory(prefix="space-") as scratch:
        root, temporary = Path(scratch) / "app", Path(scratch) / "tmp"
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        temporary.mkdir()
        temporary.chmod(0o777)
        Path(scratch).chmod(0o755)
        everything = [root, *root.rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            yield root, temporary
        finally:
            for path in everything:
                if path.is_dir():
                    path.chmod(0o755)


def as_ordinary_user(python: str) -> list[str]:
    """What to put before a command so that it may write only where anybody may; nothing for who is ordinary already.

    Args:
        python: that the command runs.

    Raises:
        FileNotFoundError: for root, where there is no ``setpriv`` (of util-linux).
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise FileNotFoundError("setpriv")
    nobody = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"  # as the app starts others
    if subprocess.run([*nobody, python, "-c", again], capture_output=True, check=False).returncode == 0:
        return nobody
    # This Python lies where root alone may look: then as root, but without what lets root past permissions.
    return [setpriv, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


@contextmanager
def served(root: Path, temporary: Path, python: str = sys.executable, **environment: str) -> Iterator[Served]:
    """``python app.py`` in that folder, as an ordinary user, with an environment of its own.

    Args:
        root: folder of the app.
        temporary: the one folder that may be written to.
        python: of the environment that the app runs in.
        environment: variables besides ``PATH``, ``HOME`` and ``TMPDIR``.

    Raises:
        RuntimeError: with what it said, if it ends or does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "PATH": os.defpath,
        "HOME": str(root),
        "TMPDIR": str(temporary),
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        **environment,
    }
    address = f"http://127.0.0.1:{port}/"
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        command = [*as_ordinary_user(python), python, "app.py"]
        process = subprocess.Popen(command, cwd=root, env=variables, stdout=log, stderr=subprocess.STDOUT)
        try:
            while not _answers(address):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE_S:
                    log.seek(0)
                    raise RuntimeError(f"app.py does not serve the page:\n{log.read()}")
                time.sleep(0.05)
            yield Served(address, time.perf_counter() - start, process)
        finally:
            process.terminate()
            process.wait(20)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False
    return True


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuda", action="store_true", help="PyTorch for GPUs, several gigabytes")
    options = parser.parse_args()
    files = space_files(checkout_files(), cuda=options.cuda)
    with read_only_space(files) as (root, temporary), tempfile.TemporaryDirectory(prefix="space-env-") as folder:
        Path(folder).chmod(0o755)
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        start = time.perf_counter()
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(root / "requirements.txt")], check=True)
        print(f"pip install -r requirements.txt  {time.perf_counter() - start:6.1f} s")
        for attempt in ("first start", "second start"):
            with served(root, temporary, python) as app:
                print(f"{attempt:31}  {app.seconds:6.1f} s")
    print(f"files: {len(files)}, {sum(_size(each) for each in files.values()) / 1e6:.1f} MB")


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


if __name__ == "__main__":
    main()
