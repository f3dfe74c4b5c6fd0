"""Pushes documents as one record and waits for the verdict of the register role.

Law: a push is accepted as a whole or changes nothing, and a problem is reported at its place in the
user's own file.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from agents.errors import UserError

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from journeys.problems import Problem

REJECTED = 1  # an exit code
_HINT_SECONDS = 3.0


class NoVerdict(UserError):
    """Register has not answered in time, but may still do so."""

    exit_code = 2


class Joined:
    """Several files as one text that maps each of its lines to a line of a file."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._starts: list[tuple[str, int, int]] = []  # file; its first and last line in this text
        parts: list[bytes] = []
        line = 1
        for file, content in files.items():
            text = content.removeprefix(b"\xef\xbb\xbf")
            if parts:
                # A document may begin with directives (%YAML) only after an explicit end.
                parts.append(b"...\n" if _has_directives(text) else b"---\n")
                line += 1
            if len(files) > 1 and not text.endswith((b"\n", b"\r")):
                text += b"\n"
            lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
            self._starts.append((file, line, line + max(lines - 1, 0)))
            line += lines
            parts.append(text)
        self.text = b"".join(parts)

    def place(self, line: int) -> tuple[str, int]:
        """The file and the line in it that a line of the text comes from.

        A separator between files belongs to the file before it.
        """
        for file, first, last in reversed(self._starts):
            if line >= first:
                # The last file may have a problem on the line after its end.
                end = line if (file, first, last) == self._starts[-1] else last
                return file, min(line, end) - first + 1
        return self._starts[0][0], line

    def own(self, problem: Problem) -> Problem:
        """A problem of the text as a problem of the file; lines in its message are mapped, too."""

        def on_line(match: re.Match[str]) -> str:
            return f"on line {self.place(int(match[1]))[1]}"

        def at_place(match: re.Match[str]) -> str:
            file, line = self.place(int(match[2]))
            return f"is at {file}:{line}:{match[3]}"

        file, line = self.place(problem.line)
        message = re.sub(r"\bon line (\d+)", on_line, problem.message)
        message = re.sub(rf"is at ({re.escape(problem.file)}):(\d+):(\d+)", at_place, message)
        return replace(problem, file=file, line=line, message=message)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Register's answer. `documents` is empty if there are problems."""

    offset: int
    documents: list[dict[str, Any]]
    problems: list[Problem]

    def as_json(self) -> dict[str, Any]:
        problems = [asdict(problem) for problem in self.problems]
        verdict = {"accepted": not problems, "offset": self.offset}
        return {**verdict, "documents": self.documents, "problems": problems}


def push(joined: Joined, timeout: float) -> Verdict:
    """Pushes documents and waits for the verdict.

    Raises:
        NoVerdict: none arrives within `timeout` (s).
        UserError: nothing could be pushed.
    """
    from agents.settings import Settings

    pushing = _Push(Settings.from_env().broker)
    offset = pushing.push(joined.text)
    outcomes = pushing.verdict(offset, timeout)
    if not outcomes:
        raise NoVerdict(pushing.why_no_verdict(offset, timeout))
    problems = [joined.own(one) for outcome in outcomes for one in _problems(outcome)]
    documents = [] if problems else [_document(outcome) for outcome in outcomes]
    return Verdict(offset, documents, problems)


class _Push:
    """One push and its verdict."""

    def __init__(self, broker: str) -> None:
        from agents.kafka.broker import partition_counts
        from agents.kafka.client import admin_queries, base_config
        from agents.kafka.read_to_end import Reader
        from agents.kafka.topics import CONFIG, OUTCOMES

        self._broker = broker
        self._queries = admin_queries(broker)
        partitions = partition_counts(broker, [OUTCOMES, CONFIG])[OUTCOMES]
        self._reader = Reader(base_config(broker))
        self._reader.start_at_end(OUTCOMES, range(partitions))

    def push(self, text: bytes) -> int:
        """Writes the record; returns its offset. Raises UserError."""
        from agents.kafka.produce import write
        from agents.kafka.topics import CONFIG

        if not text.strip():
            raise UserError("The files are empty: there is nothing to apply.")
        return write(self._broker, CONFIG, text)

    def verdict(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        """The outcomes of the record at this offset, in the order of its documents; empty if they
        don't arrive in time."""
        from rich.console import Console

        from journeys.ids import outcome_id_of_input

        console = Console(stderr=True)
        with console.status("waiting for the verdict") as status:
            found: dict[str, dict[str, Any]] = {}
            hint_at = time.monotonic() + _HINT_SECONDS
            for outcome in self._outcomes(offset, timeout):
                if outcome is not None:
                    found[outcome["outcome_id"]] = outcome
                    count = outcome["detail"].get("documents", 1)
                    if len(found) >= count:
                        place = (cause := outcome["cause"])["topic"], cause["partition"], offset
                        ids = [
                            outcome_id_of_input(*place, outcome["type"], number)
                            for number in range(count)
                        ]
                        return sorted(found.values(), key=lambda one: ids.index(one["outcome_id"]))
                elif time.monotonic() > hint_at and sys.stderr.isatty():
                    status.update(f"waiting for the verdict: {self._register_state()}")
                    hint_at = time.monotonic() + timeout
        return []

    def why_no_verdict(self, offset: int, timeout: float) -> str:
        from agents.kafka.topics import CONFIG

        return (
            f"No verdict within {timeout:g} s: {self._register_state()}. "
            f"The push is kept ({CONFIG}, offset {offset}) and will be checked."
        )

    def _outcomes(self, offset: int, timeout: float) -> Iterator[dict[str, Any] | None]:
        """Yields outcomes of the record, and None from time to time, until the time is over."""
        from agents.kafka.topics import CONFIG, logical
        from journeys.records.installation import topic_of

        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            for message in self._reader.batch(min(left, 0.2)):
                # Most outcomes are about users; this spares decoding them.
                if b'"config.' not in (message.value() or b""):
                    continue
                outcome = json.loads(message.value())
                cause = outcome["cause"]
                place = topic_of(cause.get("topic") or ""), cause.get("offset")
                if place == (logical(CONFIG), offset):
                    yield outcome
            yield None

    def _register_state(self) -> str:
        """Whether register is running, in words."""
        from confluent_kafka import KafkaException

        from agents.kafka.topics import application

        group = application("register")

        def members_of(client: AdminClient) -> int:
            asked = client.describe_consumer_groups([group], request_timeout=5)
            return len(asked[group].result(5).members)

        try:
            members = self._queries.run(members_of)
        except (KafkaException, TimeoutError):
            members = 0
        if members:
            return "register is running, but has not reached this push"
        return "register is not running; `journeys up` or `journeys worker register` starts it"


def _problems(outcome: dict[str, Any]) -> list[Problem]:
    from agents.kafka.topics import CONFIG, logical
    from journeys.problems import Problem

    return [Problem(file=logical(CONFIG), **one) for one in outcome["detail"].get("problems", [])]


def _document(outcome: dict[str, Any]) -> dict[str, Any]:
    detail = outcome["detail"]
    kept = {name: detail[name] for name in ("kind", "name", "status", "changed")}
    kept["change"] = detail.get("change", "changed" if detail["changed"] else "unchanged")
    return {**kept, "version": outcome["version"]}


def _has_directives(text: bytes) -> bool:
    for line in text.splitlines():
        if line.strip() and not line.startswith(b"#"):
            return line.startswith(b"%")
    return False
