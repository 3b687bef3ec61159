"""The page as the server runs it: errors are told with the request's id, and faults in words rather than not at all."""

import logging
import time
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError

from ui.logs import log
from ui.serving_work import LOST_FILES, ClosingError, current_work

FAULT = "Something went wrong in this page, not in your file. Tell whoever runs it: request {request}."


class ServedBlocks(gr.Blocks):
    """``gr.Blocks`` whose errors are noted, and quoted by an id."""

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See Gradio: run one function. What it raises goes to the visitor as a sentence.

        Raises:
            gr.Error: in place of every error.
        """
        try:
            return await super().process_api(*given, **named)
        except gr.Error as error:
            raise _told(error) from error.__cause__
        except InvalidPathError as error:  # uploads of a server that was killed, mostly; its page stays open
            raise _told(gr.Error(LOST_FILES, duration=None)) from error
        except Exception as error:
            raise _fault(error) from error

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """See Gradio, whose words are for who writes pages: programs that give too few values are told which.

        Raises:
            gr.Error: naming the values that are missing.
        """
        missing = [getattr(block, "label", None) or "a value" for block in block_fn.inputs[len(inputs) :]]
        if missing:
            raise gr.Error(
                f"/{block_fn.api_name} takes {len(block_fn.inputs)} values and got {len(inputs)}: give "
                f"{', '.join(missing)} too, in this order; /gradio_api/info lists them."
            )

    def remove_files(self, age: float) -> None:
        """Remove uploads and results that were written at least ``age`` seconds ago; not those of the page itself.

        Gradio does the same with ``delete_cache``, until a file comes while it looks: then it never does again.
        """
        kept = {file for block in self.blocks.values() for file in getattr(block, "keep_in_cache", ())}
        limit = time.time() - age
        for files in self.temp_file_sets:
            for file in set(files) - kept:  # a copy, made at once: requests add to it meanwhile
                path = Path(file)
                try:
                    if path.lstat().st_ctime <= limit:
                        files.discard(file)
                        path.unlink()
                except OSError:
                    files.discard(file)


def _told(error: gr.Error) -> gr.Error:
    work = current_work()
    if work is not None:
        cause = error.__cause__ or error
        work.outcome = "closing" if isinstance(cause, ClosingError) else "refused"
        work.note(cause)
        if work.program:
            error.message = f"{error.message} (request {work.request})"
    error.print_exception = False  # the log has its class, and its words may hold names of files
    return error


def _fault(error: Exception) -> gr.Error:
    work = current_work()
    request = work.request if work is not None else "-"
    if work is not None:
        work.outcome = "failed"
        work.note(error)
    log("fault", {"request": request, "action": work.action if work else None}, logging.ERROR, error=error)
    return gr.Error(FAULT.format(request=request), duration=None, print_exception=False)
