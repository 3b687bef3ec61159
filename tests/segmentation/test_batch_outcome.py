"""Journals of a batch, and the table over all of it."""

from pathlib import Path

import pandas as pd

from segmentation.batch_outcome import Journal, Outcome, Page, Results, write_summary


def page(image: str, notes: str = "") -> Page:
    return Page(image, 3, 10, 20, None, 1.5, None, 4.0, 0.1, notes)


def test_cells_that_a_spreadsheet_would_calculate_are_text(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for index, name in enumerate(('=HYPERLINK("http://x")', "+1", "-2", "@SUM(A1)", "\tx", "plain", "µ")):
        error = f"{name}: damaged,\nbadly" if index % 2 else ""
        journal.add(Outcome(index, name, f"p{index}", () if error else (page(f"p{index}"),), error))
    journal.close()
    path = write_summary(tmp_path / "summary.csv", Results([tmp_path / "journal"], 7))
    table = pd.read_csv(path)
    assert table["file"].tolist() == ['\'=HYPERLINK("http://x")', "'+1", "'-2", "'@SUM(A1)", "'\tx", "plain", "µ"]
    assert table["error"].tolist()[1] == "'+1: damaged, badly"
    assert table["median_area_px"].dropna().tolist() == [4.0] * 4
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # for the µ


def test_journals_are_read_in_the_order_of_the_tasks_and_half_a_line_is_none(tmp_path: Path) -> None:
    for rank in range(2):
        journal = Journal(tmp_path / f"{rank}")
        for index in range(rank, 5, 2):
            journal.add(Outcome(index, f"f{index}", f"s{index}", (page(f"s{index}"),) * 2, skipped=index == 4))
        journal.close()
    whole = (tmp_path / "1").read_bytes()
    (tmp_path / "1").write_bytes(whole[:-30])
    results = Results([tmp_path / "0", tmp_path / "1"], 5)
    assert [outcome.index for outcome in results] == [0, 1, 2, 4]
    assert [outcome.index for outcome in results] == [0, 1, 2, 4]
    totals = results.totals
    assert (totals.files, totals.finished, totals.skipped, totals.pictures, totals.nuclei) == (5, 4, 1, 8, 24)
