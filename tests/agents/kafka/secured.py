"""A Kafka that asks for certificates and passwords and gives each user the rights of the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.docs.pages import DOCS, blocks
from tests.loopback import free_port

USERS = ("producer", "operator", "register", "evaluate", "deliver")
_RESOURCES = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {one.name.replace("_", "").lower(): one for one in AclOperation}


class Secured:
    """The broker's certified listener, and what its users need."""

    def __init__(self, kafka: EmbeddedKafka, port: int, folder: Path) -> None:
        self.kafka = kafka
        self.address = f"127.0.0.1:{port}"
        self.folder = folder

    def environment(self, user: str) -> dict[str, str]:
        return {
            "JOURNEYS_BROKER": self.address,
            "JOURNEYS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            # Both that are in use, half of the users each.
            "JOURNEYS_KAFKA_SASL_MECHANISM": "PLAIN" if len(user) % 2 else "SCRAM-SHA-512",
            "JOURNEYS_KAFKA_SASL_USERNAME": user,
            "JOURNEYS_KAFKA_SASL_PASSWORD": password(user),
            "JOURNEYS_KAFKA_SSL_CA_LOCATION": str(self.folder / "ca.pem"),
            "JOURNEYS_KAFKA_SSL_CERTIFICATE_LOCATION": str(self.folder / "client.pem"),
            "JOURNEYS_KAFKA_SSL_KEY_LOCATION": str(self.folder / "client.pem"),
        }


def password(user: str) -> str:
    return f"sentinel-of-{user}"


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Secured]:
    """Starts it; `folder` gets the certificates."""
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "other-ca.pem"))
    for name, identity in (("broker", "127.0.0.1"), ("client", "client.test")):
        (folder / f"{name}.pem").write_bytes(_chain(ours.issue_cert(identity)))
    port = free_port()
    listener = "listener.name.sasl_ssl."
    users = " ".join(f'user_{user}="{password(user)}"' for user in USERS)
    settings = {
        f"{listener}ssl.keystore.type": "PEM",
        f"{listener}ssl.keystore.location": str(folder / "broker.pem"),
        f"{listener}ssl.truststore.type": "PEM",
        f"{listener}ssl.truststore.location": str(folder / "ca.pem"),
        f"{listener}ssl.client.auth": "required",
        f"{listener}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{listener}plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        ),
        f"{listener}scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # the broker itself, and the tests, without a password
    }
    with EmbeddedKafka(listeners={"SASL_SSL": port}, settings=settings) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        for made in admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(user, scram, password(user).encode()) for user in USERS]
        ).values():
            made.result(20)
        for created in admin.create_acls(rights_of_the_page()).values():
            created.result(20)
        yield Secured(kafka, port, folder)


def _chain(certificate: trustme.LeafCert) -> bytes:
    """The key in the form that Java reads, and its certificates."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
    return key.private_bytes(serialization.Encoding.PEM, *form) + chain


def rights_of_the_page() -> list[AclBinding]:
    """What the lines of `kafka-acls.sh` in docs/security.md give."""
    lines = [
        line.removeprefix("$ADD ")
        for _, block in blocks(DOCS / "security.md", "sh")
        for line in block.splitlines()
        if line.startswith("$ADD ")
    ]
    assert lines
    return [binding for line in lines for binding in _bindings(shlex.split(line))]


def _bindings(words: list[str]) -> Iterator[AclBinding]:
    given = list(zip(words[::2], words[1::2], strict=True))
    options = dict(given)
    prefixed = options.get("--resource-pattern-type", "literal") == "prefixed"
    for option, name in given:
        for other, operation in given:
            if option in _RESOURCES and other == "--operation":
                yield AclBinding(
                    _RESOURCES[option],
                    name,
                    ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
                    options["--allow-principal"],
                    "*",
                    _OPERATIONS[operation.lower()],
                    AclPermissionType.ALLOW,
                )
