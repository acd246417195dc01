"""Help pages: each is rendered at 80 columns; options are in groups, and a page of the most used ones fits a screen."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mscli.cli import helptexts
from mscli.cli.helppages import BRIEF_EXAMPLES, GROUPS, Command, Option, grouped
from mscli.cli.helptexts import stored_page
from mscli.cli.main import COMMANDS, cli
from mscli.cli.manpage import commands, help_texts, page
from mscli.core.properties import PROPERTIES, VIDEO
from mscli.core.select import DEFAULTS
from mscli.sinks.pictures.image import STILLS

LINES, COLUMNS = 24, 80
CAPTURING = ("snapshot", "record", "capture")


def context(name: str) -> click.Context:
    program = click.Context(cli, info_name="mscli", terminal_width=COLUMNS - 2, **cli.context_settings)
    return click.Context(command(name), info_name=name, parent=program)


def command(name: str) -> Command:
    found = commands()[name]
    assert isinstance(found, Command)
    return found


def titles(text: str) -> list[str]:
    """The titles of sections, which stand alone on a line that is not indented."""
    return re.findall(r"^([A-Z][\w ]+):$", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_fits_80_columns_and_has_its_groups_in_order(name: str) -> None:
    text = context(name).get_help()
    assert [line for line in text.splitlines() if len(line) > COLUMNS] == []
    found = titles(text)
    assert found == [title for title in GROUPS if title in found] + ["Examples"]
    assert set(found) - {"Examples"} == set(grouped(command(name), context(name)))


def test_recording_has_every_group() -> None:
    assert titles(context("record").get_help()) == [*GROUPS, "Examples"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_that_is_not_hidden_is_on_the_help_page_once(name: str) -> None:
    text = context(name).get_help()
    for option in (one for one in command(name).params if isinstance(one, click.Option)):
        shown = len(re.findall(rf"^  (?:\S+, |\S+ / )*{re.escape(option.opts[-1])}\b(?!-)", text, re.MULTILINE))
        assert shown == (not option.hidden), option.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_of_the_most_used_options_fits_a_screen(name: str) -> None:
    ctx = context(name)
    lines = command(name).brief(ctx).splitlines()
    assert len(lines) < LINES + 1
    assert [line for line in lines if len(line) > COLUMNS] == []
    assert sum(line.startswith("    mscli ") for line in lines) == BRIEF_EXAMPLES
    assert sum(re.match(r"  \w.*:$", line) is not None for line in lines) == BRIEF_EXAMPLES


@pytest.mark.parametrize("name", CAPTURING)
def test_about_a_dozen_options_are_the_most_used_ones_and_each_takes_one_line(name: str) -> None:
    ctx = context(name)
    common = [one for group in grouped(command(name), ctx).values() for one in group if isinstance(one, Option) and one.common]
    lines = command(name).brief(ctx).splitlines()
    assert 8 <= len(common) <= 13
    assert sum(line.startswith("  -") for line in lines) == len(common)
    assert [line for line in lines if line.startswith("        ")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_no_placeholder_that_means_nothing_to_people(name: str) -> None:
    text = context(name).get_help()
    assert [word for word in ("INTEGER", "RANGE", "TEXT", "VALUE]", "x>=", "BOOLEAN") if word in text] == []


def test_a_default_is_shown_as_it_is() -> None:
    pages = {name: " ".join(context(name).get_help().split()) for name in CAPTURING}
    assert all("[default: 5s,2s]" in text for text in pages.values())
    quality = {name: STILLS[f"image/{name}"].quality for name in ("jpeg", "webp", "avif")}
    assert quality["webp"] == quality["avif"]
    assert f"[default: {quality['jpeg']} for JPEG, {quality['webp']} for WebP and AVIF]" in pages["snapshot"]
    size, rate = f"{DEFAULTS['width']}x{DEFAULTS['height']}", DEFAULTS["frameRate"]
    assert all(f"[default: nearest to {usual}]" in text for usual in (size, rate) for text in pages.values())
    sound = [DEFAULTS[name] for name in ("sampleRate", "sampleSize", "channelCount")]
    assert all(f"[default: nearest to {usual}]" in pages["record"] for usual in sound)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_man_page_has_the_same_groups(name: str) -> None:
    options = page(name).partition(".SH OPTIONS")[2].partition(".SH ")[0]
    assert re.findall(r"^\.SS (.+)$", options, re.MULTILINE) == list(grouped(command(name), context(name)))


def test_a_picture_has_no_option_for_sound() -> None:
    offered = {one.name for group in grouped(command("snapshot"), context("snapshot")).values() for one in group}
    assert offered & {"microphone", "audio", "video"} == set()
    assert {name for name, row in PROPERTIES.items() if VIDEO not in row.kinds} & offered == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_is_a_command_line_with_a_caption(name: str) -> None:
    for caption, line in command(name).examples:
        assert caption[0].isupper()
        assert caption[-1] not in ".:"
        assert line.startswith(f"mscli {name}")


PAGES = [["-h"], ["--help"], ["help"]]
PAGES += [words for name in COMMANDS for words in ([name, "-h"], [name, "--help"], ["help", name])]


@pytest.mark.parametrize("arguments", PAGES, ids=" ".join)
def test_a_stored_page_is_what_click_makes_of_the_command(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    made = CliRunner().invoke(cli, arguments, prog_name="mscli", terminal_width=COLUMNS - 2).output
    assert f"{stored_page(arguments)}\n" == made, "run: python -m mscli.cli.manpage man"


def test_no_page_is_stored_of_a_command_that_is_gone() -> None:
    folder = Path(helptexts.__file__).parent
    assert {path.stem for path in folder.glob("*.txt")} == set(help_texts())


@pytest.mark.parametrize(("columns", "is_stored"), [("79", False), ("80", True), ("200", True), ("0", True), ("wide", True)])
def test_a_stored_page_needs_80_columns(columns: str, is_stored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((COLUMNS, LINES)))
    assert (stored_page(["record", "-h"]) is not None) is is_stored


def test_other_command_lines_have_no_stored_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    asked = ("help help", "record -h x.mp4", "record --help --debug", "rec --help", "help -h", "mscli -h", "../mscli --help")
    assert [stored_page(line.split()) for line in asked] == [None] * len(asked)


ONCE = {  # options that name what would be ignored if another one counted
    "--group-id", "--facing-mode", "--start", "--input-format", "--input-size", "--input-pixel-format", "--input-rate",
    "--input-channels", "--fake-devices-from", "--save-settings", "--events", "--control", "--frame-log", "--ca-file",
    "--trigger", "--latest", "--exec", "--preview", "--listen", "--monitor", "--font",
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_names_something_is_repeatable_or_refused_a_second_time(name: str) -> None:
    found = {one.opts[-1]: one for one in command(name).params if isinstance(one, Option)}
    several = {"--camera", "--screen", "--microphone", "--input", "--constraint", "--constraints", "--advanced", "--output"}
    once = {option for option, one in found.items() if one.once}
    assert once == (ONCE | ({"--input"} if name == "capabilities" else set())) & set(found)
    assert all(found[option].multiple for option in several.difference(once).intersection(found))


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["capabilities", "-i", "a", "-i", "b"], "--input"),
        (["record", "--facing-mode", "user", "--facing-mode=left", "x"], "--facing-mode"),
        (["capture", "--events", "a", "--events", "b"], "--events"),
        (["snapshot", "--fake-devices-from", "a", "--fake-devices-from", "b", "x"], "--fake-devices-from"),
        (["devices", "--fake-devices-from", "a", "--fake-devices-from", "b"], "--fake-devices-from"),
        (["record", "-c", "width=1", "-c", "width=2", "x"], "-c width"),
        (["record", "--metadata", "title=a", "--metadata", "title=b", "x"], "--metadata title"),
        (["record", "--control", "-", "--control", "unix:y", "x"], "--control"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments: list[str], option: str) -> None:
    done = CliRunner().invoke(command(arguments[0]), arguments[1:])
    assert done.exit_code == 2
    assert f"{option} can be given only once" in done.output
