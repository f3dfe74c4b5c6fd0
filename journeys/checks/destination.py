"""Checks of what a Destination would send where.

Law: a document can't make deliver call a link-local or metadata address, choose the host by data,
or smuggle a header.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from journeys.expressions.interpolation import Hole, UnclosedError, pieces
from journeys.schema.findings import Findings
from journeys.schema.places import field_name
from journeys.schema.yaml_source import YamlNode

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data"}
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(address)
    for address in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
_OURS = frozenset(
    "idempotency-key journeys-send-key journeys-event-name journeys-action journeys-test host "
    "content-length transfer-encoding connection".split()
)
_SECRET = re.compile(r"(?i)authorization|api-?key|secret|token|cookie")
_CONTROL = re.compile("[\x00-\x1f\x7f]")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_destination(findings: Findings) -> None:
    """Adds what is wrong with the URL and the headers."""
    url = findings.root.value.get("url")
    if url is not None and isinstance(url.value, str):
        _check_url(findings, url)
    headers = findings.root.value.get("headers")
    if headers is not None and isinstance(headers.value, dict):
        _check_headers(findings, headers)


def lint_destination(findings: Findings) -> None:
    """Adds warnings about a Destination without mistakes."""
    headers = findings.root.value.get("headers")
    for name, node in headers.value.items() if headers is not None else ():
        if _SECRET.search(name) and "${env." not in node.value:
            key = field_name(findings.root, ("headers", name))
            way = "documents are kept for ever: expected '${env.NAME}' for the secret in it"
            findings.warn(node, f"{key}: {way}")


def _check_url(findings: Findings, node: YamlNode) -> None:
    text = node.value
    if (wrong := re.search("[\x00-\x20\x7f]", _literal(text))) is not None:
        _tell(
            findings,
            "url",
            node,
            f"found {_character(wrong.group())}, expected an address without white space "
            "and control characters",
            found=_character(wrong.group()),
        )
        return
    scheme = re.match(r"(?i)([a-z][a-z0-9+.-]*):", text)
    if scheme is None or scheme[1].lower() not in ("http", "https"):
        found = f"'{scheme[1]}'" if scheme else "no scheme"
        _tell(findings, "url", node, f"found {found}, expected http:// or https://", found=found)
        return
    try:
        parts = pieces(text)
    except UnclosedError:
        return  # told where the expressions are checked
    first = parts[0] if isinstance(parts[0], str) else ""
    if len(parts) > 1 and not re.match(r"[a-zA-Z]+://[^/?#]+[/?#]", first):
        _tell(
            findings,
            "url",
            findings.source.position(node, text.find("${")),
            "an expression in the host: expected scheme, host and port as plain text",
            found="an expression",
        )
        return
    _check_host(findings, node, first)


def _literal(text: str) -> str:
    try:
        return "".join(part for part in pieces(text) if not isinstance(part, Hole))
    except UnclosedError:
        return text.split("${")[0]


def _check_host(findings: Findings, node: YamlNode, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        _tell(findings, "url", node, f"{error}", found=url)
        return
    if not host or "\\" in url:
        _tell(
            findings,
            "url",
            node,
            "found no host, expected http(s)://host/path",
            found=url,
        )
        return
    if parts.username is not None:
        _tell(
            findings,
            "url",
            node,
            "found a user name, expected none: send credentials in 'headers'",
            found="a user name",
        )
    if host in _METADATA_NAMES or _refused(_address(host)):
        _tell(
            findings,
            "url",
            node,
            f"'{host}' is a link-local or metadata address, which is never called",
            found=host,
        )


def _address(host: str) -> Address | None:
    """The address that a host is, in any of the forms that resolvers read as one."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    numbers = host.split(".")
    if not 1 <= len(numbers) <= 4:
        return None
    values = []
    for number in numbers:
        if not re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", number) or len(number) > 20:
            return None
        base = 16 if number[:2].lower() == "0x" else 8 if number[0] == "0" else 10
        try:
            values.append(int(number[2:] or "0", 16) if base == 16 else int(number, base))
        except ValueError:
            return None
    *leading, last = values
    if any(value > 255 for value in leading) or last >= 256 ** (4 - len(leading)):
        return None
    packed = sum(value << 24 - 8 * index for index, value in enumerate(leading)) + last
    return ipaddress.IPv4Address(packed)


def _refused(address: Address | None) -> bool:
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is None and int(address) >> 32 == 0:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None and _refused(inside):
            return True
    return address.is_link_local or address in _METADATA_ADDRESSES


def _check_headers(findings: Findings, headers: YamlNode) -> None:
    seen: dict[str, str] = {}
    for name, node in headers.value.items():
        first = seen.setdefault(name.lower(), name)
        if first != name:
            _tell(
                findings,
                "headers",
                headers.keys[name],
                f"'{name}' is there twice, first as '{first}'",
                found=name,
            )
        if name.lower() in _OURS:
            _tell(
                findings,
                "headers",
                headers.keys[name],
                f"'{name}' is set by the delivery itself, expected another header",
                found=name,
            )
        if isinstance(node.value, str) and (wrong := _CONTROL.search(node.value)) is not None:
            _tell(
                findings,
                "headers",
                findings.source.position(node, wrong.start()),
                f"found {_character(wrong.group())} in the value of '{name}', "
                "expected one line of text without control characters",
                found=_character(wrong.group()),
            )


def _tell(
    findings: Findings, key: str, place: YamlNode | tuple[int, int], message: str, *, found: str
) -> None:
    findings.at(place, f"{field_name(findings.root, (key,))}: {message}", found=found)


def _character(char: str) -> str:
    names = {"\n": "a line break", "\r": "a line break", "\t": "a tab", " ": "a space"}
    return names.get(char, f"the character U+{ord(char):04X}")
