"""What documents, events and answers say can't control a terminal, whichever command prints it."""

from __future__ import annotations

import json
import unicodedata

import pytest

from agents.terminal.text import echo, echo_json, echo_lines, json_line
from journeys.problems import printable

# All of Unicode that moves the cursor, changes colours or direction, or isn't seen at all.
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
FORMATS = [
    char for code in (*range(0xA0, 0x1E000), *range(0xE0000, 0xE0FFF))
    if unicodedata.category(char := chr(code)) in ("Cf", "Zl", "Zp", "Cs")
]  # fmt: skip
WITHOUT_WIDTH = list("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u3164\uffa0\ufe00\U000e0100")
HOSTILE = [*CONTROLS, *FORMATS, *WITHOUT_WIDTH]
HARMLESS = "Zoë 日本 ❤️ 👍🏽 é\u0301 \N{ARABIC LETTER ALEF}"


def test_the_marks_of_direction_and_what_has_no_width_are_among_them() -> None:
    for (
        char
    ) in "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\xad\ud83c":
        assert char in HOSTILE, ascii(char)


def test_no_such_character_is_left_in_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    text = "".join(HOSTILE)
    echo(text)
    echo((text, "red"), err=True)
    out, err = capfd.readouterr()
    assert out.count("\n") == 1
    assert not set(out[:-1]) & set(HOSTILE)
    assert not set(err.replace("\x1b[31m", "").replace("\x1b[0m", "")[:-1]) & set(HOSTILE)


def test_a_text_of_several_lines_keeps_them_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    echo_lines("a\r\nb\x1bc\n\n")
    assert capfd.readouterr().out == "a\\r\nb\\x1bc\n\n"


def test_json_has_the_same_value_and_none_of_them(capfd: pytest.CaptureFixture[str]) -> None:
    text = "-".join(HOSTILE)  # side by side, two halves of a pair are one character
    value = {text: [text, HARMLESS]}
    echo_json(value)
    echo_json(value, indent=2)
    line, rest = capfd.readouterr().out.split("\n", 1)
    for shown in (line, rest):
        assert json.loads(shown) == value
        assert not set(shown.replace("\n", "")) & set(HOSTILE)
    assert HARMLESS in line


def test_a_record_is_one_line_whatever_its_bytes_are() -> None:
    text = "".join(char for char in HOSTILE if not 0xD800 <= ord(char) < 0xE000)
    shown = json_line(json.dumps({"t": text}, ensure_ascii=False, indent=1).encode())
    assert shown.count(b"\n") == 1
    assert json.loads(shown) == {"t": text}
    assert json_line(b"\x9b31m\xff\n\x1b") == b"\\udc9b31m\\udcff \\u001b\n"


def test_what_people_write_stays_as_it_is() -> None:
    assert printable(HARMLESS) == HARMLESS
