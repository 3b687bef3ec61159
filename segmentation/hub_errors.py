"""Whatever goes wrong between here and the Hub, as one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import errors
from huggingface_hub.utils import validate_repo_id

from segmentation.errors import HubError, NucleoscopeError
from segmentation.hub_client import TIMEOUT_S, endpoint, scrubbed, wait_asked_for
from segmentation.terminal import one_line

_TOKEN = "log in with `hf auth login`, or set HF_TOKEN"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn every fault of the client, of the connection and of the Hub into a HubError.

    Args:
        what: is asked for, as the message is to call it: a repository, or the Hub's list.

    Raises:
        HubError: in place of whatever was raised; the project's own errors pass as they are.
    """
    try:
        yield
    except NucleoscopeError:
        raise
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError, RuntimeError) as error:
        raise HubError(scrubbed(f"{what}: {_sentence(error)}")) from error
    except (errors.RevisionResolutionError, KeyError, TypeError, AttributeError) as error:
        raise HubError(scrubbed(f"{what}: {_not_a_hub(error)}")) from error


def check_repo_id(repo_id: str) -> None:
    """Refuse what no model on the Hub is called.

    Raises:
        HubError: if it is not ``OWNER/NAME``.
    """
    with explained(repr(repo_id)):
        validate_repo_id(repo_id)
    if repo_id.count("/") != 1:
        raise HubError(f"{repo_id!r}: models on the Hub are called OWNER/NAME; put your user's name before it.")


def is_outage(error: BaseException) -> bool:
    """Whether the Hub could not be reached or could not answer, so that a cached copy may be used in its place."""
    for cause in _causes(error):
        if isinstance(cause, errors.HfHubHTTPError):
            return cause.response.status_code >= 500 or cause.response.status_code == 429
        if isinstance(cause, httpx2.TransportError):
            return not isinstance(cause, httpx2.UnsupportedProtocol)
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: the client wraps some in others that say less."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _sentence(error: BaseException) -> str:
    for cause in _causes(error):
        told = _of_this_side(cause) or _of_the_hub(cause) or _of_the_connection(cause)
        if told is not None:
            return told
    if isinstance(error, json.JSONDecodeError):
        return _not_a_hub(error)
    return f"the Hub's client failed ({_short(error)}); try again, or look at {endpoint()} in a browser."


def _of_this_side(error: BaseException) -> str | None:
    """What is wrong here: names, tokens, settings, the disk."""
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to use the network."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"the Hub must know who you are, and there is no token here; {_TOKEN} (with write access to publish)."
    if isinstance(error, errors.HFValidationError):
        return f"no name the Hub can have ({_short(error)}); names look like OWNER/NAME."
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return f"HF_ENDPOINT={endpoint()!r} is no address of a Hub; it begins with https://."
    if isinstance(error, errors.HfHubHTTPError | errors.EntryNotFoundError | errors.FileMetadataError):
        return None  # OSErrors too, and told below
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
        where = error.filename or "the cache"
        return f"{where} cannot be written or read ({error.strerror}); free the disk, or set HF_HOME to another folder."
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return "a file arrived cut short; nothing of it is kept: run the same again."
    return None


def _of_the_hub(error: BaseException) -> str | None:
    """What the Hub answered."""
    if isinstance(error, errors.FileMetadataError):
        return _not_a_hub(error)
    if not isinstance(error, errors.HfHubHTTPError):
        return None
    status = error.response.status_code
    said = _short(error.server_message)[:200] if error.server_message else ""
    detail = f"{status}: {said}" if said else f"{status}"
    if isinstance(error, errors.GatedRepoError):
        return f"its author asks to accept terms first ({status}); do so on its page at {endpoint()}, and {_TOKEN}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no such model at {endpoint()}, or it is private and your token may not see it ({status}); check "
            f"the name, or {_TOKEN}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no such branch, tag or commit ({status}); its page lists those it has."
    if isinstance(error, errors.DisabledRepoError):
        return f"the Hub has disabled it ({status}); use another model."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"a file is missing there ({status}); ask its author to publish the model again, whole."
    if status == 401:
        return (
            f"the Hub does not know your token ({status}); make a new one at {endpoint()}/settings/tokens and {_TOKEN}."
        )
    if status == 403:
        return (
            f"the Hub refuses this to your token ({detail}); use a token with write access to this owner's models "
            f"({endpoint()}/settings/tokens), or another owner's name."
        )
    if status in (409, 412):
        return f"somebody else changed it at the same moment ({detail}); run the same again."
    if status == 413:
        return f"it is too large for the Hub ({detail}); publish a smaller model."
    if status == 429:
        wait = wait_asked_for(error.response)
        when = "in a while" if wait is None else f"in {wait:,} s"
        return f"the Hub has had too many requests from here ({status}); run the same again {when}."
    if status >= 500:
        return f"the Hub has a fault of its own ({detail}); nothing is left half done: run the same again later."
    return f"the Hub does not take this ({detail})."


def _of_the_connection(error: BaseException) -> str | None:
    """What happened on the way."""
    if isinstance(error, httpx2.ProxyError):
        return f"the proxy does not let through to {endpoint()} ({_short(error)}); check HTTPS_PROXY and NO_PROXY."
    if isinstance(error, httpx2.TimeoutException):
        return f"{endpoint()} did not answer within {TIMEOUT_S:.0f} s; run the same again later."
    if isinstance(error, httpx2.ConnectError):
        return f"{endpoint()} cannot be reached ({_short(error)}); check the network, the proxy and HF_ENDPOINT."
    if isinstance(error, httpx2.TooManyRedirects | httpx2.DecodingError):
        return _not_a_hub(error)
    if isinstance(error, httpx2.TransportError | ConnectionError | TimeoutError):
        return f"the connection to {endpoint()} broke; nothing is left half done: run the same again."
    return None


def _not_a_hub(error: BaseException) -> str:
    return f"{endpoint()} does not answer as a Hub does ({_short(error)}); check HF_ENDPOINT and the proxy."


def _short(error: BaseException | str) -> str:
    words = one_line(str(error)).rstrip(".;")
    return words[:200] or type(error).__name__
