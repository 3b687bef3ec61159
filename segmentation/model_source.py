"""Where a model comes from: a folder on this machine, or the Hugging Face Hub."""

import re
from pathlib import Path

from segmentation.errors import BundleError, HubError

_HUB_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[^@\s]+))?", re.ASCII)


def is_hub_id(model: str | Path) -> bool:
    """Whether this names a model on the Hub: ``OWNER/NAME`` or ``OWNER/NAME@REVISION``, and nothing on this disk."""
    return _HUB_ID.fullmatch(_text(model)) is not None and not Path(model).exists()


def resolve(model: str | Path, revision: str | None = None, *, token: str | bool | None = None) -> Path:
    """The folder of a model's bundle; one on the Hub is fetched first, see :func:`segmentation.hub.pull`.

    Args:
        model: a folder, or ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` on the Hub. What exists on this disk wins.
        revision: branch, tag or commit of a model on the Hub.
        token: for private models on the Hub; see :func:`segmentation.hub.pull`.

    Raises:
        BundleError: if a revision of a folder is asked for, or the model from the Hub is no bundle that can be used.
            Whether a folder is one, :meth:`segmentation.Bundle.load` says.
        HubError: if the Hub has no such model or cannot be reached.
    """
    found = _HUB_ID.fullmatch(_text(model))
    if found is None or Path(model).exists():
        if revision is not None:
            raise BundleError(f"{model}: a folder has no revisions ({revision!r}); leave it out, or name OWNER/NAME.")
        return Path(model)
    if found["revision"] and revision not in (None, found["revision"]):
        raise BundleError(f"{model}: it names one revision and {revision!r} is another; leave out one of them.")
    from segmentation.hub_pull import pull  # loads the Hub's client, which most uses never need

    try:
        return pull(found["repo"], revision or found["revision"], token=token)
    except HubError as error:
        if Path(found["repo"]).parent.is_dir():  # a slip of the pen in a folder's name, more likely than not
            raise HubError(f"{model} is no folder here, so the Hub was asked. {error}") from error
        raise


def _text(model: str | Path) -> str:
    return model.as_posix() if isinstance(model, Path) else model
