"""When ``fit`` ends, the bundle that it exported goes to the Hugging Face Hub."""

import shlex
import warnings
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from lightning_modules.callbacks import ExportBundle
from segmentation.errors import NucleoscopeError, ParameterError
from segmentation.model_card import LICENSE


class PushToHub(Callback):
    """Pushes the bundle that ``ExportBundle`` wrote; a Hub that cannot be reached never costs the run.

    Args:
        repo_id: ``OWNER/NAME`` on the Hub; nothing is pushed without.
        revision: branch to commit to; ``main`` by default.
        private: create it private.
        create_pr: propose a pull request and leave ``main`` as it is.
        license: of the weights, as the Hub abbreviates it.
    """

    def __init__(
        self,
        repo_id: str | None = None,
        revision: str | None = None,
        private: bool = False,
        create_pr: bool = False,
        license: str = LICENSE,
    ) -> None:
        self.repo_id, self.revision, self.private = repo_id, revision, private
        self.create_pr, self.license = create_pr, license

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say before the hours of training, not after, what can never be pushed; a Hub that is down is no reason."""
        if self.repo_id is None or _is_dry_run(trainer):
            return
        from segmentation.hub_push import check_target, check_token  # loads the Hub's client, which few runs need

        check_target(self.repo_id, self.revision, self.create_pr)
        check_token()
        if _export(trainer) is None:
            raise ParameterError(
                f"push.repo_id={self.repo_id!r}: there is no ExportBundle, so nothing to push; add it."
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Push, on the first process only, once every callback has done its part."""
        if stage != "fit" or self.repo_id is None or _is_dry_run(trainer) or not trainer.is_global_zero:
            return
        export = _export(trainer)
        assert export is not None
        folder = export.destination(trainer)
        try:
            from segmentation.hub_push import push

            published = push(
                folder,
                self.repo_id,
                private=self.private,
                revision=self.revision,
                create_pr=self.create_pr,
                license=self.license,
            )
        except Exception as error:  # a training that has ended well does not fail for its publishing, whatever happens
            known = isinstance(error, NucleoscopeError)
            told = str(error) if known else f"{self.repo_id}: {type(error).__name__}: {error}"
            warnings.warn(
                f"The model was not published. {told} It is whole in {folder}; push it later with:\n"
                f"    {self.command(folder)}",
                stacklevel=1,
            )
        else:
            rank_zero_info(f"Published {published.repo_id} at {published.commit}: {published.url}")

    def command(self, folder: Path) -> str:
        """What pushes the same bundle to the same place from a shell."""
        words = ["python", "-m", "segmentation.hub", "push", str(folder), str(self.repo_id)]
        words += ["--private"] if self.private else []
        words += ["--revision", self.revision] if self.revision else []
        words += ["--create-pr"] if self.create_pr else []
        words += ["--license", self.license] if self.license != LICENSE else []
        return shlex.join(words)


def _export(trainer: Trainer) -> ExportBundle | None:
    found = [callback for callback in trainer.callbacks if isinstance(callback, ExportBundle)]  # type: ignore[attr-defined]
    return found[0] if found else None


def _is_dry_run(trainer: Trainer) -> bool:
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # set by Lightning, unknown to its types
