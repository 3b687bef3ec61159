"""Fetch a bundle from the Hugging Face Hub: its two files and its card, never anything that could carry code."""

import hashlib
import logging
import re
from pathlib import Path, PurePosixPath
from typing import Any

import httpx2
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.hf_api import RepoSibling

from segmentation import hub_client
from segmentation.bundle import CARD, CONFIG, WEIGHTS, Bundle, read_config
from segmentation.errors import BundleError, HubError
from segmentation.hub_errors import check_repo_id, explained, is_outage

LIMITS = {CONFIG: 2**20, CARD: 4 * 2**20, WEIGHTS: 2**30}  # bytes; the shipped model's weights are 8 million
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".joblib", ".h5", ".keras")
_TRIES = 3
_COMMIT = re.compile(r"[0-9a-f]{40}")
_log = logging.getLogger(__name__)


def pull(repo_id: str, revision: str | None = None, *, token: str | bool | None = None) -> Path:
    """Folder of a bundle from the Hub, in the Hub's cache on this machine (``HF_HOME``).

    What is in the cache already is not fetched again. With ``HF_HUB_OFFLINE=1``, and for a full commit hash, the cache
    alone answers; where the Hub cannot be reached, it answers too, and a warning in the log says so.

    Args:
        repo_id: ``OWNER/NAME``.
        revision: branch, tag or commit; a full commit hash pins the model for ever. The branch ``main`` by default.
        token: for private models; by default the one that ``HF_TOKEN`` holds or ``hf auth login`` stored. False asks
            as a stranger, where others than the token's owner choose the model.

    Raises:
        BundleError: newer format, not a bundle of ours, weights that do not match their hash or their network.
        HubError: no such model, pickles alone, too large, or the Hub cannot be reached.
    """
    check_repo_id(repo_id)
    name = f"{repo_id}@{revision}" if revision else repo_id
    with explained(name):
        folder = _find(repo_id, revision, name, token)
    _load_once(folder, name)
    return folder


def _find(repo_id: str, revision: str | None, name: str, token: str | bool | None) -> Path:
    cached = _in_cache(repo_id, revision)
    if hub_client.is_offline():
        if cached is None:
            raise HubError(
                f"{name}: it is not in the cache of this machine and HF_HUB_OFFLINE is set; unset it and fetch the "
                f"model once with `python -m segmentation.hub pull {repo_id}`."
            )
        return cached
    # What a commit holds never changes; but strangers are not to have from the cache what the Hub would not show them,
    # and what a power cut or a full disk left of it is fetched again.
    pinned = token is not False and revision is not None and _COMMIT.fullmatch(revision)
    if cached is not None and pinned and _is_whole(cached):
        return cached
    try:
        return _fetch(hub_client.hub(token), repo_id, revision, name)
    except (OSError, httpx2.HTTPError) as error:
        if cached is None or not is_outage(error):
            raise
        _log.warning("%s: the Hub cannot be asked; the cached commit %s is used in its place.", name, cached.name)
        return cached


def _in_cache(repo_id: str, revision: str | None) -> Path | None:
    """Folder of a revision that is there as a whole."""
    paths = [try_to_load_from_cache(repo_id, file, revision=revision) for file in (CONFIG, WEIGHTS)]
    folders = {Path(path).parent for path in paths if isinstance(path, str)}
    return folders.pop() if len(folders) == 1 and all(isinstance(path, str) for path in paths) else None


def _fetch(api: HfApi, repo_id: str, revision: str | None, name: str) -> Path:
    info = api.model_info(repo_id, revision=revision, files_metadata=True, timeout=hub_client.TIMEOUT_S)
    files = {sibling.rfilename: sibling for sibling in info.siblings or []}
    _check_offer(files, name)
    # Asked for by its branch, so that the cache notes which commit the branch was at; all else by that commit.
    commit = str(info.sha)
    folder = _download(api, repo_id, files[CONFIG], revision or hub_client.MAIN, commit).parent
    _check_config(folder, name)
    for file in (WEIGHTS, CARD):
        if file in files:
            _download(api, repo_id, files[file], commit, commit)
    return folder


def _check_offer(files: dict[str, RepoSibling], name: str) -> None:
    """Refuse a repository that is no bundle, before anything of it is fetched."""
    if WEIGHTS not in files:
        pickles = sorted(file for file in files if PurePosixPath(file).suffix in PICKLES)
        if pickles:
            raise HubError(
                f"{name}: it offers its weights only as {pickles[0]}, a pickle, which can run code when it is opened "
                f"and so never is, here; ask its author for {WEIGHTS}."
            )
        raise HubError(f"{name}: it holds no {WEIGHTS}, so it is no model of Nucleoscope; choose another.")
    if CONFIG not in files:
        raise HubError(f"{name}: it holds no {CONFIG}, so it is no model of Nucleoscope; choose another.")
    for file, limit in LIMITS.items():
        size = files[file].size if file in files else None
        if size is not None and size > limit:
            raise HubError(
                f"{name}: its {file} has {size:,} bytes and the limit is {limit:,}; fetch it by other means if you "
                "trust it, and name the folder."
            )


def _check_config(folder: Path, name: str) -> None:
    """Refuse what its config says cannot be read here, before the weights are fetched."""
    try:
        read_config(folder)
    except BundleError as error:
        raise _renamed(error, folder, name) from error


def _is_whole(folder: Path) -> bool:
    try:
        Bundle.load(folder)
    except BundleError:
        return False
    return True


def _load_once(folder: Path, name: str) -> None:
    try:
        Bundle.load(folder)
    except BundleError as error:
        raise _renamed(error, folder, name) from error


def _renamed(error: BundleError, folder: Path, name: str) -> BundleError:
    """The same error, of the model by its name: where the cache lies helps nobody."""
    return BundleError(str(error).replace(str(folder), name))


def _download(api: HfApi, repo_id: str, file: RepoSibling, revision: str, commit: str) -> Path:
    """One file, resumed where the connection breaks, and checked against the Hub's own hash of it at that commit."""

    def fetch(**options: Any) -> Path:
        for rest in reversed(range(_TRIES)):
            try:
                return Path(api.hf_hub_download(repo_id, file.rfilename, revision=revision, **options))
            except httpx2.NetworkError as error:  # a reset, which the client does not try again by itself
                if isinstance(error, httpx2.ConnectError) or not rest:
                    raise
        raise AssertionError  # the last try returned or raised

    path = fetch()
    if path.parent.name != commit:
        raise HubError(f"{repo_id}: it changed while it was being fetched; run the same again.")
    if not _is_intact(path, file):
        path = fetch(force_download=True)  # damaged in the cache, or on the way
    if not _is_intact(path, file):
        raise HubError(
            f"{repo_id}: {file.rfilename} does not match the hash that {hub_client.endpoint()} states for it, twice: "
            "something on the way changes it; try from another network, or without the mirror."
        )
    return path


def _is_intact(path: Path, file: RepoSibling) -> bool:
    """Whether the file has the hash that the Hub states: SHA-256 for large files, Git's own for small ones."""
    with path.open("rb") as stream:
        if file.lfs is not None:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.lfs.sha256
        if file.blob_id is None:
            return True
        content = stream.read()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == file.blob_id
