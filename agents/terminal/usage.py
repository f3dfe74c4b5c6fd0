"""The message for a command line that can't be parsed.

Law: it names the wrong word, what was found and what was expected, in one line and in our own
words, as the library's messages differ between versions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer
import typer.main

from journeys.problems import suggest


def explain(error: typer.TyperException, app: typer.Typer, words: Sequence[str]) -> str:
    """The line for an error that the library raises before or during a command.

    Args:
        words: the command line.
    """
    command, path = _command(typer.main.get_command(app), words)
    line = _line(error, command).rstrip(".")
    return f"{line}. `{' '.join(path)} --help` shows what is expected."


def finite(value: float | None) -> float | None:
    """Refuses `nan` and `inf`, which the library accepts as numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"found '{value}', expected a finite number")
    return value


def _command(command: Any, words: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and its name, from `journeys` on."""
    path = ["journeys"]
    for word in words:
        below = getattr(command, "commands", {})
        if word in below:
            command = below[word]
            path.append(word)
    return command, path


def _line(error: typer.TyperException, command: Any) -> str:
    kind, text = type(error).__name__, error.message
    parameter = getattr(error, "param", None)
    if kind == "MissingParameter":
        return f"{_name(parameter)} is missing: expected {_expected(parameter)}"
    if isinstance(error, typer.BadParameter):
        return _bad(error, parameter)
    option = getattr(error, "option_name", "")
    if kind == "NoSuchOption":
        known = [one for param in command.params for one in param.opts if one.startswith("-")]
        return f"there is no option '{option}'{suggest(option, known, most=0)[0]}"
    if kind == "BadOptionUsage":
        named = [param for param in command.params if option in param.opts]
        if named and named[0].type_descriptor.annotation is not bool:
            return f"{option} needs a value: expected {_expected(named[0])}"
        return f"{option} takes no value"
    if wrong := re.fullmatch(r"No such command '(.*)'\..*", text, re.DOTALL):
        known = list(command.commands)
        return f"there is no command '{wrong[1]}'{suggest(wrong[1], known)[0]}"
    if extra := re.fullmatch(r"Got unexpected extra argument.*? \((.*)\)", text, re.DOTALL):
        return f"found '{extra[1]}', but the command takes no more arguments"
    return "a command is missing" if text == "Missing command." else text


def _bad(error: typer.BadParameter, parameter: Any) -> str:
    """A value that the library or one of our commands has refused."""
    hint = error.param_hint
    name = hint if isinstance(hint, str) else "" if parameter is None else _name(parameter)
    text, value = error.message, _refused(error)
    if value is not None and parameter is not None:
        near = suggest(str(value), _choices(parameter), most=0)[0]
        text = f"found '{value}'{near or f', expected {_expected(parameter)}'}"
    return f"{name}: {text}" if name else text


def _name(parameter: Any) -> str:
    """An option as it is typed; an argument as the help shows it."""
    options = [one for one in parameter.opts if one.startswith("-")]
    if options:
        return str(max(options, key=len))
    return str(parameter.metavar or parameter.name).strip("[].")


def _refused(error: typer.BadParameter) -> Any:
    """The value that the library has refused; None if the error is our own."""
    errors = getattr(error.__cause__, "errors", None)
    return None if errors is None else errors()[0].get("input")


def _choices(parameter: Any) -> list[str]:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    return []


def _expected(parameter: Any) -> str:
    """What a value must be, in words."""
    if words := _choices(parameter):
        *most, last = (f"'{word}'" for word in words)
        return f"{', '.join(most)} or {last}" if most else last
    descriptor = parameter.type_descriptor
    info, annotation = descriptor.parameter_info, descriptor.annotation
    if annotation in (int, float):
        what = "a whole number" if annotation is int else "a number"
        if info.min is not None and info.max is not None:
            return f"{what}, {info.min} to {info.max}"
        if info.min is not None:
            return f"{what}, at least {info.min}"
        return what if info.max is None else f"{what}, at most {info.max}"
    help = (parameter.help or "").partition(". ")[0].rstrip(".")
    return help[:1].lower() + help[1:] or "a value"
