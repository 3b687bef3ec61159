"""Five hundred wrong files and payloads with a fixed seed; and faults that are planted are found."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.__main__ import main, summary
from tests.fuzz.cases import SHARES, FuzzCase, generate, make_file
from tests.fuzz.faults import EXPECTED
from tests.fuzz.runner import run_cases

CASES, SEED = 500, 2026


def test_500_cases_of_a_fixed_seed() -> None:
    results = list(run_cases(case.name for case in generate(CASES, SEED)))
    assert len(results) == CASES
    bugs = [f"{result.case}: {result.outcome} {result.error}\n{result.trace}" for result in results if result.is_bug]
    assert not bugs, "\n\n".join(bugs)
    outcomes = Counter(result.outcome for result in results)
    assert outcomes["right"] > CASES // 8, "the mutations break everything, so nothing behind the headers is tried"
    assert outcomes["refused"] > CASES // 4
    assert {result.case.split("-")[1] for result in results} == set(SHARES)


def test_planted_faults_are_found() -> None:
    results = {result.case: result for result in run_cases(EXPECTED, workers=2, seconds=1, memory=2**30, patience=15)}
    assert {name: result.outcome for name, result in results.items()} == EXPECTED
    assert all(result.is_bug for result in results.values())
    assert results["fault-raise"].error == "ValueError: a decoder's own words"
    assert "_raise" in results["fault-raise"].trace
    assert results["fault-hidden"].error.startswith("ImageReadError")


def test_a_name_makes_the_same_case_again() -> None:
    names = [case.name for case in generate(200, 7)]
    assert names == [case.name for case in generate(300, 7)][:200]
    assert names != [case.name for case in generate(200, 8)]
    files = [case for case in map(FuzzCase.of, names) if case.kind not in ("bundle", "api", "corrections", "bomb")]
    digests = [[hashlib.sha256(make_file(case)[1]).hexdigest() for case in files] for _ in range(2)]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) > 0.9 * len(files)
    with pytest.raises(ValueError, match="of 'png' there are the mutations none, splice"):
        FuzzCase.of("1-png-nonsense-1")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--case", "1-png-none-1", "--out", str(tmp_path)]) == 0
    assert "1-png-none-1: right" in capsys.readouterr().out
    assert main(["--cases", "5", "--kinds", "corrections", "--out", str(tmp_path)]) == 0
    assert "| corrections |" in capsys.readouterr().out
    bug = next(run_cases(["fault-raise"]))
    assert "| 1 |" in summary([bug], 1, 0.1)
