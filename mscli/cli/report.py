"""What a capturing command says at its end: the contract's JSON report, or a line for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.exitcodes import ExitCode
from mscli.cli.printable import json_text
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import Counts, span_s

if TYPE_CHECKING:
    from mscli.cli.say import Voice

NOTED_SILENCE_S = 0.1  # that was filled in: less is told in JSON only
_MOST_NAMED = 3  # files in the line for people
REASON_CODES = {"ended": ExitCode.SOURCE_ENDED}  # all other reasons: done


class Report(NamedTuple):
    """What was captured and why it ended."""

    files: list[str]
    reason: str
    tracks: list[MediaStreamTrack]
    counts: list[Counts]
    size: int = 0  # bytes of the output

    @property
    def duration_s(self) -> float:
        """From the earliest first frame to the latest last one, without the time that triggered files leave out."""
        return span_s(self.counts)

    @property
    def losses(self) -> int:
        """Frames and samples dropped by us or lost before us."""
        return sum(count.dropped + count.lost for count in self.counts)

    @property
    def whole(self) -> bool:
        """Whether all that there was to capture is in the output, and nothing black or silent stands for it."""
        return not self.losses and not any(count.blank for count in self.counts)

    def to_json(self) -> dict[str, Any]:
        """The contract's report."""
        tracks = [_track(track, count) for track, count in zip(self.tracks, self.counts, strict=True)]
        offset = self._av_offset()
        report = {"files": self.files, "duration": round(self.duration_s, 6), "reason": self.reason, "tracks": tracks}
        return report | ({"avOffset": offset} if offset is not None else {})

    def _av_offset(self) -> float | None:
        """By how many seconds the picture begins after the sound."""
        first = {track.kind: count.first_us for track, count in zip(self.tracks, self.counts, strict=True)}
        video, audio = first.get("video"), first.get("audio")
        return None if video is None or audio is None else (video - audio) / MICROSECONDS

    def line(self, unnamed: str) -> str:
        """The report for people; ``unnamed``: what an output without a name is."""
        if not (self.files or unnamed):
            return f"nothing was recorded ({self.reason})"
        name = _named(self.files) or unnamed
        losses = f", {self.losses} lost or dropped" if self.losses else ""
        parts = [f"{self.duration_s:.2f} s", *map(_counted, self.tracks, self.counts), size_text(self.size)]
        return f"{name}: {', '.join(parts)}{losses} ({self.reason})"


def _named(files: list[str]) -> str:
    if len(files) > _MOST_NAMED:
        return f"{files[0]} … {files[-1]} ({len(files)} files)"
    return ", ".join(files)


def _track(track: MediaStreamTrack, count: Counts) -> dict[str, Any]:
    told = {"frames": count.frames, "dropped": count.dropped, "lost": count.lost, "duplicated": count.duplicated}
    told["blank"] = count.blank
    more = {"frameRate": measured_rate(count)} if track.kind == "video" else _corrections(count)
    return {"kind": track.kind, "label": track.label, "settings": track.settings, **told, "bytes": count.bytes, **more}


def _corrections(count: Counts) -> dict[str, int]:
    """What was done to sound."""
    drift = {} if count.drift_ppm is None else {"driftPpm": count.drift_ppm}
    return {"silence": count.silence, "skipped": count.skipped, **drift}


def measured_rate(count: Counts) -> float | None:
    """Frames per second that were really captured, of what was to be in a file; None for fewer than two."""
    seconds = span_s([count])
    return round(count.frames / seconds, 3) if count.frames > 1 and seconds else None


def _counted(track: MediaStreamTrack, count: Counts) -> str:
    if track.kind == "audio":
        samples = count.frames - count.blank, count.silence + count.blank
        heard_s, silent_s = (n / float(track.settings.get("sampleRate", 1)) for n in samples)
        return f"{heard_s:.2f} s of sound" + (f" and {silent_s:.2f} s of silence" if silent_s >= NOTED_SILENCE_S else "")
    rate = measured_rate(count)
    seen = count.frames - count.blank
    black = f" and {count.blank} black" if count.blank else ""
    return f"{seen} frame{'s' if seen != 1 else ''}{black}" + (f" at {rate:.4g}/s" if rate else "")


def size_text(size: int) -> str:
    """Bytes as people say them."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.4g} {unit}"
        amount /= 1000
    return f"{amount:.4g} GB"


def finish(report: Report, voice: Voice, *, as_json: bool, strict: bool, to_stderr: bool) -> ExitCode:
    """Print the report and give the command's exit code."""
    if as_json:
        out = sys.stderr if to_stderr else sys.stdout
        print(json_text(report.to_json(), out), file=out, flush=True)  # while a reader that sleeps can still be given up
    else:
        voice.info(report.line("stdout" if to_stderr else ""))
    if strict and not report.whole:
        return ExitCode.LOSS
    return REASON_CODES.get(report.reason, ExitCode.DONE)
