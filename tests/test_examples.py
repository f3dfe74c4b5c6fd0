"""The examples: their documents hold alone and together, and their own tests go every way there is.

A reader takes the language from them, so a way that no test goes is a rule that is not told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.checks.check import check
from journeys.documents.journey import Journey
from journeys.nodes.criteria import Criteria
from journeys.nodes.parallel import Parallel
from journeys.nodes.wait_for_event import WaitForEvent
from journeys.records.outcome import Outcome
from journeys.simulation.backtest import Backtest
from journeys.simulation.canned_responses import Canned, read_responses
from journeys.simulation.testing.run import Result, run_test
from journeys.simulation.testing.suite import SuiteFile, read_tests
from journeys.simulation.testing.words import check_names
from journeys.views.drawing import drawing_of

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/journey.yaml"))
YAML = sorted({*EXAMPLES.glob("*/*.yaml")} - {EXAMPLES / "checkout" / "journey.yaml"})
"""All but the one that the README of the project shows as it is."""
SCHEMAS = {"journey.yaml": "documents", "journey.test.yaml": "test", "responses.yaml": "responses"}
SENT = {
    "checkout": {"mailer": 1},
    "checkout-abandonment": {"checkout-onsite": 3, "checkout-sms": 1, "checkout-mail": 2},
    "fraud": {"core-banking": 3, "fraud-slack": 3, "identity": 2, "fraud-desk": 2},
}
"""How many messages the events in a folder bring about, by destination."""

Place = tuple[str, str]
"""A journey and a node."""
Way = tuple[str, str, str]
"""Of a journey, where a way begins, and which one it is."""


def name_of(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def documents(folder: Path) -> Catalog:
    catalog = catalog_of([("journey.yaml", (folder / "journey.yaml").read_bytes())], KINDS)
    assert isinstance(catalog, Catalog), catalog
    return catalog


def journeys(catalog: Catalog) -> list[Journey]:
    return [catalog.versions[name, now.version] for name, now in catalog.journeys.items()]


def results(folder: Path, catalog: Catalog) -> list[Result]:
    file = folder / "journey.test.yaml"
    tests = read_tests(file.read_bytes(), name_of(file))
    assert isinstance(tests, SuiteFile), tests
    assert check_names(tests, catalog) == []
    running = RunningCatalog(catalog)
    return [run_test(tests, number, running) for number in range(len(tests.suite.tests))]


def ways(journey: Journey) -> Iterator[Way]:
    """Every way that instances of a journey can go, and every end of their own."""
    name = journey.name
    for arrow in drawing_of(journey).arrows:
        yield name, arrow.source, f"to {arrow.target}"
    for node_name, node in journey.nodes.items():
        if isinstance(node, Criteria):
            for branch in (*range(len(node.branches)), "otherwise"):
                yield name, node_name, f"branch {branch}"
        elif isinstance(node, WaitForEvent):
            for event in node.awaits():
                yield name, node_name, f"matched {event}"
            if node.within != "forever":
                yield name, node_name, "timed out"
    for one in journey.exit:
        yield name, "exit", f"{one.event}: {one.reason}"
    if journey.goal is not None:
        yield name, "goal", "reached"


def gone(outcomes: Iterable[Outcome], joins: dict[Place, str | None]) -> Iterator[Way]:
    """The ways that the instances of one history went."""
    stands: dict[str, str] = {}
    forks: dict[str, str] = {}
    for one in outcomes:
        if one.journey is None or one.instance is None:
            continue
        name, node, detail = one.journey, one.node or "", one.detail or {}
        match one.type:
            case "journey.entered":
                stands[one.instance] = ":entry"
            case "branch.started":
                stands[one.instance] = forks[one.instance] = node
            case "branch.ended" if detail["reason"] == "joined":
                yield name, stands[one.instance], f"to {joins[name, forks[one.instance]]}"
            case "node.reached":
                yield name, stands[one.instance], f"to {node}"
                stands[one.instance] = node
            case "criteria.matched":
                yield name, node, f"branch {detail['branch']}"
            case "wait.matched" if "event" in detail:
                yield name, node, f"matched {detail['event']}"
            case "wait.timed_out":
                yield name, node, "timed out"
            case "goal.reached":
                yield name, "goal", "reached"
            case "journey.exited" if detail["reason"] == "end":
                yield name, node, "to :end"
            case "journey.exited" if "event" in detail:
                yield name, "exit", f"{detail['event']}: {detail['reason']}"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_its_tests_hold_and_go_every_way(folder: Path) -> None:
    catalog = documents(folder)
    found = results(folder, catalog)
    assert [(one.name, one.failures) for one in found if one.failures] == []
    stories = ([outcome for part in one.timeline for outcome in part.outcomes] for one in found)
    joins = {
        (one.name, name): node.next or one.below(name)
        for one in journeys(catalog)
        for name, node in one.nodes.items()
        if isinstance(node, Parallel)
    }
    went = {way for story in stories for way in gone(story, joins)}
    assert {way for one in journeys(catalog) for way in ways(one)} - went == set()


@pytest.mark.parametrize("folder", [path for path in FOLDERS if path.name in SENT], ids=name_of)
def test_its_events_bring_about_what_it_says(folder: Path) -> None:
    catalog = documents(folder)
    file = folder / "responses.yaml"
    read = read_responses(file.read_bytes(), file.name) if file.exists() else []
    canned = [one for one in read if isinstance(one, Canned)]
    assert len(canned) == len(read), read
    run = Backtest(RunningCatalog(catalog), "events.jsonl", canned)
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    effects = list(run.run(lines, drain=True))
    outcomes = [one for part in effects for one in part.outcomes]
    assert [one for part in effects for one in part.dead] == []
    assert run.waiting == 0
    failed = {"event.rejected", "expression.failed", "action.skipped"}
    assert failed.isdisjoint(one.type for one in outcomes)
    entered = {one.journey for one in outcomes if one.type == "journey.entered"}
    assert entered == {one.name for one in journeys(catalog)}
    sent = Counter(one.destination for part in effects for one in part.actions)
    assert sent == SENT[folder.name]


def test_events_that_are_there_are_played() -> None:
    assert {path.parent.name for path in EXAMPLES.glob("*/events.jsonl")} == set(SENT)


def test_all_of_them_run_side_by_side() -> None:
    files = [(name_of(path), path.read_bytes()) for path in EXAMPLES.glob("*/journey.yaml")]
    assert check(files, KINDS)[1] == []


def test_each_is_on_the_list() -> None:
    listed = re.findall(r"^\| \[`([\w-]+)`\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.M)
    assert sorted(listed) == [folder.name for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_each_folder_has_a_readme_that_says_what_it_is(folder: Path) -> None:
    assert (folder / "journey.test.yaml").exists()
    readme = (folder / "README.md").read_text()
    assert readme.startswith("# ")
    commands = re.findall(rf"examples/{folder.name}(?:/[\w.]+)?", readme)
    assert [one for one in commands if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("path", YAML, ids=name_of)
def test_its_first_line_leads_an_editor_to_its_schema(path: Path) -> None:
    schema = ROOT / "docs" / "schema" / "v1" / f"{SCHEMAS[path.name]}.schema.json"
    first = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert first is not None
    assert (path.parent / first[1]).resolve() == schema
    assert schema.is_file()
