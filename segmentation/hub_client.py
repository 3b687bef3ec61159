"""The Hub's client, set up so that it never waits without end and speaks what every mirror speaks.

Importing this loads ``huggingface_hub``; nothing that ``import segmentation`` loads may import it.
"""

import os
import re

import httpx2
from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.utils import _http, hf_raise_for_status, parse_ratelimit_headers

import segmentation

MAIN = "main"  # the branch that a repository begins with
TIMEOUT_S = 60.0  # without a single byte from the Hub
MAX_WAIT_S = 60  # longest wait that the Hub may ask for before a request is tried again

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# What comes before the host in an address, after the kind of a header, and what the Hub's tokens look like.
_SECRET = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=Bearer )\S+|(?<=Basic )\S+|\bhf_[A-Za-z0-9]{8,}")

# Of all that the Hub offers, mirrors and firewalls know plain HTTPS best, and a bundle is too small to gain from Xet.
if "HF_HUB_DISABLE_XET" not in os.environ:
    constants.HF_HUB_DISABLE_XET = True

# What is kept when a connection breaks is counted in these; the client's own 10 MiB is more than a whole bundle.
constants.DOWNLOAD_CHUNK_SIZE = min(constants.DOWNLOAD_CHUNK_SIZE, 2**18)


def hub(token: str | bool | None = None) -> HfApi:
    """The client for the Hub at ``HF_ENDPOINT``.

    Args:
        token: to log in with; by default the one that ``HF_TOKEN`` holds or ``hf auth login`` stored; False for none.
    """
    return HfApi(token=token, library_name="nucleoscope", library_version=segmentation.__version__)


def endpoint() -> str:
    """Address of the Hub that is used, as it is told: ``HF_ENDPOINT`` without a password, or the public one."""
    return scrubbed(constants.ENDPOINT)


def scrubbed(text: str) -> str:
    """The text without tokens and passwords, whoever put them there: a library, a proxy or the Hub."""
    for name in _TOKENS:
        if len(own := os.environ.get(name, "")) > 3:
            text = text.replace(own, "***")
    return _SECRET.sub("***", text)


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids to ask the Hub for anything."""
    return constants.is_offline_mode()


def wait_asked_for(response: httpx2.Response) -> int | None:
    """Seconds after which the Hub wants to be asked again, or None if it does not say."""
    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    asked = response.headers.get("Retry-After", "").strip()
    return int(asked) if asked.isdecimal() else None


def _refuse_long_waits(response: httpx2.Response) -> None:
    # Left alone, the client sleeps for as long as it is told to, an hour too, and tells nobody.
    if response.status_code >= 400 and (wait_asked_for(response) or 0) > MAX_WAIT_S:
        response.read()
        hf_raise_for_status(response)


def _client() -> httpx2.Client:
    client = _http.default_client_factory()
    client.timeout = httpx2.Timeout(TIMEOUT_S)
    client.event_hooks = {**client.event_hooks, "response": [_refuse_long_waits]}
    return client


# A program that has set a client of its own, for a proxy say, keeps it.
if _http._GLOBAL_CLIENT_FACTORY is _http.default_client_factory:
    set_client_factory(_client)
