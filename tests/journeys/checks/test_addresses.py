"""Addresses of destinations that are refused, and those that pass."""

from __future__ import annotations

import pytest

from tests.journeys.reported import MAILER, told


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1:8080",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "0xA9FEA9FE",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "100.100.100.200",
    ],
)
def test_link_local_and_metadata_addresses_are_refused(host: str) -> None:
    text = MAILER.replace("mail.example.com", host)
    (problem,) = told(text)
    assert "is a link-local or metadata address, which is never called" in problem


@pytest.mark.parametrize(
    "host", ["localhost:8080", "10.0.0.1", "example.com:443", "[::1]", "1.example.com", "8.8.8.8"]
)
def test_other_hosts_pass_for_deliver_decides_about_private_ones(host: str) -> None:
    assert told(MAILER.replace("mail.example.com", host)) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://u:p@example.com/", "found a user name, expected none: send credentials in"),
        ("https:///x", "found no host"),
        ("https://example.com:99999/", "the port can't be read"),
        ("https://exa mple.com/", "found a space"),
        ("example.com", "found no scheme, expected http:// or https://"),
        ("file:///etc/passwd", "found 'file', expected http:// or https://"),
        ("https://a${user.id}.example.com/", "an expression in the host"),
        ("https://example.com${user.id}", "an expression in the host"),
        ("${user.id}", "found no scheme"),
    ],
)
def test_an_address_that_can_not_be_called_is_refused(url: str, message: str) -> None:
    (problem,) = told(MAILER.replace("https://mail.example.com/", url))
    assert message in problem
