"""Files of strangers, read in another process: the same answers, and whatever goes wrong there stays there."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import isolated_reading_process
from segmentation.errors import ImageReadError, ImageShapeError, NucleoscopeError, ParameterError
from segmentation.image_info import describe
from segmentation.image_io import read_images
from segmentation.isolated_reading import IsolatedReader
from segmentation.isolated_reading_watch import resident
from segmentation.limits import Limits
from segmentation.picture_sources import expand
from segmentation.truth_io import read_labels, read_truth
from tests.segmentation.corpus import CASES

FAULTY = [sys.executable, str(Path(__file__).with_name("faulty_reader.py"))]
MEMORY = 400 * 2**20
SMALL = replace(Limits(), read_seconds=50, read_memory=MEMORY)
QUICK = replace(SMALL, read_seconds=2)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    with closing(IsolatedReader()) as reader:
        yield reader


@pytest.fixture
def faulty() -> Iterator[IsolatedReader]:
    with closing(IsolatedReader(SMALL, FAULTY)) as reader:
        yield reader


def picture(folder: Path, name: str, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 250, (40, 56, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / name, "PNG")
    return folder / name


def ends(pid: int, within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_every_file_of_the_corpus_reads_as_in_this_process(reader: IsolatedReader, tmp_path: Path) -> None:
    for case in CASES:
        path = tmp_path / case.name
        path.write_bytes(case.data())
        here: list[object] = []
        there: list[object] = []
        for found, read, tell in ((here, read_images, describe), (there, reader.images, reader.describe)):
            try:
                found += list(read(path, channel=case.channel))  # type: ignore[operator]
            except NucleoscopeError as error:
                found.append((type(error), " ".join(str(error).split())))
            try:
                found.append(tell(path))  # type: ignore[operator]
            except NucleoscopeError as error:
                found.append((type(error), " ".join(str(error).split())))
        assert len(here) == len(there), case.name
        for mine, theirs in zip(here, there, strict=True):
            if hasattr(mine, "pixels"):
                np.testing.assert_array_equal(mine.pixels, theirs.pixels)  # type: ignore[attr-defined]
                assert mine.pixels.dtype == theirs.pixels.dtype, case.name  # type: ignore[attr-defined]
                none = np.empty((1, 1, 1))
                assert vars(mine) | {"pixels": none} == vars(theirs) | {"pixels": none}, case.name
            else:
                assert mine == theirs, case.name
    assert len(reader.pids) == 1


def test_pages_come_one_at_a_time_and_their_file_holds_nobody_up(reader: IsolatedReader, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "stack.tif", np.arange(9 * 12, dtype=np.uint8).reshape(3, 4, 9), photometric="minisblack"
    )
    other = picture(tmp_path, "other.png")
    open_stacks = [reader.images(tmp_path / "stack.tif") for _ in range(3)]  # more than read at a time
    assert [next(stack).name for stack in open_stacks] == ["stack_page1"] * 3
    assert reader.image(other).shape == (40, 56)
    assert [[page.name for page in stack] for stack in open_stacks] == [["stack_page2", "stack_page3"]] * 3
    assert len(reader.pids) == Limits().readers  # the others ended
    with closing(reader.images(tmp_path / "stack.tif")) as pages:
        next(pages)
    assert next(reader.images(tmp_path / "stack.tif", projection="max")).pixels[0, 0, 0] == 72
    with pytest.raises(ParameterError, match="projection='median'"):
        next(reader.images(other, projection="median"))  # type: ignore[arg-type]
    with pytest.raises(ImageShapeError, match=r"^stack\.tif: the file holds several pages"):
        reader.image(tmp_path / "stack.tif")


def test_labels_and_truth(reader: IsolatedReader, tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:6, 3:9], labels[10:15, 20:29] = 700, 3
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="miniswhite")
    np.testing.assert_array_equal(reader.labels(tmp_path / "labels.tif"), labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), labels)
    here, there = read_truth([tmp_path / "labels.tif"], (20, 30)), reader.truth([tmp_path / "labels.tif"], (20, 30))
    np.testing.assert_array_equal(here.labels, there.labels)
    assert (here.notes, there.labels.dtype) == (there.notes, np.int32)
    tifffile.imwrite(tmp_path / "half.tif", labels / 2 + 0.5)
    with pytest.raises(ImageShapeError, match=r"^half\.tif: numbers of type float64, from 0.5 to 350.5"):
        reader.labels(tmp_path / "half.tif")
    with pytest.raises(ParameterError, match="0 files"):
        reader.truth([], (20, 30))


def test_zips(reader: IsolatedReader, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.write(picture(tmp_path, "a.png"), "in/a.png")
        archive.writestr("notes.txt", "x")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "many.zip").read_bytes()[:-30])
    given = [tmp_path / "a.png", tmp_path / "many.zip"]
    here, there = expand(given, tmp_path / "here"), reader.expand(given, tmp_path / "there")
    assert [name for name, _ in here] == [name for name, _ in there] == ["a.png", "many/in/a.png"]
    assert here.notes == there.notes != []
    assert there[1][1].read_bytes() == (tmp_path / "a.png").read_bytes()
    with pytest.raises(ImageReadError, match=r"^cut\.zip: the zip cannot be unpacked"):
        reader.expand([tmp_path / "cut.zip"], tmp_path / "nothing")
    assert not list((tmp_path / "nothing").iterdir())


SENTENCES = {
    "abort": r"^abort\.png: the file crashed its reader \(ended by SIGABRT\), .*; export it again from its source\.$",
    "segfault": r"^segfault\.png: the file crashed its reader \(ended by SIGSEGV\)",
    "sleep": r"^sleep\.png: reading it took longer than 2 seconds, the limit here, and was stopped; crop it,",
    "hang": r"^hang\.png: reading it took longer than 2 seconds",
    "grow": r"^grow\.png: reading it took more than 0\.391 GiB of memory, the limit here, and was stopped; crop it,",
    "all": r"^all\.png: reading it took more than 0\.391 GiB of memory",
    "fault": r"^fault\.png: an unexpected fault \(ZeroDivisionError: a fault of ours in two lines\); please report",
    "nonsense": r"^nonsense\.png: the file confused its reader; export it again from its source\.$",
    "endless": r"^endless\.png: the file confused its reader",
    "lie": r"^lie\.png: the file crashed its reader \(ended with code 3\)",
}


@pytest.mark.parametrize("fault", SENTENCES)
@linux
def test_a_fault_ends_one_process_and_no_more(tmp_path: Path, fault: str) -> None:
    good, bad = picture(tmp_path, "good.png"), picture(tmp_path, f"{fault}.png")
    allowed = QUICK if fault in ("sleep", "hang") else SMALL
    with closing(IsolatedReader(allowed, FAULTY)) as faulty:
        with closing(faulty.images(good)) as pages:
            neighbour = next(pages)
            with pytest.raises(ImageReadError, match=SENTENCES[fault]) as caught:
                faulty.image(bad)
            assert "\n" not in str(caught.value)
            assert next(pages, None) is None
        before = faulty.pids
        np.testing.assert_array_equal(faulty.image(good).pixels, neighbour.pixels)
        assert faulty.pids == before  # the one that ended had been replaced already


@linux
def test_what_libraries_print_is_no_answer(faulty: IsolatedReader, tmp_path: Path) -> None:
    assert faulty.image(picture(tmp_path, "print.png")).shape == (40, 56)


@linux
def test_others_are_read_while_a_file_hangs(faulty: IsolatedReader, tmp_path: Path) -> None:
    good, bad = picture(tmp_path, "good.png"), picture(tmp_path, "sleep.png")
    faulty.image(good)

    def hang() -> None:
        with pytest.raises(ImageReadError):
            faulty.image(bad)

    hanging = threading.Thread(target=hang)
    hanging.start()
    time.sleep(0.2)
    faulty.image(good)
    assert hanging.is_alive()
    faulty.close()
    hanging.join(5)
    assert not hanging.is_alive()


@linux
def test_a_process_that_the_system_ended_is_replaced(reader: IsolatedReader, tmp_path: Path) -> None:
    good = picture(tmp_path, "good.png")
    reader.image(good)
    for pid in reader.pids:
        os.kill(pid, signal.SIGKILL)
    reader.image(good)


def test_a_process_that_never_starts_is_told(tmp_path: Path) -> None:
    with (
        closing(IsolatedReader(QUICK, [sys.executable, "-c", "raise SystemExit(7)"])) as reader,
        pytest.raises(
            ImageReadError, match=r"^a\.png: the process that reads files could not start \(ended with code 7"
        ),
    ):
        reader.image(picture(tmp_path, "a.png"))


@linux
def test_an_idle_process_holds_little(reader: IsolatedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = np.zeros((5000, 8000, 3), np.uint8)
    tifffile.imwrite(tmp_path / "big.tif", big, photometric="rgb")
    reader.image(tmp_path / "big.tif")
    before = reader.pids
    assert reader.image(tmp_path / "big.tif").pixels.nbytes == big.nbytes
    assert reader.pids == before
    monkeypatch.setattr(isolated_reading_process, "KEPT_MEMORY", 2**20)
    reader.image(tmp_path / "big.tif")
    (pid,) = set(reader.pids) - set(before)
    assert resident(pid) < 120 * 2**20
    assert len(reader.pids) == len(before)


@linux
@pytest.mark.parametrize("busy", ["idle", "sleep"])
def test_no_process_outlives_a_server_that_is_killed(tmp_path: Path, busy: str, project_root: Path) -> None:
    bad, good = picture(tmp_path, "sleep.png"), picture(tmp_path, "good.png")
    code = (
        "import threading, time\n"
        "from segmentation.isolated_reading import IsolatedReader\n"
        f"reader = IsolatedReader(None, {FAULTY!r})\n"
        f"reader.image({str(good)!r})\n"
        f"threading.Thread(target=reader.image, args=[{str(bad if busy == 'sleep' else good)!r}]).start()\n"
        "time.sleep(0.3)\nprint(*reader.pids, flush=True)\ntime.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code], cwd=project_root, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    (pid,) = map(int, server.stdout.readline().split())
    assert not ends(pid, 0.2)
    server.kill()
    assert ends(pid)
    server.wait()
    server.stdout.close()


@linux
def test_the_process_knows_no_secrets_and_loads_no_network(reader: IsolatedReader, tmp_path: Path) -> None:
    os.environ["HF_TOKEN"] = "hf_secret"
    try:
        with closing(IsolatedReader()) as fresh:
            fresh.image(picture(tmp_path, "a.png"))
            (pid,) = fresh.pids
            assert b"hf_secret" not in Path(f"/proc/{pid}/environ").read_bytes()
            mapped = Path(f"/proc/{pid}/maps").read_text()
            assert not any(name in mapped for name in ("libtorch", "openvino", "onnxruntime"))
            assert resident(pid) < 120 * 2**20
    finally:
        del os.environ["HF_TOKEN"]


@linux
def test_closing_ends_all(tmp_path: Path) -> None:
    reader = IsolatedReader()
    reader.warm()
    reader.warm()
    assert len(reader.pids) == 1
    (pid,) = reader.pids
    reader.close()
    assert ends(pid)
    gc.collect()


def test_a_picture_more_takes_little_longer(reader: IsolatedReader, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (1024, 1024)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels)

    def took(read: object) -> float:
        times = []
        for _ in range(9):
            start = time.perf_counter()
            list(read(tmp_path / "a.tif"))  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times)

    assert took(reader.images) - took(read_images) < 0.030
