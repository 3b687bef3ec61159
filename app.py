"""``python app.py``: serve the web page. Also the entry point of a Hugging Face Space."""

import os
import sys
from pathlib import Path

# Before Gradio is imported: no usage statistics, no version check, nothing to any other host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from segmentation.devices import set_threads
from segmentation.errors import NucleoscopeError
from segmentation.isolated_reading import shared_reader
from segmentation.limits import Limits, set_limits
from ui.logs import set_up_log
from ui.serving_files import ServerFolder
from ui.serving_memory import give_memory_back
from ui.serving_options import Options, parse

DEFAULT_MODEL = Path(__file__).resolve().parent / "checkpoints" / "nuclei"


def shipped_models() -> list[str | Path]:
    """What ``checkpoints/models.txt`` names, one a line, then the bundles beside it, the default one first."""
    listed = DEFAULT_MODEL.parent / "models.txt"
    named = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    others = sorted(path.parent for path in DEFAULT_MODEL.parent.glob("*/config.json"))
    return [*filter(None, map(str.strip, named)), DEFAULT_MODEL, *(path for path in others if path != DEFAULT_MODEL)]


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    try:
        options, limits = parse(arguments)
    except NucleoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    give_memory_back()
    set_up_log(options.log_format, options.log_level)
    set_limits(limits)  # for the processes that read files, too
    try:
        folder = ServerFolder()
    except OSError as error:
        print(f"error: no folder for temporary files can be made ({error}); set TMPDIR.", file=sys.stderr)
        return 1
    try:
        return _serve(options, limits, folder)
    except NucleoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        folder.close()


def _serve(options: Options, limits: Limits, folder: ServerFolder) -> int:
    from ui.models import Models  # after the folder is there: Gradio looks for it when it is imported
    from ui.serving import Server, load_users

    if options.threads:
        set_threads(options.threads)
    users = load_users(options.auth)
    sources = [*options.model] or shipped_models()
    models = Models(sources, options.device, hub=options.hub, engine=options.engine, concurrency=options.concurrency)
    server = Server(models, options, limits, users, folder)
    server.stop_on_signals()
    try:
        address = server.start()
    except OSError as error:
        print(f"error: cannot listen on port {options.port} ({error}); choose another with --port.", file=sys.stderr)
        return 1
    print(f"Nucleoscope is at {address} (stop it with Ctrl+C)", flush=True)
    shared_reader().warm()
    if options.mcp:
        print(f"MCP tools are at {address}gradio_api/mcp/", flush=True)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
