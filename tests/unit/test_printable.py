"""What steers a terminal is told apart by Unicode's own properties."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from functools import cache

from mscli.cli.printable import json_text, printable

TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # bidirectional classes that change the direction
EVERYTHING = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1))))  # but halves of UTF-16


def steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(character) in TURNS


@cache
def steering() -> set[str]:
    return set(filter(steers, EVERYTHING))


def test_all_that_steers_is_made_visible_and_nothing_else() -> None:
    marks = "\u061c\u200e\u200f"  # have a direction, and no width
    assert {character for character in EVERYTHING if printable(character) != character} == steering().union(marks)
    assert (printable("a\x1b\n\x9b\u202eb"), printable("é 📷 שלום")) == ("a\\x1b\\x0a\\x9b\\u202eb", "é 📷 שלום")


def test_json_holds_nothing_that_steers_and_all_that_was_given() -> None:
    given = {EVERYTHING: [EVERYTHING]}
    for stream in (None, *(io.TextIOWrapper(io.BytesIO(), encoding=encoding) for encoding in ("utf-8", "ascii"))):
        text = json_text(given, stream)
        assert steering().isdisjoint(text)
        assert json.loads(text) == given
    assert json_text([{"a": "é"}], indent=1) == '[\n {\n  "a": "é"\n }\n]'
