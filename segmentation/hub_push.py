"""Publish a bundle on the Hugging Face Hub: its files in one commit, with a card that people and searches read."""

import json
import logging
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token

from segmentation import hub_client
from segmentation.bundle import CARD, CONFIG, WEIGHTS, Bundle
from segmentation.errors import BundleError, HubError, NucleoscopeError, ParameterError
from segmentation.hub_card import EXAMPLE, ONNX, PACKAGE, example_picture, hub_card
from segmentation.hub_errors import check_repo_id, explained
from segmentation.model_card import LICENSE, TAGS

_COMMIT = re.compile(r"[0-9a-f]{40}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """What the Hub has now.

    Attributes:
        repo_id: ``OWNER/NAME``.
        commit: full hash, which pins this very model for ever.
        url: of the commit, or of the pull request that holds it.
    """

    repo_id: str
    commit: str
    url: str


def push(
    model: str | Path | Bundle,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    license: str = LICENSE,
    token: str | None = None,
) -> Published:
    """Publish a bundle in one commit; a repository that does not exist yet is created.

    Whatever breaks, the repository holds its old files or the new ones, never some of each. Pushing the same bundle
    twice makes one commit.

    Args:
        model: a bundle folder, or a bundle.
        repo_id: ``OWNER/NAME`` on the Hub.
        private: create it private; a repository that is public already is refused.
        revision: branch to commit to, created where it does not exist; ``main`` by default.
        create_pr: propose the commit as a pull request to ``main`` and leave ``main`` as it is.
        license: of the weights, as the Hub abbreviates it.
        token: with write access; by default the one that ``HF_TOKEN`` holds or ``hf auth login`` stored.

    Raises:
        BundleError: if the folder is no whole bundle.
        ParameterError: if name and revision cannot be pushed to.
        HubError: if the Hub does not take it, or cannot be reached.
    """
    check_target(repo_id, revision, create_pr)
    if hub_client.is_offline():
        raise HubError(f"{repo_id}: HF_HUB_OFFLINE is set, so nothing can be published; unset it to use the network.")
    with tempfile.TemporaryDirectory() as scratch:
        folder, bundle = _own_copy(model, Path(scratch) / "bundle")
        with explained(repo_id):
            api = hub_client.hub(token)
            check_can_write(api)
        files = publication(folder, bundle, repo_id, license)
        with explained(repo_id):
            _prepare_repository(api, repo_id, private, revision, create_pr)
            commit = api.create_commit(
                repo_id,
                [CommitOperationAdd(name, content) for name, content in files.items()],
                commit_message=f"Publish Nucleoscope model {bundle.revision}",
                revision=revision,
                create_pr=create_pr,
            )
    return Published(repo_id, commit.oid, str(commit.pr_url or commit.commit_url))


def publication(folder: Path, bundle: Bundle, repo_id: str, license: str = LICENSE) -> dict[str, Path | bytes]:
    """Everything that is published of a bundle, by its name on the Hub: a file, or its bytes.

    Args:
        folder: of the bundle.
        bundle: the same, loaded; its network is moved to the CPU.
        repo_id: ``OWNER/NAME`` to be.
        license: of the weights.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    picture = example_picture(bundle)
    packages = exports(bundle, license)
    card = hub_card(config, repo_id, license=license, picture=picture is not None, exports=tuple(packages))
    files: dict[str, Path | bytes] = {CONFIG: folder / CONFIG, WEIGHTS: folder / WEIGHTS, CARD: card.encode()}
    if picture is not None:
        files[EXAMPLE] = picture
    return {**files, **packages}


def exports(bundle: Bundle, license: str = LICENSE) -> dict[str, bytes]:
    """The model for other programs, by name: ONNX from raw pixels to maps, and a BioImage.IO package.

    None of a network that cannot be exported, or where ONNX is not installed; the log says why, and the bundle itself
    is published all the same.
    """
    try:
        from segmentation.bioimageio_export import package_bytes  # loads ONNX, which pulling never needs
        from segmentation.onnx_export import network_graph, onnx_bytes

        network = network_graph(bundle.network)
        return {
            ONNX: onnx_bytes(bundle, preprocessing=True, network=network),
            PACKAGE: package_bytes(bundle, license=license, network=network),
        }
    except (NucleoscopeError, ImportError) as error:
        _log.warning("%s and %s are left out of what is published. %s", ONNX, PACKAGE, error)
        return {}


def check_token(token: str | None = None) -> None:
    """Make sure that there is a token, without asking the Hub about it.

    Raises:
        HubError: if there is none.
    """
    if token is None and get_token() is None:
        raise HubError(
            "The Hub must know who publishes, and there is no token here; log in with `hf auth login`, or set HF_TOKEN "
            f"to a token with write access ({hub_client.endpoint()}/settings/tokens)."
        )


def check_can_write(api: HfApi) -> None:
    """Ask the Hub whose token this is.

    Raises:
        HubError: if there is none, or it may only read.
    """
    token = api.token if isinstance(api.token, str) else None
    check_token(token)
    access = api.whoami().get("auth", {}).get("accessToken", {})
    if access.get("role") == "read":
        raise HubError(
            f"The token {access.get('displayName', '')!r} may only read; make one with write access at "
            f"{hub_client.endpoint()}/settings/tokens and log in with it (`hf auth login`, or HF_TOKEN)."
        )


def check_target(repo_id: str, revision: str | None, create_pr: bool) -> None:
    """Refuse what can never be pushed to, without asking the Hub.

    Raises:
        HubError: if the name is none the Hub can have.
        ParameterError: if the revision is a commit, or does not go with a pull request.
    """
    check_repo_id(repo_id)
    if revision is not None and (not revision.strip() or _COMMIT.fullmatch(revision)):
        raise ParameterError(f"revision={revision!r}: a push goes to a branch, not to a commit; name one, or none.")
    if create_pr and revision not in (None, hub_client.MAIN):
        raise ParameterError(
            f"revision={revision!r}: a pull request goes to {hub_client.MAIN}; leave out the one or the other."
        )


def _own_copy(model: str | Path | Bundle, folder: Path) -> tuple[Path, Bundle]:
    """A copy that no training can write over while it is on its way, and what it holds."""
    if isinstance(model, Bundle):
        model.save(folder)
    else:
        Bundle.load(model)
        folder.mkdir()
        try:
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(Path(model) / name, folder / name)
        except OSError as error:
            raise BundleError(f"{model}: the bundle cannot be copied ({error.strerror}); free the disk.") from error
    return folder, Bundle.load(folder)


def _prepare_repository(api: HfApi, repo_id: str, private: bool, revision: str | None, create_pr: bool) -> None:
    """Create what is missing, and refuse what would be a leak or would push another model aside."""
    api.create_repo(repo_id, private=private or None, exist_ok=True)
    info = api.model_info(repo_id, timeout=hub_client.TIMEOUT_S)
    if private and not info.private:
        raise HubError(
            f"{repo_id}: it exists and is public, so nothing was pushed; make it private in its settings at "
            f"{hub_client.endpoint()}/{repo_id}/settings, or push without --private."
        )
    taken = {CONFIG, WEIGHTS} & {sibling.rfilename for sibling in info.siblings or []}
    if taken and TAGS[0] not in (info.tags or []):
        raise HubError(
            f"{repo_id}: it holds another kind of model ({min(taken)}), so nothing was pushed; name another repository."
        )
    if revision not in (None, hub_client.MAIN) and not create_pr:
        api.create_branch(repo_id, branch=str(revision), exist_ok=True)
