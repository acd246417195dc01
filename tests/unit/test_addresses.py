"""What is an address, what may be a name, and which parts are hidden."""

from __future__ import annotations

import pytest

from mscli.core.addresses import is_url, masked, scheme_of, scrubbed, suffix_of


@pytest.mark.parametrize(
    ("text", "scheme", "url"),
    [
        ("rtsp://host/live", "rtsp", True),
        ("RTSP://host", "rtsp", True),
        ("whep+https://host", "whep+https", True),
        ("screen:", "screen", False),
        ("fd:3", "fd", False),
        ("hw:0,0", "hw", False),
        ("Integrated Camera: Integrated C", "", False),
        ("Webcam: HD", "", False),
        ("C:\\clips\\a.mkv", "", False),
        ("12:30.mkv", "", False),
        ("./rtsp://host", "", False),
        ("://host", "", False),
        ("kamera-ä:1", "", False),
        ("/dev/video0", "", False),
        ("-", "", False),
        ("", "", False),
    ],
)
def test_an_address_begins_with_its_scheme(text: str, scheme: str, url: bool) -> None:
    assert (scheme_of(text), is_url(text)) == (scheme, url)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:secret@host/live", "rtsp://***@host/live"),
        ("rtsp://me:se@cret@host/live", "rtsp://***@host/live"),
        ("srt://host:9000?streamid=publish:me&passphrase=secret", "srt://host:9000?streamid=***&passphrase=***"),
        ("https://host/a?token=secret#part", "https://host/a?token=***#part"),
        ("rtsp://host/live", "rtsp://host/live"),
        ("rtmp://host/live/key", "rtmp://host/live/***"),
        ("rtmps://me:secret@host:1935/live/key?token=secret", "rtmps://***@host:1935/live/***?token=***"),
        ("rtmp://host", "rtmp://host"),
        ("rtsp://me:se#cr/et?x@host:554/live", "rtsp://***@host:554/live"),  # not escaped, as people type it
        ("rtsp://me:1se/cret@host/live", "rtsp://***@host/live"),
        ("http://host:80/a@b:c/d", "http://host:80/a@b:c/d"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("thing:red", "thing:red"),
        ("who@home?a=b.mkv", "who@home?a=b.mkv"),
    ],
)
def test_secrets_in_an_address_are_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_secrets_in_a_text_are_not_shown() -> None:
    text = "[Errno 32] Broken pipe: 'rtsp://me:secret@host/a?b=secret' and “rtmp://host/live/secret” (50 % of 3://4)"
    assert scrubbed(text) == "[Errno 32] Broken pipe: 'rtsp://***@host/a?b=***' and “rtmp://host/live/***” (50 % of 3://4)"


def test_a_suffix_is_in_lower_case_without_its_dot() -> None:
    assert [suffix_of(name) for name in ("a.MKV", "a.tar.gz", "a", ".hidden", "rtmp://host/a.flv")] == [
        "mkv",
        "gz",
        "",
        "",
        "flv",
    ]
