"""Checks that types of destinations share: where a request would go, and with which headers.

Law: a document can't make deliver call a link-local or metadata address, let data choose the host,
or inject a header.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from journeys.addresses import never_called
from journeys.expressions.interpolation import Hole, UnclosedError, pieces
from journeys.schema.findings import Findings
from journeys.schema.places import field_name
from journeys.schema.yaml_source import YamlNode

_OURS = frozenset(
    "idempotency-key journeys-send-key journeys-event-name journeys-action journeys-test host "
    "content-length transfer-encoding connection".split()
)
_SECRET = re.compile(r"(?i)authorization|api-?key|secret|token|cookie")
_HOST = "a name such as api.example.com, or an address such as 192.0.2.1 or [2001:db8::1]"
_NOT_PRINTABLE = re.compile("[^ -~]")


def check_url(findings: Findings, key: str) -> None:
    """Adds what is wrong with the URL in the field `key` of a destination."""
    url = findings.root.value.get(key)
    if url is not None and isinstance(url.value, str):
        _check_url(findings, key, url)


def check_headers(findings: Findings, key: str) -> None:
    """Adds what is wrong with the headers in the field `key` of a destination."""
    headers = findings.root.value.get(key)
    if headers is not None and isinstance(headers.value, dict):
        _check_headers(findings, key, headers)


def lint_headers(findings: Findings, key: str) -> None:
    """Adds warnings about the headers of a destination without mistakes."""
    headers = findings.root.value.get(key)
    for name, node in headers.value.items() if headers is not None else ():
        if _SECRET.search(name) and "${env." not in node.value:
            place = field_name(findings.root, (key, name))
            way = "documents are kept for ever: expected '${env.NAME}' for the secret in it"
            findings.warn(node, f"{place}: {way}")


def _check_url(findings: Findings, key: str, node: YamlNode) -> None:
    text = node.value
    if (wrong := re.search("[\x00-\x20\x7f]", _literal(text))) is not None:
        _report(
            findings,
            key,
            node,
            f"found {_character(wrong.group())}, expected an address without white space "
            "or control characters",
            found=_character(wrong.group()),
        )
        return
    scheme = re.match(r"(?i)([a-z][a-z0-9+.-]*):", text)
    if scheme is None or scheme[1].lower() not in ("http", "https"):
        found = f"'{scheme[1]}'" if scheme else "no scheme"
        _report(findings, key, node, f"found {found}, expected http:// or https://", found=found)
        return
    try:
        parts = pieces(text)
    except UnclosedError:
        return  # reported where the expressions are checked
    first = parts[0] if isinstance(parts[0], str) else ""
    if len(parts) > 1 and not re.match(r"[a-zA-Z]+://[^/?#]+[/?#]", first):
        _report(
            findings,
            key,
            findings.source.position(node, text.find("${")),
            "an expression in the host: expected scheme, host and port as plain text",
            found="an expression",
        )
        return
    _check_host(findings, key, node, first)


def _literal(text: str) -> str:
    try:
        return "".join(part for part in pieces(text) if not isinstance(part, Hole))
    except UnclosedError:
        return text.split("${")[0]


def _check_host(findings: Findings, key: str, node: YamlNode, url: str) -> None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        _report(findings, key, node, f"the host can't be read: expected {_HOST}", found=url)
        return
    try:
        _ = parts.port
    except ValueError:
        why = "the port can't be read: expected a number of at most 65535"
        _report(findings, key, node, why, found=url)
        return
    if not host or "\\" in url:
        _report(
            findings,
            key,
            node,
            "found no host, expected http(s)://host/path",
            found=url,
        )
        return
    if parts.username is not None:
        _report(
            findings,
            key,
            node,
            "found a user name, expected none: send credentials in 'headers'",
            found="a user name",
        )
    if never_called(host):
        _report(
            findings,
            key,
            node,
            f"'{host}' is a link-local or metadata address, which is never called",
            found=host,
        )


def _check_headers(findings: Findings, key: str, headers: YamlNode) -> None:
    seen: dict[str, str] = {}
    for name, node in headers.value.items():
        first = seen.setdefault(name.lower(), name)
        if first != name:
            _report(
                findings,
                key,
                headers.keys[name],
                f"'{name}' is given twice, first as '{first}'",
                found=name,
            )
        if name.lower() in _OURS:
            _report(
                findings,
                key,
                headers.keys[name],
                f"'{name}' is set by the delivery itself, expected another header",
                found=name,
            )
        if isinstance(node.value, str) and (at := _not_printable(node.value)) is not None:
            found = _character(node.value[at])
            _report(
                findings,
                key,
                findings.source.position(node, at),
                f"found {found} in the value of '{name}', expected printable ASCII "
                "(of data in '${...}', other characters are percent-encoded)",
                found=found,
            )


def _not_printable(text: str) -> int | None:
    """The position of the first character, outside of expressions, that is not allowed in a
    header."""
    try:
        holes = [part for part in pieces(text) if isinstance(part, Hole)]
    except UnclosedError:
        return None  # reported where the expressions are checked
    inside = [(hole.offset, hole.offset + len(hole.text)) for hole in holes]
    for wrong in _NOT_PRINTABLE.finditer(text):
        if not any(start <= wrong.start() < end for start, end in inside):
            return wrong.start()
    return None


def _report(
    findings: Findings, key: str, place: YamlNode | tuple[int, int], message: str, *, found: str
) -> None:
    findings.at(place, f"{field_name(findings.root, (key,))}: {message}", found=found)


def _character(char: str) -> str:
    names = {"\n": "a line break", "\r": "a line break", "\t": "a tab", " ": "a space"}
    shown = f"'{char}' (U+{ord(char):04X})" if char.isprintable() else f"U+{ord(char):04X}"
    return names.get(char, f"the character {shown}")
