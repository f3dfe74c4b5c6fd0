"""`journeys validate`: exact lines off a terminal, source and caret on one, exit codes."""

from __future__ import annotations

import json
import re

from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import DESTINATION, JOURNEY


def test_documents_that_hold_are_counted_on_stderr_alone(offline: Journeys) -> None:
    one = offline.write("one.yaml", DESTINATION)
    two = offline.write("two.yaml", JOURNEY + "---\n" + JOURNEY.replace("welcome", "again"))
    done = offline.run("validate", one, two)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "3 documents in 2 files: valid\n"


def test_each_problem_is_exactly_one_line_however_long(offline: Journeys) -> None:
    long = offline.write(f"{'long-' * 30}.yaml", JOURNEY)
    done = offline.run("validate", long)
    assert done.returncode == 1
    assert done.stdout == (
        f"{long}:5:42: 'destination' in node 'mail' (destination): 'mailer' is not a destination\n"
    )
    assert done.stderr == ""


def test_problems_come_in_the_order_of_the_files_and_lines(offline: Journeys) -> None:
    wrong = offline.write("b.yaml", "kind: Destnation\nname: x\n---\nkind: 5\nname: y\n")
    empty = offline.write("a.yaml", "# nothing\n")
    done = offline.run("validate", wrong, "missing.yaml", empty)
    assert done.returncode == 1
    places = [line.split(": ")[0] for line in done.stdout.splitlines()]
    assert places == ["b.yaml:1:7", "b.yaml:4:7", "missing.yaml:1:1", "a.yaml:1:1"]


def test_a_missing_file_and_an_empty_file_are_errors(offline: Journeys) -> None:
    missing = offline.run("validate", "nowhere.yaml")
    assert missing.returncode == 1
    assert missing.stdout == "nowhere.yaml:1:1: this can't be read: no such file or directory\n"
    empty = offline.run("validate", offline.write("empty.yaml", ""))
    assert empty.returncode == 1
    assert empty.stdout.startswith("empty.yaml:1:1: no document")


def test_a_node_that_no_way_leads_to_is_an_error(offline: Journeys) -> None:
    text = JOURNEY.replace("'}}", "'}, next: done}\n  lost: {type: exit}\n  done: {type: exit}")
    done = offline.run("validate", offline.write("both.yaml", DESTINATION + "---\n" + text))
    assert done.returncode == 1
    assert re.fullmatch(r"both\.yaml:11:3: .*'lost'.*\n", done.stdout), done.stdout


def test_a_terminal_shows_the_line_and_a_caret_below_the_place(offline: Journeys) -> None:
    code, shown = offline.on_terminal("validate", offline.write("journey.yaml", JOURNEY))
    assert code == 1
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r", "").splitlines()
    assert lines[0].startswith("journey.yaml:5:42: 'destination' in node 'mail'")
    assert lines[1].endswith("│ " + JOURNEY.splitlines()[4])
    assert lines[2].index("^") == lines[1].index("mailer")


def test_a_terminal_shows_in_which_lane_each_journey_and_node_runs(offline: Journeys) -> None:
    both = offline.write("both.yaml", DESTINATION + "---\n" + JOURNEY + "  done: {type: exit}\n")
    code, shown = offline.on_terminal("validate", both)
    assert code == 0
    assert "⚡ welcome\r\n   ⚡ mail, done\r\n" in shown


WARNED = DESTINATION + "---\n" + JOURNEY.replace("'${user.id}'", "user.id")
WARNING = (
    "warned.yaml:10:64: warning: 'to' in 'payload' of node 'mail' (destination): "
    "this is sent as it stands: expected '${user.id}'\n"
)


def test_a_warning_is_reported_and_ends_with_code_0(offline: Journeys) -> None:
    done = offline.run("validate", offline.write("warned.yaml", WARNED))
    assert (done.returncode, done.stdout) == (0, WARNING)
    assert done.stderr == "2 documents in 1 file: valid, 1 warning\n"


def test_a_warning_is_code_1_where_one_is_strict(offline: Journeys) -> None:
    done = offline.run("validate", "--strict", offline.write("warned.yaml", WARNED))
    assert (done.returncode, done.stdout) == (1, WARNING)
    sound = offline.write("sound.yaml", DESTINATION + "---\n" + JOURNEY)
    assert offline.run("validate", "--strict", sound).returncode == 0


def test_a_terminal_shows_the_line_that_a_warning_is_about(offline: Journeys) -> None:
    code, shown = offline.on_terminal("validate", offline.write("warned.yaml", WARNED))
    assert code == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r", "").splitlines()
    assert lines[0] + "\n" == WARNING
    assert lines[2].index("^") == lines[1].index("user.id")


def test_scripts_read_the_problems_as_json(offline: Journeys) -> None:
    name = offline.write("journey.yaml", JOURNEY)
    done = offline.run("validate", "--json", name)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["documents"] == 1
    (problem,) = found["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (name, 5, 42)
    assert problem["found"] == "mailer"
    assert problem["severity"] == "error"
    assert found["lanes"] == {"welcome": {"mail": "real_time"}}
