"""The command line's batch: what is printed while it runs, and what it ends with."""

import argparse
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

from tqdm import tqdm

from segmentation.atomic import scratch_beside, temporary_folder
from segmentation.batch import Batch
from segmentation.batch_inputs import Task, find_files, mark_results, plan
from segmentation.batch_outcome import SUMMARY, Journal, Outcome, Page, Results, Totals, count_of, write_summary
from segmentation.batch_settings import Settings, bundle_name, parse_formats
from segmentation.batch_workers import Opening, cores, run_here, run_jobs
from segmentation.command_options import COMMAND_FORMATS
from segmentation.contact_sheet import INDEX, write_contact_sheet
from segmentation.devices import given_threads
from segmentation.errors import ParameterError
from segmentation.instance_maps import DecodeParams
from segmentation.model_source import resolve
from segmentation.segmenter import Segmenter
from segmentation.slide_batch import Streaming, part_slides, run_slides

STOPPED = 130  # exit code after Ctrl-C, as shells have it


def run(options: argparse.Namespace) -> int:
    """Do what :func:`segmentation.command_options.build_parser` understood; returns the exit code.

    Raises:
        NucleoscopeError: if an argument or the model is no good; nothing is written then.
        OSError: if the results cannot be written.
    """
    if options.jobs < 1:
        raise ParameterError(f"jobs={options.jobs}: at least one picture has to be done at a time.")
    streaming = Streaming(options.stream, options.empty_contrast, options.quiet)
    files = find_files(options.images, options.out)
    folder = resolve(options.model, options.revision)
    segmenter = Segmenter.from_pretrained(folder, options.device, engine=options.engine)
    settings = _settings(options, segmenter.bundle.decode)
    name = bundle_name(options.model)
    opening = Opening(folder, name, options.device, settings)
    mark_results(settings.out)
    with temporary_folder() as scratch:
        tasks, notes = plan(files, scratch)
        pictures, slides = part_slides(tasks, settings, streaming)
        jobs = min(options.jobs, max(len(pictures), 1))
        report = _Report(len(tasks), options.quiet)
        report.begin(f"model {name} (revision {segmenter.bundle.revision}) on {_place(segmenter, jobs)}", notes)
        outcomes = run_here(Batch.of(segmenter, settings, name), pictures)
        if len(pictures) > 1:  # in processes of their own, even for one job: a decoder that crashes takes only its file
            outcomes = run_jobs(opening, pictures, jobs)
            if not slides:
                del segmenter  # the processes have their own
        if slides:
            outcomes = _chain(outcomes, run_slides(slides, segmenter, _of_slides(settings, options), name, streaming))
        return _finish(tasks, outcomes, settings, report)


def _chain(*parts: Generator[Outcome]) -> Generator[Outcome]:
    for part in parts:
        with closing(part):
            yield from part


def _of_slides(settings: Settings, options: argparse.Namespace) -> Settings:
    """Who named no formats gets the outlines of a slide too: no other program could make them of labels that large."""
    named = options.format != COMMAND_FORMATS
    return settings if named else replace(settings, formats=(*settings.formats, "geojson"))


def _finish(tasks: list[Task], outcomes: Generator[Outcome], settings: Settings, report: "_Report") -> int:
    path = scratch_beside(settings.out / SUMMARY)
    journal = Journal(path)
    stopped = False
    try:
        try:
            with closing(outcomes), closing(report):
                for outcome in outcomes:
                    journal.add(outcome)
                    report.add(outcome)
        except KeyboardInterrupt:
            stopped = True
        finally:  # also when the disk is full: what is done is told as far as it goes
            journal.close()
        results = Results([path], len(tasks))
        write_summary(settings.out / SUMMARY, results)
        write_contact_sheet(settings.out, results, settings.formats)
    finally:
        path.unlink(missing_ok=True)
    report.end(results.totals, settings.out, stopped)
    return STOPPED if stopped else 1 if results.totals.failed else 0


def _settings(options: argparse.Namespace, default: DecodeParams) -> Settings:
    """The bundle's parameters, with those named on the command line in their place, and everything else."""
    given = {
        field.name: value for field in fields(DecodeParams) if (value := getattr(options, field.name, None)) is not None
    }
    return Settings(
        out=options.out,
        params=replace(default, **given),
        formats=parse_formats(options.format),
        channel=options.channel,
        page=options.page,
        projection=options.projection,
        accurate=options.accurate,
        magnification=options.magnification,
        engine=options.engine,
        full=options.full,
        resume=options.resume,
    )


def _place(segmenter: Segmenter, jobs: int) -> str:
    device = str(segmenter.device)
    if device != "cpu":
        return device if jobs == 1 else f"{device}, {jobs} processes"
    threads = (given_threads() or cores()) if jobs == 1 else max(cores() // jobs, 1)
    each = f"{threads} thread{'s' * (threads > 1)}"
    device = f"cpu ({segmenter.engine})"
    return f"{device}, {each}" if jobs == 1 else f"{device}, {jobs} processes of {each}"


class _Report:
    """What people see: a line for each file and each page, a progress bar, and the totals."""

    def __init__(self, files: int, quiet: bool) -> None:
        self._files, self._quiet, self._start = files, quiet, time.perf_counter()
        self._nuclei = self._failed = 0
        # "None": no bar where nobody looks, such as in the log of a cluster's job
        self._bar = tqdm(total=files, unit="file", dynamic_ncols=True, disable=True if quiet or files == 1 else None)

    def begin(self, model: str, notes: list[str]) -> None:
        self._say(f"{count_of(self._files, 'file')}; {model}")
        for note in notes:
            self._say(f"note: {note}")

    def add(self, outcome: Outcome) -> None:
        self._nuclei += sum(page.nuclei for page in outcome.pages)
        self._failed += bool(outcome.error)
        for line in lines_of(outcome):
            self._say(line)
        if outcome.error:
            tqdm.write(f"error: {outcome.error}", file=sys.stderr)
        self._bar.set_postfix_str(f"{self._nuclei:,} nuclei, {self._failed:,} failed", refresh=False)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()

    def end(self, totals: Totals, out: Path, stopped: bool) -> None:
        print(told(totals, time.perf_counter() - self._start, out), flush=True)
        if stopped:
            left = totals.files - totals.finished - totals.failed
            print(
                f"Stopped, {count_of(left, 'file')} not done; the same command with --resume goes on.", file=sys.stderr
            )

    def _say(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(line)


def told(totals: Totals, seconds: float, out: Path) -> str:
    """What a batch ends with, in one line."""
    done = totals.finished - totals.skipped
    parts = [f"{count_of(totals.nuclei, 'nucleus')} in {count_of(totals.pictures, 'picture')}"]
    parts.append(f"{count_of(done, 'file')} done in {seconds:,.1f} s ({done / max(seconds, 1e-9):,.2f} a second)")
    parts += [f"{totals.skipped:,} done before"] * (totals.skipped > 0)
    parts += [f"{totals.failed:,} failed"] * (totals.failed > 0)
    return f"{'; '.join(parts)}. See {out / SUMMARY} and {out / INDEX}"


def lines_of(outcome: Outcome) -> Iterator[str]:
    """What was understood of a file, and what was found in each of its pages."""
    if outcome.skipped:
        yield f"{outcome.stem}: done before"
        return
    pages = outcome.pages
    if len(pages) == 1:
        yield f"{pages[0].image}: {_found(pages[0])}; {outcome.understood}"
    elif outcome.understood:
        yield f"{outcome.stem}: {outcome.understood}"
    for note in outcome.notes:
        yield f"    note: {note}"
    if len(pages) > 1:
        for page in pages:
            yield f"    {page.image}: {_found(page)}"


def _found(page: Page) -> str:
    return f"{count_of(page.nuclei, 'nucleus')} in {page.seconds:.2f} s"
