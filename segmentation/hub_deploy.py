"""Put the app on the Hugging Face Hub as a Space: what it needs of this checkout, in one commit."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceInfo
from huggingface_hub.errors import RepositoryNotFoundError

import segmentation
from segmentation import hub_client
from segmentation.errors import HubError
from segmentation.hub_errors import check_repo_id, explained
from segmentation.hub_pull import pull
from segmentation.hub_push import check_can_write
from segmentation.model_card import TAGS
from segmentation.model_source import is_hub_id
from segmentation.space_files import MANIFEST, ROOT, PinnedModel, checkout_files, deployed_files, space_files

SPACE = "space"
FRESH = {".gitattributes", "README.md"}  # what the Hub itself puts into a new Space
_OURS = {"app.py", "segmentation/segmenter.py"}  # in a Space that the repository was pushed to with Git


@dataclass(frozen=True)
class Deployed:
    """The Space as it is now.

    Attributes:
        repo_id: ``OWNER/NAME``.
        commit: full hash.
        url: of the page.
        files: that it consists of.
        removed: files of older deployments that it no longer needs.
        needs_token: model that the Space may read only with a token of its own; None if it needs none.
    """

    repo_id: str
    commit: str
    url: str
    files: tuple[str, ...]
    removed: tuple[str, ...]
    needs_token: str | None


def deploy(
    repo_id: str,
    *,
    private: bool = False,
    model: str | None = None,
    root: Path = ROOT,
    token: str | None = None,
) -> Deployed:
    """Create or update a Space in one commit: the files that the app needs, as they are on this disk.

    Whatever breaks, the Space holds its old files or the new ones, never some of each. Files that an older deployment
    left and that are no longer needed go in the same commit; what others put there stays. Secrets, variables and
    hardware of the Space are left alone.

    Args:
        repo_id: ``OWNER/NAME`` of the Space.
        private: create it private; a Space that is public already is refused.
        model: to start with, ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` on the Hub; pinned to the commit it is at now.
            The bundles in ``checkpoints/`` go along in any case.
        root: folder of the project; the one that this module is in by default.
        token: with write access; by default the one that ``HF_TOKEN`` holds or ``hf auth login`` stored.

    Raises:
        BundleError: if a bundle is not whole.
        HubError: if a file is missing, the Space is of something else, or the Hub does not take it.
    """
    _check_names(repo_id, model)
    if hub_client.is_offline():
        raise HubError(f"{repo_id}: HF_HUB_OFFLINE is set, so nothing can be deployed; unset it to use the network.")
    checkout = checkout_files(root)
    with explained(repo_id):
        api = hub_client.hub(token)
        check_can_write(api)
    pinned = None if model is None else _pin(model, token)
    with explained(repo_id):
        space = _prepare_space(api, repo_id, private)
        files = space_files(checkout, pinned, cuda=_has_gpu(space))
        there = _names(space)
        left = _left_by_older(api, repo_id, space) if MANIFEST in there else set()
        removed = sorted((left & there) - set(files))
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, content) for name, content in files.items()),
                *(CommitOperationDelete(name, is_folder=False) for name in removed),
            ],
            commit_message=f"Deploy Nucleoscope {segmentation.__version__}",
            repo_type=SPACE,
            parent_commit=space.sha,
        )
    return Deployed(
        repo_id,
        commit.oid,
        f"{hub_client.endpoint()}/spaces/{repo_id}",
        tuple(files),
        tuple(removed),
        pinned.repo_id if pinned and not pinned.public else None,
    )


def _check_names(repo_id: str, model: str | None) -> None:
    """Refuse what can be no Space and no model, without asking the Hub."""
    if repo_id.count("/") != 1:
        raise HubError(f"{repo_id!r}: a Space is called OWNER/NAME; put your user's or organisation's name before it.")
    check_repo_id(repo_id)
    if model is not None and not is_hub_id(model):
        raise HubError(
            f"{model!r}: a Space starts with a model on the Hub, OWNER/NAME or OWNER/NAME@REVISION; publish a folder "
            "first (python -m segmentation.hub push), or put it into checkpoints/."
        )


def _pin(model: str, token: str | None) -> PinnedModel:
    """The model at the commit it is at now: a whole bundle, and whether anybody may fetch it."""
    repo_id, _, revision = model.partition("@")
    commit = pull(repo_id, revision or None, token=token).name
    with explained(model):
        try:
            info = hub_client.hub(False).model_info(repo_id, revision=commit, timeout=hub_client.TIMEOUT_S)
            public = not info.private and not info.gated
        except RepositoryNotFoundError:
            public = False
    return PinnedModel(repo_id, commit, public)


def _prepare_space(api: HfApi, repo_id: str, private: bool) -> SpaceInfo:
    """Create the Space where there is none, and refuse what would be a leak or would push another app aside."""
    api.create_repo(repo_id, repo_type=SPACE, space_sdk="gradio", private=private or None, exist_ok=True)
    space = api.space_info(repo_id, timeout=hub_client.TIMEOUT_S)
    if private and not space.private:
        raise HubError(
            f"{repo_id}: it exists and is public, so nothing was deployed; make it private in its settings at "
            f"{hub_client.endpoint()}/spaces/{repo_id}/settings, or deploy without --private."
        )
    there = _names(space)
    pushed_by_git = there >= _OURS and TAGS[0] in (space.tags or [])
    if not (there <= FRESH or MANIFEST in there or pushed_by_git):
        raise HubError(
            f"{repo_id}: it is a Space of something else ({min(there - FRESH)}), so nothing was deployed; name another."
        )
    return space


def _left_by_older(api: HfApi, repo_id: str, space: SpaceInfo) -> set[str]:
    """What the last deployment consisted of."""
    return deployed_files(
        Path(api.hf_hub_download(repo_id, MANIFEST, repo_type=SPACE, revision=space.sha)).read_bytes()
    )


def _names(space: SpaceInfo) -> set[str]:
    return {sibling.rfilename for sibling in space.siblings or []}


def _has_gpu(space: SpaceInfo) -> bool:
    runtime = space.runtime
    hardware = None if runtime is None else runtime.requested_hardware or runtime.hardware
    return hardware is not None and not hardware.startswith("cpu")
