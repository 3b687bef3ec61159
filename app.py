"""``python app.py``: serve the web page. Also the entry point of a Hugging Face Space."""

import argparse
import os
import sys
from pathlib import Path

# Before Gradio is imported: no usage statistics, no version check, nothing to any other host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from segmentation import NucleoscopeError
from segmentation.command_options import ENGINES
from ui.models import Models
from ui.page import build_page
from ui.theme import CSS, WORDS, theme

DEFAULT_MODEL = Path(__file__).resolve().parent / "checkpoints" / "nuclei"


def shipped_models() -> list[str | Path]:
    """What ``checkpoints/models.txt`` names, one a line, then the bundles beside it, the default one first."""
    listed = DEFAULT_MODEL.parent / "models.txt"
    named = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    others = sorted(path.parent for path in DEFAULT_MODEL.parent.glob("*/config.json"))
    return [*filter(None, map(str.strip, named)), DEFAULT_MODEL, *(path for path in others if path != DEFAULT_MODEL)]


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(prog="python app.py", description="Serve the Nucleoscope web page.")
    parser.add_argument(
        "--model",
        nargs="+",
        default=shipped_models(),
        metavar="MODEL",
        help="models to choose from, the first to start with: folders, or OWNER/NAME[@REVISION] on the Hugging Face "
        "Hub (default: the shipped ones)",
    )
    parser.add_argument(
        "--hub", action=argparse.BooleanOptionalAction, default=True, help="let visitors fetch models from the Hub"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="what runs the network; see python -m segmentation --help (default: %(default)s)",
    )
    parser.add_argument("--host", default=None, help="address to listen on; 0.0.0.0 lets other computers in")
    parser.add_argument("--port", type=int, default=None, help="port (default: the first free one from 7860)")
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="offer the page's actions to language models, as MCP tools at /gradio_api/mcp/",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        page = build_page(Models(options.model, options.device, hub=options.hub, engine=options.engine))
    except NucleoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    page.queue(default_concurrency_limit=1)
    try:
        _, address, _ = page.launch(
            server_name=options.host,
            server_port=options.port,
            inbrowser=options.open,
            theme=theme(),
            css=CSS,
            max_file_size="2gb",
            footer_links=[],
            ssr_mode=False,
            run_history=False,
            mcp_server=options.mcp,
            i18n=WORDS,
            quiet=True,  # its own lines advertise a public link
            prevent_thread_lock=True,
        )
    except OSError as error:
        print(f"error: cannot listen on port {options.port} ({error}); choose another with --port.", file=sys.stderr)
        return 1
    print(f"Nucleoscope is at {address} (stop it with Ctrl+C)", flush=True)
    if options.mcp:
        print(f"MCP tools are at {address}gradio_api/mcp/", flush=True)
    page.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
