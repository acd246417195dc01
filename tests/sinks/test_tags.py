"""What players, editors and catalogues read in a file before they show it: colours, the kinds of pixels and codecs, titles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from mscli.core.frames import VideoColorSpace
from mscli.encode.options import TAGS
from mscli.sinks import SINKS, SinkRow
from tests.cli.program import FakeMachine, error_line
from tests.sinks.synth import CONTAINER_ROWS, T0, feed_and_close, frames_for, opened, picture

COLOURS = {  # matrix → the numbers of matrix, primaries and transfer: ISO/IEC 23091-2
    "smpte170m": (6, 1, 1),
    "bt709": (1, 1, 1),
    "bt2020-ncl": (9, 9, 14),
    "smpte240m": (7, 7, 7),
}
LIMITED = 1
CODECS = [("mp4", "h264"), ("mp4", "hevc"), ("mp4", "av1"), ("mp4", "vp9"), ("mov", "h264"), ("mov", "hevc"),
          ("mkv", "h264"), ("mkv", "hevc"), ("mkv", "av1"), ("mkv", "vp9"), ("webm", "vp9"), ("webm", "av1")]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_a_file_says_the_colours_of_its_pictures(suffix: str, codec: str, tmp_path: Path) -> None:
    for matrix, numbers in COLOURS.items():
        path = tmp_path / f"{matrix}.{suffix}"
        sink = opened(SINKS[suffix], str(path), ["video"], video_codec=codec)
        frame = replace(picture(at_us=T0), color_space=VideoColorSpace(matrix))
        feed_and_close(sink, [(0, frame)])
        with av.open(str(path), "r") as file:
            said = file.streams.video[0].codec_context
            assert (said.colorspace, said.color_primaries, said.color_trc) == numbers, matrix
            assert said.color_range == LIMITED


@pytest.mark.parametrize("name", ["I420", "YUYV", "I444", "BGRX", "GREY"])
@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "h264"), ("mov", "hevc"), ("webm", "vp9"), ("mkv", "av1")])
def test_pictures_of_every_format_become_those_that_every_player_shows(
    suffix: str, codec: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    feed_and_close(opened(SINKS[suffix], str(path), ["video"], video_codec=codec), [(0, picture(name))])
    with av.open(str(path), "r") as file:
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_hevc_is_called_as_apples_players_want_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    feed_and_close(opened(SINKS[suffix], str(path), ["video"], video_codec="hevc"), [(0, picture())])
    with av.open(str(path), "r") as file:
        assert file.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("row", CONTAINER_ROWS, ids=lambda row: row.suffix)
def test_every_container_keeps_every_tag(row: SinkRow, metadata: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.{row.suffix}"
    tags = {key: f"{key} “ä”" for key in TAGS}
    feed_and_close(opened(row, str(path), tags=tags, metadata=metadata), frames_for(row, 3))
    with av.open(str(path), "r") as file:
        told = [file.metadata, *(stream.metadata for stream in file.streams)]
        kept = {key.lower(): value for one in reversed(told) for key, value in one.items()}
    assert {key: kept.get(key) for key in TAGS} == tags


def test_title_and_artist_have_options_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    machine = FakeMachine(tmp_path / "out")
    files = [machine.folder / name for name in ("a.flac", "a.wav", "a.m4a")]
    machine("record", "--no-video", "-t", "0.2", "--title", "Tür", "--artist", "Wir", *files, code=0)
    for path in files:
        with av.open(str(path), "r") as file:
            found = {name.lower(): text for name, text in file.metadata.items()}
        assert (found["title"], found["artist"]) == ("Tür", "Wir"), path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--title", " "], "--title: the text is empty"),
        (["--artist", "A", "--metadata", "artist=B"], "--artist and --metadata artist=… cannot be combined"),
    ],
)
def test_titles_that_make_no_sense_are_refused(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = FakeMachine(tmp_path / "out")("record", *options, "a.wav", code=2)
    assert message in error_line(done)
