"""Cases by name: a name says all that is needed to make the case again, alone."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.fuzz.bombs import PICTURE_BOMBS, zip_bomb
from tests.fuzz.bundles import BUNDLES
from tests.fuzz.byte_mutations import BYTES
from tests.fuzz.format_mutations import FORMATS
from tests.fuzz.payloads import ENDPOINTS
from tests.fuzz.seeds import KINDS, LABEL_FILES, case_bytes, cases, suffix
from tests.fuzz.zips import ZIPS, make_zip
from tests.segmentation.corpus_tools import Case as CorpusCase

# How often each kind of case comes up, of all of them together.
SHARES = {"tiff": 8, "dicom": 5, "png": 5, "ome": 3, "imagej": 2, "npy": 3, "jpeg": 2, "gif": 2, "bmp": 1}
SHARES |= {"truth": 3, "zip": 3, "bomb": 1, "bundle": 2, "api": 3, "corrections": 2}


@dataclass(frozen=True)
class FuzzCase:
    """One case.

    Attributes:
        seed: of the run.
        kind: a format, or "truth", "zip", "bomb", "bundle", "api" or "corrections".
        mutation: what is wrong with it.
        number: tells apart cases of the same kind and mutation.
    """

    seed: int
    kind: str
    mutation: str
    number: int

    @property
    def name(self) -> str:
        """``seed-kind-mutation-number``."""
        return f"{self.seed}-{self.kind}-{self.mutation}-{self.number}"

    @classmethod
    def of(cls, name: str) -> "FuzzCase":
        """The case of a name; raises ValueError for what is none."""
        seed, kind, mutation, number = name.split("-")
        if mutation not in mutations(kind):
            raise ValueError(f"{name}: of {kind!r} there are the mutations {', '.join(mutations(kind))}")
        return cls(int(seed), kind, mutation, int(number))

    def random(self) -> np.random.Generator:
        """Where all chance of this case comes from."""
        return np.random.default_rng(int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big"))


def mutations(kind: str) -> tuple[str, ...]:
    """What can be wrong with cases of a kind; a format's own mutations come up as often as all others."""
    if kind in KINDS:
        own = tuple(FORMATS[kind])
        return ("none", "splice", *BYTES, *own * max(len(BYTES) // max(len(own), 1), 1))
    if kind == "truth":
        return ("none", "splice", *BYTES, "others")
    others = {
        "zip": ("bomb", *ZIPS),
        "bomb": tuple(PICTURE_BOMBS),
        "bundle": BUNDLES,
        "api": ENDPOINTS,
        "corrections": ("list",),
    }
    if kind not in others:
        raise ValueError(f"{kind!r}: there are {', '.join(SHARES)}")
    return others[kind]


def generate(count: int, seed: int, kinds: list[str] | None = None) -> Iterator[FuzzCase]:
    """The first ``count`` cases of a seed; the first of more are the same."""
    chosen = {kind: share for kind, share in SHARES.items() if kinds is None or kind in kinds}
    rng = np.random.default_rng(seed)
    weights = np.array(list(chosen.values())) / sum(chosen.values())
    for number in range(count):
        kind = list(chosen)[rng.choice(len(chosen), p=weights)]
        possible = mutations(kind)
        yield FuzzCase(seed, kind, possible[rng.integers(len(possible))], number)


def make_file(case: FuzzCase) -> tuple[str, bytes, CorpusCase | None]:
    """Suffix and bytes of a case that is one file; and the whole file that it is, if nothing was done to it."""
    rng = case.random()
    if case.kind == "bomb":
        return *PICTURE_BOMBS[case.mutation](rng), None
    if case.kind == "zip":
        return (
            (".zip", zip_bomb(rng)[1], None)
            if case.mutation == "bomb"
            else (".zip", make_zip(rng, case.mutation), None)
        )
    whole: CorpusCase | None = None
    if case.kind == "truth":
        ending, make = LABEL_FILES[rng.integers(len(LABEL_FILES))]
        data = make()
        if case.mutation == "others":
            return ending, _any_picture(rng), None
    else:
        found = cases(case.kind)
        whole = found[rng.integers(len(found))]
        ending, data = suffix(case.kind), case_bytes(whole)
    if case.mutation == "none":
        return ending, data, whole
    if case.mutation == "splice":
        return ending, splice(data, _any_picture(rng), rng), None
    mutate = BYTES.get(case.mutation) or FORMATS[case.kind][case.mutation]
    data = mutate(data, rng)
    if rng.integers(4) == 0:  # two wrongs
        data = list(BYTES.values())[rng.integers(len(BYTES))](data or b"\0", rng)
    return ending, data, None


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    first = int(rng.integers(4, min(len(data), 600)))
    buffer = io.BytesIO()
    buffer.write(data[:first])
    buffer.write(other[int(rng.integers(0, min(len(other), 600))) :] if rng.integers(2) else other[first:])
    return buffer.getvalue()


def _any_picture(rng: np.random.Generator) -> bytes:
    kinds = list(KINDS)
    found = cases(kinds[rng.integers(len(kinds))])
    return case_bytes(found[rng.integers(len(found))])
