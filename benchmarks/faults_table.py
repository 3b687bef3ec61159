"""What a study of faults found, as a row of its table."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One study.

    Attributes:
        what: is broken, and how.
        unit: what ``ended`` counts.
        cases: times that it was broken.
        ended: how often what was broken came to its end after all.
        faults: promises that were not kept, each in a few words.
        note: more to know; empty for nothing.
    """

    what: str
    unit: str
    cases: int = 0
    ended: int = 0
    faults: list[str] = field(default_factory=list)
    note: str = ""

    def check(self, fault: str) -> None:
        """Note a promise that was not kept; nothing if ``fault`` is empty."""
        if fault:
            self.faults.append(fault)


def table(rows: list[Row]) -> str:
    """Rows as a table in Markdown."""
    lines = ["| what | faults made | came to its end | promises broken | |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        said = "; ".join([row.note] * bool(row.note) + row.faults[:3])
        lines.append(f"| {row.what} | {row.cases:,} | {row.ended:,} {row.unit} | {len(row.faults):,} | {said} |")
    return "\n".join(lines)
