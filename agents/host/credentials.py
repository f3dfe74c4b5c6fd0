"""The security options of librdkafka, as Faust's own clients take them.

Law: a worker's group membership is protected as well as its records; an option that only librdkafka
supports is refused instead of being ignored.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from agents.settings import SettingsError

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SUPPORTED = {
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
}
_OURS = ("sasl.", "ssl.", "enable.ssl.", "enable.sasl.")


def faust_credentials(client: Mapping[str, Any]) -> Credentials | None:
    """Faust's credentials and trusted certificates; None if the broker needs none.

    Args:
        client: librdkafka's options, of `base_config`.

    Raises:
        SettingsError: an option has no counterpart, or its file can't be used.
    """
    protocol = str(client.get("security.protocol", "PLAINTEXT")).upper()
    if protocol not in _PROTOCOLS:
        raise _refused("security.protocol", f"it must be one of {', '.join(_PROTOCOLS)}")
    for name in client:
        if name.startswith(_OURS) and name not in _SUPPORTED:
            supported = ", ".join(sorted(_SUPPORTED))
            raise _refused(name, f"of TLS and SASL, workers take {supported}")
    context = _context(client) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return None if context is None else SSLCredentials(context)
    mechanism = client.get("sasl.mechanism") or client.get("sasl.mechanisms")
    if mechanism not in _MECHANISMS:
        raise _refused("sasl.mechanism", f"it must be one of {', '.join(_MECHANISMS)}")
    return SASLCredentials(
        username=client.get("sasl.username", ""),
        password=client.get("sasl.password", ""),
        mechanism=mechanism,
        ssl_context=context,
    )


def _context(client: Mapping[str, Any]) -> ssl.SSLContext:
    where = client.get("ssl.ca.location")
    if where == "probe":  # librdkafka's word for the system's own
        where = None
    folder = where is not None and Path(where).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else where, capath=where if folder else None
        )
    except OSError as error:
        raise _refused("ssl.ca.location", f"it can't be used: {error}") from None
    if certificate := client.get("ssl.certificate.location"):
        try:
            context.load_cert_chain(
                certificate,
                client.get("ssl.key.location"),
                client.get(
                    "ssl.key.password", ""
                ),  # without a password, OpenSSL would prompt on the terminal
            )
        except OSError as error:
            raise _refused("ssl.certificate.location", f"it can't be used: {error}") from None
    checked = str(client.get("enable.ssl.certificate.verification", "true")).lower()
    if checked == "false" or client.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if checked == "false":
        context.verify_mode = ssl.CERT_NONE
    return context


def _refused(option: str, why: str) -> SettingsError:
    variable = f"JOURNEYS_KAFKA_{option.upper().replace('.', '_')}"
    return SettingsError(f"{variable} can't be used: {why}.")
