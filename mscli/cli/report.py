"""The final report of a capturing command: the contract's JSON, or a line for people."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.exitcodes import ExitCode, code_of
from mscli.cli.printable import json_text
from mscli.cli.target import STDOUT_NAMES
from mscli.core.addresses import masked, scheme_of
from mscli.core.clock import MICROSECONDS
from mscli.core.controls import shown
from mscli.core.errors import DisplacedError, DOMException
from mscli.core.frames import Counts, span_s
from mscli.core.tuples import NamedTuple
from mscli.sinks import index_place

if TYPE_CHECKING:
    from mscli.api.recording import OutputReport, Recording
    from mscli.cli.say import Voice
    from mscli.cli.session import Session

NOTED_SILENCE_S = 0.1  # shorter silence, or sound that ends this much earlier or later, is reported in JSON only
NOTED_SHARE = 0.01  # the same for sound, relative to the duration
ROUNDED_TO_1000 = 999.5  # from here on, three digits are not enough
SPELT_S = 120  # a longer duration is given in minutes
_UNASKED = {  # reason → why it ended, if nobody asked for that; "triggers": no more of them can come
    "ended": "stopped early, because a source ended",
    "pipe": "stopped, because its reader left",
    "triggers": "stopped at the end of stdin",
    "error": "stopped by an error",
}
_MOST_NAMED = 3  # the most files that the line for people names


class Triggers(NamedTuple):
    """The number of triggers that came, and of those that were missed."""

    counted: int
    missed: int

    def __str__(self) -> str:
        return f"{self.missed} of {self.counted} trigger{'s' if self.counted != 1 else ''} missed"


class Report(NamedTuple):
    """The outcome of a capture: what was captured, and why it ended."""

    files: list[str]
    reason: str
    tracks: list[MediaStreamTrack]
    counts: list[Counts]
    size: int = 0  # bytes of the output
    triggers: Triggers | None = None  # None if the recording did not wait for triggers
    unnamed: str = ""  # the name of an output that is not a file
    warnings: Sequence[str] = ()  # about things that people may not have wanted
    name: str = ""  # the output as it was given
    error: Exception | None = None  # why the output failed while others continued
    one_of_several: bool = False  # whether there are other outputs
    moov: str = ""  # where the index of its MP4 or QuickTime files is
    still: tuple[int, int] | None = None  # the size of the picture, if it is one, or of the last one of a series
    limited: bool = False  # whether a duration or a number of frames was requested
    skipped: Mapping[str, int] = MappingProxyType({})  # frames before a picture was worth keeping, by reason
    removed: int = 0  # how many files of a series were removed, because fewer are kept
    published: Any | None = None  # what has become of a stream to a server
    replaced: bool = False  # whether an output that was added later has replaced the file

    @property
    def duration_s(self) -> float:
        """Return the time from the first to the last frame, without the gaps between triggered files."""
        return span_s(self.counts)

    @property
    def losses(self) -> int:
        """Return the frames and samples that were dropped or lost."""
        return sum(count.dropped + count.lost for count in self.counts)

    @property
    def whole(self) -> bool:
        """Return whether the output has everything, with no filler frames or silence."""
        return not (self.losses or (self.triggers and self.triggers.missed)) and not any(count.blank for count in self.counts)

    @property
    def code(self) -> ExitCode:
        """Return the exit code for the reason. A file may end by itself, unless more of it was requested. A device may not."""
        failed = any(track.ended_error is not None for track in self.tracks)
        at_its_end = any(track.at_its_end for track in self.tracks) and not failed
        return ExitCode.SOURCE_ENDED if self.reason == "ended" and (self.limited or not at_its_end) else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """Return the contract's report."""
        tracks = [_track(track, count) for track, count in zip(self.tracks, self.counts, strict=True)]
        offset = self._av_offset()
        report = {"files": self.files, "duration": round(self.duration_s, 6), "reason": self.reason, "tracks": tracks}
        triggers = {} if self.triggers is None else {"triggers": self.triggers._asdict()}
        warnings = {"warnings": list(self.warnings)} if self.warnings else {}
        skipped = {"skipped": dict(self.skipped)} if self.skipped else {}
        return (
            report
            | self._index
            | self._published
            | triggers
            | ({"avOffset": offset} if offset is not None else {})
            | warnings
            | skipped
        )

    def output_json(self) -> dict[str, Any]:
        """Return the entry of one output out of several."""
        tracks = [_track(track, count) for track, count in zip(self.tracks, self.counts, strict=True)]
        code = self.code if self.error is None else code_of(self.error)
        failure = {"error": error_json(self.error), "exitCode": int(code)}
        of_output = {
            "name": self.name,
            "files": self.files,
            "bytes": self.size,
            "duration": round(self.duration_s, 6),
            **failure,
        }
        return of_output | self._index | self._published | {"tracks": tracks}

    @property
    def _index(self) -> dict[str, str]:
        return {"moov": self.moov} if self.moov else {}

    @property
    def _published(self) -> dict[str, Any]:
        if self.published is None:
            return {}
        known = self.published.to_json()
        return {"publishing": {name: known[name] for name in ("sent", "dropped", "reconnects", "bitRate")}}

    def _av_offset(self) -> float | None:
        """Return how many seconds video begins after sound, for the first track of each kind."""
        pairs = list(zip(self.tracks, self.counts, strict=True))
        first = {track.kind: count.first_us for track, count in reversed(pairs)}
        video, audio = first.get("video"), first.get("audio")
        return None if video is None or audio is None else (video - audio) / MICROSECONDS

    def line(self) -> str:
        """Return the report for people."""
        missed = [str(self.triggers)] if self.triggers is not None and self.triggers.missed else []
        if not (self.files or self.unnamed):
            none = ["no trigger came"] if self.triggers is not None and not self.triggers.counted else []
            if self.replaced:
                return f"{self.name}: replaced by the output of this name that was added later"
            nothing = f"Nothing saved in {self.name}" if self.one_of_several else "Nothing saved"
            return "; ".join([nothing, *self._failure(), *none, *missed])
        verb = "Wrote to" if self.published is None else "Published to"
        name = f"Saved {_named(self.files)}" if self.files else f"{verb} {self.unnamed}"
        name += f" (kept {len(self.files)} of {len(self.files) + self.removed} files)" if self.removed else ""
        if self.still:
            damaged = f", {self.losses} frames lost or dropped" if self.losses and len(self.files) > 1 else ""
            lacks = "".join(f", {one}" for one in missed)
            return f"{name} ({self.still[0]}×{self.still[1]}, {size_text(self.size)}{damaged}{lacks})"
        losses = self._losses() if self.published is None else published_parts(self.published)
        parts = [long_text(self.duration_s), *filter(None, self._counted()), size_text(self.size), *losses, *missed]
        return "; ".join([f"{name}: {', '.join(parts)}", *self._why()])

    def _why(self) -> list[str]:
        """Return why it ended, if nobody asked for that."""
        asked = self.reason not in _UNASKED or (self.reason == "ended" and self.code is ExitCode.DONE)
        reason = "triggers" if self.reason == "pipe" and self.triggers is not None else self.reason
        return self._failure() or ([] if asked else [_UNASKED[reason]])

    def _failure(self) -> list[str]:
        """Return why the output failed, if it did."""
        return [f"{_UNASKED['error']}: {self.error}"] if isinstance(self.error, DOMException) else []

    def _counted(self) -> list[str]:
        """Return what there is of each track, of sound only what differs from the duration."""
        return [
            _frames_text(count) if track.kind == "video" else _sound_text(track, count, self.duration_s)
            for track, count in zip(self.tracks, self.counts, strict=True)
        ]

    def _losses(self) -> list[str]:
        lost, dropped = (sum(getattr(count, name) for count in self.counts) for name in ("lost", "dropped"))
        return [f"{lost} lost"] * bool(lost) + [f"{dropped} dropped"] * bool(dropped)


def error_json(error: Exception | None) -> dict[str, Any] | None:
    """Return an output's error as JSON, or None if there is none or its reader has left."""
    if error is None or isinstance(error, BrokenPipeError):
        return None
    return error.to_json() if isinstance(error, DOMException) else {"name": type(error).__name__, "message": str(error)}


def _named(files: list[str]) -> str:
    if len(files) > _MOST_NAMED:
        return f"{files[0]} … {files[-1]} ({len(files)} files)"
    return ", ".join(files)


def _track(track: MediaStreamTrack, count: Counts) -> dict[str, Any]:
    counts = {"frames": count.frames, "dropped": count.dropped, "lost": count.lost, "duplicated": count.duplicated}
    counts |= {"blank": count.blank, "damaged": count.damaged, "retimed": track.retimed}
    more = {"frameRate": measured_rate(count)} if track.kind == "video" else _corrections(count)
    return {"kind": track.kind, "label": track.label, "settings": shown(track.settings), **counts, "bytes": count.bytes, **more}


def _corrections(count: Counts) -> dict[str, Any]:
    """Return the corrections made to sound, and its levels."""
    drift = {} if count.drift_ppm is None else {"driftPpm": count.drift_ppm}
    levels = {} if count.levels is None else {"levels": count.levels.to_json()}
    return {"silence": count.silence, "skipped": count.skipped, **drift, **levels}


def measured_rate(count: Counts) -> float | None:
    """Return the captured frames per second, without filler frames, or None for fewer than two frames.

    The last frame counts with its whole duration, even if the recording ended before.
    """
    lasted_us = (count.last_us or 0) - (count.first_us or 0) - count.absent_us
    return round(count.frames * MICROSECONDS / lasted_us, 3) if count.frames > 1 and lasted_us > 0 else None


def _frames_text(count: Counts) -> str:
    rate = measured_rate(count)
    seen = count.frames - count.blank
    black = f" and {count.blank} black" if count.blank else ""
    return f"{seen} frame{'s' if seen != 1 else ''}{black}" + (f" at {_rounded(rate)} fps" if rate else "")


def _sound_text(track: MediaStreamTrack, count: Counts, duration_s: float) -> str:
    """Return how much sound there is, or "" if it lasts as long as everything."""
    heard_s, silent_s = (
        samples / float(track.settings.get("sampleRate", 1))
        for samples in (count.frames - count.blank, count.silence + count.blank)
    )
    if silent_s >= NOTED_SILENCE_S:
        return f"{long_text(heard_s)} of sound and {long_text(silent_s)} of silence"
    short_s = abs(duration_s - heard_s - silent_s)
    return f"{long_text(heard_s)} of sound" if short_s > max(NOTED_SILENCE_S, NOTED_SHARE * duration_s) else ""


def size_text(size: int) -> str:
    """Format a number of bytes for people."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < ROUNDED_TO_1000:
            return f"{_rounded(amount)} {unit}"
        amount /= 1000
    return f"{_rounded(amount)} GB"


def _rounded(number: float) -> str:
    """Format a number with three digits, or all digits before the point."""
    return f"{number:.3g}" if number < ROUNDED_TO_1000 else f"{number:.0f}"


def long_text(seconds: float) -> str:
    """Format a duration for a sentence: ``0.25 s``, ``10.0 s``, ``5:30``, ``1:02:03``."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < SPELT_S else duration_text(seconds)


def duration_text(seconds: float) -> str:
    """Format a duration as M:SS or H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


LINK_EVENTS = ("publishing", "interrupted", "resumed")


def published_parts(published: Any) -> list[str]:
    """Return what has become of a stream to a server, for people."""
    times = published.reconnects
    return [
        bits_text(published.bit_rate),
        *[f"{published.dropped} not sent"] * bool(published.dropped),
        *[f"reconnected {times} time{'s' if times != 1 else ''}"] * bool(times),
    ]


def bits_text(bits: float) -> str:
    """Format a number of bits per second for people."""
    return f"{_rounded(bits / 1e6)} Mbit/s" if bits >= 1e6 * ROUNDED_TO_1000 / 1000 else f"{_rounded(bits / 1e3)} kbit/s"


def report_link(session: Session, event: str, detail: Mapping[str, Any]) -> None:
    """Report that a server takes the stream, that it is away, or that it is back."""
    name, at_us = detail["file"], detail["time"]
    session.events.emit(event, None, at_us, **{key: value for key, value in detail.items() if key != "time"})
    if event == "interrupted":
        session.voice.warn(f"{name} is interrupted: {detail['reason']}; trying again")
    else:
        session.voice.info(f"{event.capitalize()}: {name}")


def report_output_failure(session: Session, name: str, error: Exception, at_us: int | None = None) -> None:
    """Report that an output failed while others continue. A reader that has left is a normal end."""
    failure = error_json(error)
    if failure is None:
        session.events.emit("stop", None, at_us, file=masked(name), reason="pipe")
    else:
        session.events.emit("error", None, at_us, file=masked(name), error=failure)
        named = "" if re.search(rf"(?<!\w){re.escape(masked(name))}(?!\w)", str(error)) else f"“{masked(name)}”: "
        session.voice.warn(f"{named}{error}; the other outputs continue")


def report_ends(
    session: Session, recording: Recording, reports: Sequence[Report], track: MediaStreamTrack | None = None
) -> None:
    """Report the end of each output, except of those that a command has removed: that was reported then."""
    removed = recording.removed
    for position, report in enumerate(reports):
        if position not in removed:
            session.events.emit("stop", track, file=report.name, reason=report.reason)


def reports_of(
    recording: Recording,
    outputs: Sequence[OutputReport],
    names: Sequence[str],
    reason: str,
    *,
    series: bool = False,
    limited: bool = False,
    triggers: Triggers | None = None,
) -> list[Report]:
    """Return the report of each output. ``names``: the given outputs; outputs that were added later follow them."""
    warnings = [*recording.damage(), *filter(None, map(_behind_text, outputs))]
    reports = []
    for index, output in enumerate(outputs):
        name = names[index] if index < len(names) else output.name
        known = output.files if series else [name]
        empty = _is_empty(output)  # what has its name, such as a pipe or an older file, is there all the same
        replaced = output.is_file and any(later.name == output.name and not _is_empty(later) for later in outputs[index + 1 :])
        gone = empty or replaced or name in STDOUT_NAMES or isinstance(output.error, DisplacedError)
        files = [] if gone else [file for file in known if os.path.lexists(file)]
        why = reason if len(outputs) == 1 or reason == "pipe" else _reason(output, recording)
        failure = None if len(outputs) == 1 else output.error
        unnamed = "" if files else "stdout" if name in STDOUT_NAMES else masked(name) if scheme_of(name) else ""
        details = (triggers, unnamed, warnings, masked(name), failure, len(outputs) > 1, index_place(files))
        report = Report(files, why, output.tracks, output.counts, output.bytes, *details, removed=output.removed)
        reports.append(report._replace(limited=limited, replaced=replaced and not empty, published=output.published))
    return reports


def _is_empty(output: OutputReport) -> bool:
    """Return whether nothing was written into an output."""
    return not output.bytes and not any(count.frames for count in output.counts)


def _reason(output: OutputReport, recording: Recording) -> str:
    """Return why one output out of several has ended."""
    if output.error is None:
        return recording.reason
    return "pipe" if isinstance(output.error, BrokenPipeError) else "error"


def _behind_text(output: OutputReport) -> str:
    """Return a sentence about an output that was too slow, or ""."""
    if not output.behind or output.published is not None:
        return ""
    return f"“{output.name}” was too slow: {output.behind} frames or samples are missing from it"


def finish(
    reports: Sequence[Report],
    voice: Voice,
    *,
    as_json: bool,
    strict: bool,
    to_stderr: bool,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> ExitCode:
    """Print the reports and return the command's exit code. ``more``: further members of the JSON."""
    first = reports[0]
    if as_json:
        out = sys.stderr if to_stderr else sys.stdout
        several = {"outputs": [report.output_json() for report in reports]} if len(reports) > 1 else {}
        text = json_text(first.to_json() | several | dict(more), out)
        print(text, file=out, flush=True)  # flushed while a stalled reader can still be abandoned
    else:
        for report in reports:
            voice.info(report.line())
        for warning in first.warnings:
            voice.warn(warning)
    if strict and not all(report.whole for report in reports):
        return ExitCode.LOSS
    return first.code
