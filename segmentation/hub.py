"""``python -m segmentation.hub push|pull|list|deploy``: models to and from the Hugging Face Hub, the app as a Space.

>>> from segmentation.hub import deploy, models, pull, push
>>> push("checkpoints/nuclei", "OWNER/NAME").commit  # doctest: +SKIP
>>> pull("OWNER/NAME", "9f4c...")  # doctest: +SKIP
>>> [model.repo_id for model in models()]  # doctest: +SKIP
>>> deploy("OWNER/SPACE").url  # doctest: +SKIP
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from huggingface_hub.utils import logging

from segmentation.atomic import replacing_folder
from segmentation.bundle import CARD, CONFIG, WEIGHTS, check_destination
from segmentation.errors import HubError, NucleoscopeError
from segmentation.hub_deploy import Deployed, deploy
from segmentation.hub_list import HubModel, models
from segmentation.hub_pull import pull
from segmentation.hub_push import Published, push
from segmentation.model_card import LICENSE
from segmentation.terminal import printable

__all__ = ["Deployed", "HubModel", "Published", "deploy", "models", "pull", "push"]


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m segmentation.hub",
        description="Models to and from the Hugging Face Hub, and the app as a Space there; a mirror at HF_ENDPOINT.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pushing = commands.add_parser("push", help="publish a bundle; the token needs write access")
    pushing.add_argument("folder", type=Path, help="bundle folder, for example checkpoints/nuclei")
    pushing.add_argument("repo_id", metavar="OWNER/NAME", help="its name on the Hub; created if it does not exist")
    pushing.add_argument("--private", action="store_true", help="create it private; refuse one that is public")
    pushing.add_argument("--revision", metavar="BRANCH", help="branch to commit to (default: main)")
    pushing.add_argument("--create-pr", action="store_true", help="propose a pull request and leave main as it is")
    pushing.add_argument("--license", default=LICENSE, help="of the weights (default: %(default)s)")
    pulling = commands.add_parser("pull", help="fetch a bundle into the cache, and print its folder")
    pulling.add_argument("repo_id", metavar="OWNER/NAME", help="its name on the Hub")
    pulling.add_argument("--revision", help="branch, tag or commit (default: main)")
    pulling.add_argument("--out", type=Path, metavar="FOLDER", help="copy the bundle here: a new or empty folder")
    listing = commands.add_parser("list", help="models on the Hub that can be used here")
    listing.add_argument("--author", help="user or organisation (default: all)")
    listing.add_argument("--limit", type=int, default=100, help="how many at most (default: %(default)s)")
    deploying = commands.add_parser("deploy", help="create or update a Space that serves the app; needs write access")
    deploying.add_argument("repo_id", metavar="OWNER/SPACE", help="its name on the Hub; created if it does not exist")
    deploying.add_argument("--private", action="store_true", help="create it private; refuse one that is public")
    deploying.add_argument(
        "--model", metavar="OWNER/NAME[@REV]", help="model on the Hub to start with (default: checkpoints/nuclei)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0, or 1 with one line on stderr."""
    options = build_parser().parse_args(arguments)
    if "HF_HUB_VERBOSITY" not in os.environ:
        logging.set_verbosity_error()  # each try that fails would be a line of its own
    try:
        {"push": _push, "pull": _pull, "list": _list, "deploy": _deploy}[options.command](options)
    except NucleoscopeError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; nothing is left half done.", file=sys.stderr)
        return 1
    return 0


def _push(options: argparse.Namespace) -> None:
    published = push(
        options.folder,
        options.repo_id,
        private=options.private,
        revision=options.revision,
        create_pr=options.create_pr,
        license=options.license,
    )
    print(f"{published.repo_id} at {published.commit}\n{published.url}")


def _pull(options: argparse.Namespace) -> None:
    if options.out is not None:
        check_destination(options.out)
    folder = pull(options.repo_id, options.revision)
    print(folder if options.out is None else copy_bundle(folder, options.out))


def _list(options: argparse.Namespace) -> None:
    found = models(options.author, limit=options.limit)
    width = max((len(model.repo_id) for model in found), default=0)
    for model in found:
        changed = "" if model.updated is None else f"{model.updated:%Y-%m-%d}"
        counts = f"{model.downloads or 0:,} downloads, {model.likes or 0:,} likes"
        private = ", private" if model.private else ""
        print(printable(f"{model.repo_id:{width}}  {model.revision[:12]:12}  {changed:10}  {counts}{private}"))
    if not found:
        print(f"No models{f' of {options.author}' if options.author else ''} carry the tag.", file=sys.stderr)


def _deploy(options: argparse.Namespace) -> None:
    space = deploy(options.repo_id, private=options.private, model=options.model)
    print(f"{space.repo_id} at {space.commit}: {len(space.files)} files, {len(space.removed)} older ones removed")
    print(space.url)
    if space.needs_token is not None:
        print(
            f"Not everybody may read {space.needs_token}, and no token was put into the Space: give it one that may "
            f"(secret HF_TOKEN, at {space.url}/settings).",
            file=sys.stderr,
        )


def copy_bundle(source: Path, folder: Path) -> Path:
    """Copy a bundle's own files out of the cache, whole or not at all; an older bundle there is replaced.

    Raises:
        BundleError: if the place holds something else.
        HubError: if it cannot be written.
    """
    check_destination(folder)
    try:
        with replacing_folder(folder) as fresh:
            for name in (CONFIG, WEIGHTS, CARD):
                if (source / name).exists():
                    shutil.copyfile(source / name, fresh / name)
    except OSError as error:
        raise HubError(f"{folder}: cannot be written ({error.strerror}); name another folder with --out.") from error
    return folder


if __name__ == "__main__":
    sys.exit(main())
