"""The settings that a process reads from its environment, checked on reading.

Law: settings are values; nothing changes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self, cast

from agents.errors import UserError
from journeys.problems import nearest

Clock = Literal["wall", "stream"]
RecordMode = Literal["accept", "require"]


LOOPBACK = "127.0.0.1"

SETTINGS = (
    "JOURNEYS_ALLOW_HOSTS",
    "JOURNEYS_BROKER",
    "JOURNEYS_CLOCK",
    "JOURNEYS_ENV_PREFIX",
    "JOURNEYS_HEALTH_HOST",
    "JOURNEYS_HEALTH_PORT",
    "JOURNEYS_HEALTH_TOKEN",
    "JOURNEYS_PARTITIONS",
    "JOURNEYS_PREFIX",
    "JOURNEYS_RECORD_KEYS",
    "JOURNEYS_RECORD_MODE",
    "JOURNEYS_REPLICATION",
    "JOURNEYS_STATE_DIR",
)
"""Every variable that is read anywhere; a test compares them with the sources."""
SETTING_PREFIXES = ("JOURNEYS_KAFKA_", "JOURNEYS_SECRET_")
"""Prefixes of variables whose ends the user chooses."""
NO_SETTINGS = ("JOURNEYS_COMPILE", "JOURNEYS_WORKER")
"""Variables that are read during builds and by the tests."""


class SettingsError(UserError):
    """An environment variable has a value that can't be used."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    broker: bootstrap servers, `HOST:PORT` separated by commas (JOURNEYS_BROKER)
    state_dir: folder of the workers' local stores (JOURNEYS_STATE_DIR)
    clock: `wall`, or `stream` if the log's own times drive the timers (JOURNEYS_CLOCK)
    partitions: of the topics that `journeys topics create` creates (JOURNEYS_PARTITIONS)
    replication: copies of each of their partitions; None: three, or one per broker if there are
        fewer brokers (JOURNEYS_REPLICATION)
    health_host: address of a worker's health page (JOURNEYS_HEALTH_HOST)
    health_port: TCP port of that page; None: a free one (JOURNEYS_HEALTH_PORT)
    health_token: the bearer token that the page requires (JOURNEYS_HEALTH_TOKEN)
    record_keys: sign and verify the engine's own records; the first one signs
        (JOURNEYS_RECORD_KEYS)
    record_mode: whether records without a signature are refused or only counted
        (JOURNEYS_RECORD_MODE)
    accept_loss: whether a worker continues even if the log has lost records that it never applied
        (only `journeys worker --accept-loss` sets it)

    JOURNEYS_PREFIX is the prefix of all topics, groups and transactional ids: `topic_prefix`.
    JOURNEYS_KAFKA_* are options of the Kafka clients, such as security: agents/kafka/client.py.
    JOURNEYS_ALLOW_HOSTS names what destinations may reach besides public addresses, and
    JOURNEYS_SECRET_* are what their headers may use: agents/destinations.
    """

    broker: str = "127.0.0.1:9092"
    state_dir: Path = Path(".journeys/state")
    clock: Clock = "wall"
    partitions: int = 4
    replication: int | None = None
    health_host: str = LOOPBACK
    health_port: int | None = None
    health_token: str | None = field(default=None, repr=False)
    record_keys: tuple[str, ...] = field(default=(), repr=False)
    record_mode: RecordMode = "require"
    accept_loss: bool = False

    def accept_loss_of(self, role: str) -> str | None:
        """The role, if it accepts loss."""
        return role if self.accept_loss else None

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads the settings; a variable that is unset or empty means the default.

        Raises:
            SettingsError: a value can't be used; the message names the variable.
        """
        default = cls()

        def read(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        clock = read("JOURNEYS_CLOCK") or default.clock
        if clock not in ("wall", "stream"):
            raise SettingsError(f"JOURNEYS_CLOCK is {clock!r}; it must be 'wall' or 'stream'.")
        mode = read("JOURNEYS_RECORD_MODE") or default.record_mode
        if mode not in ("accept", "require"):
            raise SettingsError(
                f"JOURNEYS_RECORD_MODE is {mode!r}; it must be 'accept' or 'require'."
            )
        partitions = _whole(read("JOURNEYS_PARTITIONS"), "JOURNEYS_PARTITIONS", 1, 10_000)
        return cls(
            broker=_broker(read("JOURNEYS_BROKER") or default.broker),
            state_dir=Path(read("JOURNEYS_STATE_DIR") or default.state_dir),
            clock=cast(Clock, clock),
            partitions=partitions or default.partitions,
            replication=_whole(read("JOURNEYS_REPLICATION"), "JOURNEYS_REPLICATION", 1, 100),
            health_host=_address(read("JOURNEYS_HEALTH_HOST") or default.health_host),
            health_port=_whole(read("JOURNEYS_HEALTH_PORT"), "JOURNEYS_HEALTH_PORT", 1, 65_535),
            health_token=_token(read("JOURNEYS_HEALTH_TOKEN")),
            record_keys=_keys(read("JOURNEYS_RECORD_KEYS")),
            record_mode=cast(RecordMode, mode),
        )


def topic_prefix(environment: Mapping[str, str] = os.environ) -> str:
    """The prefix of the names of all topics, groups and transactional ids, so that several
    installations can share a cluster (JOURNEYS_PREFIX).

    Raises:
        SettingsError: Kafka doesn't allow topics with such names.
    """
    prefix = environment.get("JOURNEYS_PREFIX", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,64}", prefix):
        raise SettingsError(
            f"JOURNEYS_PREFIX is {prefix[:80]!r}; it must be at most 64 letters, digits and "
            "`.`, `_`, `-`, such as `shop.`."
        )
    return prefix


def unknown_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A warning for each variable that looks like a setting but isn't; values are not repeated,
    since they may be secrets."""
    own_prefix = environment.get("JOURNEYS_ENV_PREFIX", "").strip()
    known = {*SETTINGS, *NO_SETTINGS}
    prefixes = (*SETTING_PREFIXES, own_prefix) if own_prefix else SETTING_PREFIXES
    warnings = []
    for name in sorted(environment):
        if not name.upper().startswith(("JOURNEYS", "JOURNEY_")):
            continue
        if name in known or name.startswith(prefixes):
            continue
        near = _with_prefix(name) or nearest(name, SETTINGS, cutoff=0.8)
        hint = f": did you mean {near}?" if near else ""
        warnings.append(f"warning: {name} is not a setting and is ignored{hint}")
    return warnings


def _with_prefix(name: str) -> str | None:
    """The setting that was meant, if the prefix of a variable with a free end is misspelt."""
    start, _, end = name.partition("_")
    word, _, end = end.partition("_")
    prefix = nearest(f"{start}_{word}_", SETTING_PREFIXES, cutoff=0.85) if end else None
    return None if prefix is None else prefix + end


def _broker(text: str) -> str:
    if "@" in text:  # a password may be before it, so the value is not repeated
        raise SettingsError(
            "JOURNEYS_BROKER has an '@'; it must be HOST:PORT, several with commas between. "
            "JOURNEYS_KAFKA_SASL_USERNAME and JOURNEYS_KAFKA_SASL_PASSWORD say who connects."
        )
    for server in text.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 65_536):
            raise SettingsError(
                f"JOURNEYS_BROKER is {text!r}; it must be HOST:PORT, several with commas between."
            )
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise SettingsError(
            f"JOURNEYS_HEALTH_HOST is {text!r}; it must be an IP address of this machine, such as "
            "127.0.0.1, or 0.0.0.0 for all of them."
        ) from None


def _token(text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[!-~]{16,}", text):
        raise SettingsError(
            "JOURNEYS_HEALTH_TOKEN must be 16 or more printable ASCII characters without spaces."
        )
    return text


def _keys(text: str | None) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in (text or "").split(",") if key.strip())
    if not all(re.fullmatch("[!-~]{32,}", key) for key in keys):  # the message must not quote a key
        raise SettingsError(
            "JOURNEYS_RECORD_KEYS must be keys of 32 or more printable ASCII characters without "
            "spaces, several with commas between."
        )
    return keys


def _whole(text: str | None, name: str, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; it must be a whole number, {least} to {most}.")
    return int(text)
