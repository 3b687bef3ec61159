"""Every way a server can fail must end in the same bytes, or in an error that says what to do."""

import numpy as np
import pytest

from data_modules.download import download
from segmentation.errors import DataError

CONTENT = np.random.default_rng(0).bytes(100_000)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "archive.zip"


def part_of(target):
    return target.with_name("archive.zip.part")


def test_plain_download_leaves_no_part(serve, target):
    site = serve(CONTENT)
    assert download(site.url, target) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()
    assert site.ranges == [None]


def test_file_already_there_is_kept(serve, target):
    site = serve(CONTENT)
    target.parent.mkdir()
    target.write_bytes(b"mine")
    download(site.url, target)
    assert target.read_bytes() == b"mine"
    assert site.ranges == []


def test_cut_connections_are_resumed_where_they_stopped(serve, answer, target):
    site = serve(CONTENT, answer(send=30_000), answer(send=1), answer(send=0), answer())
    download(site.url, target, wait_s=0.01)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=30000-", "bytes=30001-", "bytes=30001-"]


def test_more_cuts_than_tries_are_fine_while_bytes_arrive(serve, answer, target):
    site = serve(CONTENT, *[answer(send=10_000)] * 9, answer())
    download(site.url, target, tries=2, wait_s=0.01)
    assert target.read_bytes() == CONTENT
    assert len(site.ranges) == 10


def test_server_that_ignores_ranges_sends_all_of_it_again(serve, answer, target):
    site = serve(CONTENT, answer(send=70_000), answer(ranges=False))
    download(site.url, target, wait_s=0.01)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=70000-"]


@pytest.mark.parametrize("bad", [{"status": 500}, {"status": 429}, {"garbage": True}, {"chunked": True, "send": 5_000}])
def test_passing_failures_are_tried_again(serve, answer, target, bad):
    site = serve(CONTENT, answer(**bad), answer())
    download(site.url, target, wait_s=0.01)
    assert target.read_bytes() == CONTENT
    assert len(site.ranges) == 2


def test_what_came_before_a_stall_is_kept(serve, answer, target):
    site = serve(CONTENT, answer(send=5_000, stall_s=0.6), answer())
    download(site.url, target, wait_s=0.01, timeout_s=0.2)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=5000-"]


def test_refusal_is_told_at_once(serve, answer, target):
    site = serve(CONTENT, answer(status=404))
    with pytest.raises(DataError, match=r"answered 404 Not Found; download the archive by hand.*root") as caught:
        download(site.url, target, wait_s=0.01)
    assert site.url in str(caught.value)
    assert len(site.ranges) == 1
    assert not target.exists()


def test_giving_up_keeps_the_part_for_the_next_run(serve, answer, target):
    failing = serve(CONTENT, answer(send=40_000), answer(status=503))
    with pytest.raises(DataError, match=r"503.*Run the same command again") as caught:
        download(failing.url, target, tries=3, wait_s=0.01)
    assert failing.url in str(caught.value)
    assert len(failing.ranges) == 4
    assert part_of(target).read_bytes() == CONTENT[:40_000]
    assert not target.exists()

    mended = serve(CONTENT)
    download(mended.url, target)
    assert mended.ranges == ["bytes=40000-"]
    assert target.read_bytes() == CONTENT


def test_unreachable_server(target):
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x: could not be downloaded"):
        download("http://127.0.0.1:9/x", target, tries=2, wait_s=0.01)


def test_part_longer_than_the_file_is_thrown_away(serve, target):
    target.parent.mkdir()
    part_of(target).write_bytes(b"x" * 200_000)
    site = serve(CONTENT)
    download(site.url, target, wait_s=0.01)
    assert target.read_bytes() == CONTENT
    assert site.ranges == ["bytes=200000-", None]


def test_wrong_length_ends_in_an_error_not_in_an_endless_loop(serve, answer, target):
    site = serve(CONTENT, answer(claim=10))
    with pytest.raises(DataError, match="answered 416"):
        download(site.url, target, wait_s=0.01)
    assert site.ranges == [None, "bytes=100000-", None, "bytes=100000-"]
    assert not target.exists()
