"""Models on the Hugging Face Hub that can be used here, by the tag that their cards carry."""

from dataclasses import dataclass
from datetime import datetime

from segmentation import hub_client
from segmentation.errors import ParameterError
from segmentation.hub_errors import explained
from segmentation.model_card import TAGS


@dataclass(frozen=True)
class HubModel:
    """A model on the Hub.

    Attributes:
        repo_id: ``OWNER/NAME``, for ``Segmenter.from_pretrained``.
        revision: full hash of its newest commit; empty if the Hub does not say.
        private: whether only some may see it.
        downloads: in the last 30 days, as the Hub counts them; None if it does not say.
        likes: of people there; None if it does not say.
        updated: when it last changed; None if the Hub does not say.
    """

    repo_id: str
    revision: str
    private: bool
    downloads: int | None
    likes: int | None
    updated: datetime | None


def models(author: str | None = None, *, limit: int = 100, token: str | bool | None = None) -> list[HubModel]:
    """Those with the tag ``nucleoscope``, the last changed first. Whether one is a whole bundle, pulling it says.

    Args:
        author: user or organisation; all by default.
        limit: how many at most, 1 or more.
        token: to see private ones; by default the one that ``HF_TOKEN`` holds or ``hf auth login`` stored; False for
            none.

    Raises:
        ParameterError: for a limit below 1.
        HubError: if the Hub cannot be asked.
    """
    if limit < 1:
        raise ParameterError(f"limit={limit}: 1 or more.")
    with explained("The list of models"):
        found = hub_client.hub(token).list_models(
            filter=TAGS[0],
            author=author,
            sort="last_modified",
            limit=limit,
            expand=["downloads", "lastModified", "likes", "private", "sha"],
        )
        return [
            HubModel(each.id, each.sha or "", bool(each.private), each.downloads, each.likes, each.last_modified)
            for each in found
        ]
