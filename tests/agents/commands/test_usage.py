"""Every command with every kind of wrong argument: one line of our own, which names the word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from agents.cli import command_line, main

LIBRARY = (
    "Invalid value", "Missing argument", "Missing option", "No such", "Usage:", "Error", "Try ",
    "is not one of", "should be", "Input ", "unexpected extra", "Got ", "requires an argument",
    "does not take", "Traceback", "│",
)  # fmt: skip
EVIL = "\x1b[31m\u202e"


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))


COMMANDS = list(_commands(typer.main.get_command(command_line())))


def _wrong() -> Iterator[tuple[str, ...]]:
    for path, command in COMMANDS:
        yield (*path, "--no-such-option")
        yield (*path, f"--{EVIL}")
        if hasattr(command, "commands"):
            yield (*path, "no-such-command")
            yield (*path, EVIL)
            continue
        arguments = [param for param in command.params if not param.opts[0].startswith("-")]
        needed = ["x" for param in arguments if param.required]
        if needed:
            yield path
        if all(param.nargs == 1 for param in arguments):
            yield (*path, *(["x"] * (len(arguments) + 1)))
        for param in command.params:
            option = param.opts[0]
            if not option.startswith("-") or option == "--help":
                if not param.opts[0].startswith("-") and _refuses(param):
                    yield (*path, EVIL)
                continue
            if param.type_descriptor.annotation is bool:
                yield (*path, *needed, f"{option}=maybe")
                continue
            yield (*path, *needed, option)
            for value in _refused(param):
                yield (*path, *needed, f"{option}={value}")


def _refuses(param: Any) -> bool:
    return bool(param.type_descriptor.choices)


def _refused(param: Any) -> list[str]:
    descriptor = param.type_descriptor
    if descriptor.choices:
        return ["svg", "", EVIL]
    if descriptor.annotation is int:
        return ["x", "1.5", "", EVIL, "-1", "9" * 5_000]
    if descriptor.annotation is float:
        return ["x", "", EVIL, "-1", "nan", "inf"]
    return []


@pytest.mark.parametrize(
    "words", sorted(set(_wrong())), ids=lambda words: ascii(" ".join(words))[:80]
)
def test_a_wrong_command_line_is_one_line_of_ours(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (2, ""), (ended.value.code, out, err)
    assert err.startswith("journeys: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert not [text for text in LIBRARY if text in err], err
    assert err.endswith("--help` shows what is expected.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("draw x --format svg", "--format: found 'svg', expected 'mermaid' or 'dot'"),
        ("draw x --format dott", "--format: found 'dott': did you mean 'dot'?"),
        ("tail bla", "STREAM: found 'bla', expected 'outcomes', 'actions' or 'dead'"),
        ("tail outcome", "STREAM: found 'outcome': did you mean 'outcomes'?"),
        ("tail", "STREAM is missing: expected 'outcomes', 'actions' or 'dead'"),
        ("validate", "FILE is missing: expected files of documents, tests or responses"),
        ("validate x --jsn", "there is no option '--jsn': did you mean '--json'?"),
        ("validate x --json=yes", "--json takes no value"),
        ("aply x", "there is no command 'aply': did you mean 'apply'?"),
        ("dead replya", "there is no command 'replya': did you mean 'replay'?"),
        ("worker evaluat", "ROLE: found 'evaluat': did you mean 'evaluate'?"),
        ("kafka --port 0", "--port: found '0', expected a whole number, 1 to 65535"),
        ("topics create --partitions four", "--partitions: found 'four', expected a whole number"),
        ("apply x --timeout", "--timeout needs a value: expected a number, at least 0"),
        ("apply x --timeout inf", "--timeout: found 'inf', expected a finite number"),
        ("kafka 1 2", "found '1 2', but the command takes no more arguments"),
        ("send --advance soon", "--advance: "),
    ],
)
def test_it_says_what_was_found_and_what_was_expected(
    words: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith(f"journeys: {said}")
