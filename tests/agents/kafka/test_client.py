"""The options of every librdkafka client come from one place and the environment."""

from __future__ import annotations

import gc
import os
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from agents.errors import BrokerUnavailable
from agents.host.credentials import faust_credentials
from agents.kafka.client import admin_client, base_config, cluster_metadata
from agents.settings import SettingsError


def test_options_of_librdkafka_come_from_the_environment() -> None:
    environment = {
        "JOURNEYS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "JOURNEYS_KAFKA_SASL_PASSWORD": "secret",
        "JOURNEYS_CLOCK": "wall",
        "PATH": "/bin",
    }
    assert base_config("host:9092", environment) == {
        "bootstrap.servers": "host:9092",
        "log_level": 2,
        "reconnect.backoff.max.ms": 1_000,
        "enable.metrics.push": False,
        "security.protocol": "SASL_SSL",
        "sasl.password": "secret",
    }


def test_an_unknown_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_KAFKA_SECURITY_PROTOCOLL", "SSL")
    with pytest.raises(SettingsError) as told:
        admin_client("127.0.0.1:9092")
    assert str(told.value) == (
        "JOURNEYS_KAFKA_SECURITY_PROTOCOLL is set, and librdkafka has no option "
        "'security.protocoll'."
    )


SECRETS = [
    "hunter2",
    'hun"ter2',
    "a first line\nhunter2",
    'hunter2" for configuration property "client.id"',
    "'hunter2'",
]


@pytest.mark.parametrize("value", SECRETS)
@pytest.mark.parametrize(
    "option",
    [
        "SECURITY_PROTOCOL", "SSL_CA_LOCATION", "SSL_KEY_LOCATION", "SSL_KEY_PEM", "DEBUG",
        "SSL_CERTIFICATE_LOCATION", "SSL_KEYSTORE_LOCATION", "SOCKET_TIMEOUT_MS",
        "BROKER_ADDRESS_FAMILY", "SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "SASL_PASSWRD",
        "ENABLE_SSL_CERTIFICATE_VERIFICATION", "SASL_OAUTHBEARER_METHOD",
    ],
)  # fmt: skip
def test_a_wrong_value_is_not_printed_and_its_variable_is_named(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if option.startswith("SSL_") and "ALGORITHM" not in option:
        monkeypatch.setenv("JOURNEYS_KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv(f"JOURNEYS_KAFKA_{option}", value)
    monkeypatch.setenv("JOURNEYS_KAFKA_CLIENT_ID", "tests")
    with pytest.raises(SettingsError) as told:
        admin_client("127.0.0.1:9092")
    said = str(told.value)
    assert f"JOURNEYS_KAFKA_{option}" in said
    assert "\n" not in said
    out, err = capfd.readouterr()
    for text in (said, out, err):
        assert "ter2" not in text


def test_no_broker_is_one_clear_line_within_the_time_given() -> None:
    address, began = "127.0.0.1:1", time.monotonic()
    with pytest.raises(BrokerUnavailable) as told:
        cluster_metadata(admin_client(address), address, seconds=2)
    assert time.monotonic() - began < 30
    assert str(told.value).startswith(f"No Kafka broker answered at {address} within 2 s (")
    assert "\n" not in str(told.value)


def test_faust_gets_no_credentials_where_the_broker_needs_none() -> None:
    assert faust_credentials({"bootstrap.servers": "a:1", "log_level": 2}) is None
    assert faust_credentials({"security.protocol": "plaintext"}) is None


def test_faust_gets_the_credentials() -> None:
    client = {"sasl.username": "me", "sasl.password": "hunter2", "sasl.mechanisms": "PLAIN"}
    plain = faust_credentials({"security.protocol": "sasl_plaintext", **client})
    assert (plain.username, plain.password, plain.ssl_context) == ("me", "hunter2", None)
    assert "hunter2" not in repr(plain)


@pytest.mark.parametrize(
    ("more", "mode", "name_is_checked"),
    [
        ({}, ssl.CERT_REQUIRED, True),
        ({"ssl.ca.location": "probe"}, ssl.CERT_REQUIRED, True),
        ({"ssl.endpoint.identification.algorithm": "none"}, ssl.CERT_REQUIRED, False),
        ({"enable.ssl.certificate.verification": "False"}, ssl.CERT_NONE, False),
    ],
)
def test_faust_trusts_whom_librdkafka_trusts(
    more: dict[str, Any], mode: ssl.VerifyMode, name_is_checked: bool
) -> None:
    context = faust_credentials({"security.protocol": "ssl", **more}).context
    assert (context.verify_mode, context.check_hostname) == (mode, name_is_checked)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({"security.protocol": "TLS"}, "SECURITY_PROTOCOL can't be used: it must be one of "),
        ({"security.protocol": "SASL_SSL"}, "SASL_MECHANISM can't be used: it must be one of "),
        ({"sasl.mechanism": "GSSAPI", "sasl.kerberos.keytab": "k"}, "SASL_KERBEROS_KEYTAB can't"),
        ({"security.protocol": "SSL", "ssl.ca.pem": "hunter2"}, "SSL_CA_PEM can't be used: of "),
        ({"security.protocol": "SSL", "ssl.ca.location": "none.pem"}, "SSL_CA_LOCATION can't be"),
    ],
)
def test_options_that_faust_would_ignore_are_refused(client: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as error:
        faust_credentials(client)
    assert str(error.value).startswith(f"JOURNEYS_KAFKA_{told}")
    assert "hunter2" not in str(error.value)


def test_a_key_that_needs_a_password_is_an_error_and_no_question(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("client.test")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client = {
        "security.protocol": "SSL",
        "ssl.certificate.location": str(tmp_path / "client.pem"),
        "ssl.key.location": str(tmp_path / "key.pem"),
    }
    with pytest.raises(SettingsError, match="SSL_CERTIFICATE_LOCATION can't be used"):
        faust_credentials(client)
    assert faust_credentials({**client, "ssl.key.password": "hunter2"}) is not None


def test_a_client_ends_with_its_last_reference() -> None:
    """A worker makes one every few seconds, and collects no garbage for hours."""

    def tasks() -> int:
        return len(os.listdir("/proc/self/task"))

    before = tasks()
    gc.disable()
    try:
        for _ in range(3):
            client = admin_client("127.0.0.1:9")
            assert client.refusal is None
            assert tasks() > before
            del client
    finally:
        gc.enable()
    assert tasks() <= before
