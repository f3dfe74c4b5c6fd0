"""A copy of the program with the three types that docs/extending.md shows: one file and one line in
a list for each, and nothing else changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, parse

FILES = {
    "compose.py": "journeys/nodes/compose.py",
    "contact.py": "journeys/documents/contact.py",
    "chat.py": "agents/destinations/chat.py",
}
LINES = {
    "journeys/nodes/__init__.py": (
        "from journeys.nodes.compose import Compose",
        ("    | Exit,\n", "    | Exit\n    | Compose,\n"),
    ),
    "journeys/documents/kinds.py": (
        "from journeys.documents.contact import CONTACT",
        ("            LifecycleKind(),\n", "            LifecycleKind(),\n            CONTACT,\n"),
    ),
    "agents/destinations/types.py": (
        "from agents.destinations.chat import CHAT",
        ("(HTTP,)", "(HTTP, CHAT)"),
    ),
}
"""Of each list, the import and what becomes of the list."""

DOCUMENTS = """\
kind: Destination
name: team
type: chat
url: {url}/room/${{user.id}}
token: ${{env.TOKEN}}
retry: {{for: 10m, first: 100ms}}
---
kind: Contact
name: team-lead
destination: team
email: lead@example.com
---
kind: Journey
name: greet
entry: {{event: signed_up}}
nodes:
  hello: {{type: compose, text: 'Hello ${{event.properties.name}}'}}
  say: {{type: destination, destination: team, payload: {{text: '${{steps.hello.text}}'}}}}
  done: {{type: exit}}
"""
EVENT = {"event": "signed_up", "userId": "ann", "properties": {"name": "Ann"}}
SENT = b'{"message":{"text":"Hello Ann"}}'


def examples() -> dict[str, str]:
    """The files that docs/extending.md shows, by title."""
    document = parse(DOCS / "extending.md", lambda _: None)
    return {one.region.lexemes["title"]: str(one.parsed) for one in document.examples()}


def copy_to(folder: Path) -> None:
    """Copies the program and its tests, and adds the three types."""
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("journeys", "tables", "agents", "journeys_engine", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", "docs", "examples"):
        (folder / name).symlink_to(ROOT / name)
    shown = examples()
    for title, place in FILES.items():
        assert not (ROOT / place).exists(), f"{place} is no toy any more"
        (folder / place).write_text(shown[title])
    for place, (line, (before, after)) in LINES.items():
        text = (folder / place).read_text()
        assert text.count(before) == 1, f"{place} has no {before!r}"
        at = text.index("\nfrom ", text.index("import")) + 1
        text = text[:at] + line + "\n" + text[at:]
        (folder / place).write_text(text.replace(before, after))


def run(folder: Path, *words: str, code: int = 0, **environment: str) -> str:
    """Runs a module in the copy; what it printed."""
    kept = {name: text for name, text in os.environ.items() if "JOURNEYS" not in name}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder), **environment},  # workers start with -P
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
    )
    assert done.returncode == code, done.stdout
    return done.stdout
