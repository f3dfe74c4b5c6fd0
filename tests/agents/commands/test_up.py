"""`journeys up`: everything runs and keeps running, and leaves nothing behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.topics import TOPICS
from agents.processes.program import JOURNEYS
from agents.processes.supervisor import Supervisor
from tests.agents.commands.conftest import Journeys, Process

pytestmark = pytest.mark.fault


@pytest.fixture
def journeys(empty_kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Journeys]:
    """The command line on an empty Kafka; making the topics is left to `up`."""
    command = Journeys(empty_kafka.bootstrap, tmp_path)
    yield command
    command.close()


def workers(up: Process) -> dict[str, psutil.Process]:
    """The worker processes below `up`, by role."""
    found = {}
    for process in psutil.Process(up.popen.pid).children(recursive=True):
        command = process.cmdline()
        if command[1:5] == [*JOURNEYS[1:], "worker"]:
            found[command[5]] = process
    return found


def wait_ready(up: Process) -> None:
    """Returns when all workers are ready; before that, each prints the address of its page."""
    while up.until("ready") != "ready\n":
        pass


def test_up_makes_the_topics_and_runs_every_role_until_it_is_told_to_stop(
    journeys: Journeys,
) -> None:
    journeys.environment["JOURNEYS_HEALTH_TOKEN"] = token = "a-token-of-this-test"
    up = journeys.start("up", "--evaluate", "2", "--clock", "stream")
    up.until("made journeys.events")
    wait_ready(up)
    assert sorted(workers(up)) == ["deliver", "evaluate", "register"]
    assert_only_who_is_here_and_shows_it_is_answered(up, token)

    workers(up)["evaluate"].kill()
    name, said = up.until(" | ended").split(" | ")
    assert name in ("evaluate-0", "evaluate-1")
    assert said == "ended (signal 9), starts again in 1 s\n"
    up.until(f"{name} | evaluate: started")
    assert sorted(workers(up)) == ["deliver", "evaluate", "register"]
    folders = {path.name for path in (journeys.folder / "state").iterdir()}
    names = {"register-0", "evaluate-0", "evaluate-1", "deliver-0"}
    assert folders == names | {f"{one}.lock" for one in names}

    everything = psutil.Process(up.popen.pid).children(recursive=True)
    up.popen.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert up.ended() == 0
    assert time.monotonic() - began < 30
    assert [one for one in everything if one.is_running()] == []
    assert token not in up.output


def assert_only_who_is_here_and_shows_it_is_answered(up: Process, token: str) -> None:
    """The readiness pages listen on this machine alone, and want the token."""
    listening = {
        connection.laddr
        for process in psutil.Process(up.popen.pid).children(recursive=True)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert len(listening) == 4
    with httpx.Client(trust_env=False) as client:
        for address in listening:
            for shown in (None, "Bearer another", token, f"Basic {token}", "Bearer \xfc"):
                headers = {} if shown is None else {"Authorization": shown.encode()}
                for page in ("ready", "live", "nowhere"):
                    url = f"http://{address.ip}:{address.port}/{page}"
                    assert client.get(url, headers=headers).status_code == 401
            good = {"Authorization": f"Bearer {token}"}
            page = client.get(f"http://{address.ip}:{address.port}/ready", headers=good)
            assert page.json()["ready"] is True


def test_no_worker_outlives_an_up_that_was_killed(journeys: Journeys) -> None:
    up = journeys.start("up", "--deliver", "0")
    wait_ready(up)
    everything = psutil.Process(up.popen.pid).children(recursive=True)
    assert len(everything) == 4  # two workers, each with its guard
    up.popen.kill()
    _, alive = psutil.wait_procs(everything, timeout=60)
    assert alive == []


def test_what_only_a_user_can_mend_ends_up_at_once(journeys: Journeys) -> None:
    journeys.environment["JOURNEYS_ALLOW_HOSTS"] = "//"
    done = journeys.run("up")
    assert done.returncode == 1
    warning, reason = done.stderr.splitlines()
    assert warning.startswith("warning: All topics have a single copy")
    assert reason.startswith("journeys: deliver-0 can't start: JOURNEYS_ALLOW_HOSTS")


def test_a_different_number_of_partitions_is_reported(journeys: Journeys) -> None:
    assert journeys.run("topics", "create").returncode == 0
    journeys.environment["JOURNEYS_PARTITIONS"] = "7"
    done = journeys.run("up")
    assert done.returncode == 1
    assert done.stderr.startswith("journeys: journeys.events exists with 4 partitions, 7 were")
    assert done.stderr.count("\n") == 1


def test_topics_whose_partitions_do_not_fit_end_up_and_workers(journeys: Journeys) -> None:
    users = next(topic for topic in TOPICS if topic.name == "journeys.users")
    admin = AdminClient({"bootstrap.servers": journeys.environment["JOURNEYS_BROKER"]})
    wrong = NewTopic(users.name, num_partitions=2, replication_factor=1, config=users.settings)
    for future in admin.create_topics([wrong]).values():
        future.result(10)
    for command in ("up", "worker evaluate"):
        done = journeys.run(*command.split())
        assert done.returncode == 1
        assert done.stderr.startswith(
            "journeys: The topic journeys.users has 2 partitions; it must"
            if command == "up"
            else "journeys: The topic journeys.config does not exist, though others"
        )
        assert done.stderr.count("\n") == 1


def test_a_supervisor_starts_kills_restarts_and_stops(journeys: Journeys) -> None:
    assert journeys.run("topics", "create").returncode == 0
    lines: list[str] = []
    roles = {"register": 1, "evaluate": 1}
    with Supervisor(
        roles, environment=journeys.environment, report=lambda name, line: lines.append(line)
    ) as workers:
        workers.wait_ready(120)
        assert workers.readiness() == {"register-0": True, "evaluate-0": True}
        first = workers.pid("evaluate-0")
        assert first is not None
        workers.kill("evaluate-0")
        psutil.wait_procs([psutil.Process(first)] if psutil.pid_exists(first) else [], timeout=60)
        assert workers.readiness()["evaluate-0"] is False
        workers.wait_ready(120)
        second = workers.pid("evaluate-0")
        assert second not in (first, None)
        workers.restart("evaluate-0")
        psutil.wait_procs([psutil.Process(second)], timeout=60)
        workers.wait_ready(120)
        assert "ended (exit code 0), starts again in 2 s" in lines
        last = [workers.pid(name) for name in workers.names]
    assert not any(pid and psutil.pid_exists(pid) for pid in last)


@pytest.mark.world
def test_a_broker_that_goes_away_and_comes_back_is_survived(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    journeys = Journeys(own_kafka.bootstrap, tmp_path)
    up = journeys.start("up", "--deliver", "0")
    wait_ready(up)
    own_kafka.kill()
    workers(up)["evaluate"].kill()
    up.until("journeys: No Kafka broker answered")
    up.until("evaluate-0 | ended (exit code 1), starts again")
    own_kafka.restart()
    up.until("evaluate-0 | evaluate: started")
    up.popen.send_signal(signal.SIGINT)
    assert up.ended() == 0
