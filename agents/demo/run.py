"""Runs the demo: starts Kafka, workers and receiver, plays the history, computes the account.

Law: however it ends, everything that it started is stopped and everything that it created is
removed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from confluent_kafka import TopicPartition
from rich.console import Console
from rich.live import Live

from agents.demo import show, texts
from agents.demo.account import Account, applied, settle
from agents.demo.history import Expected, History, load
from agents.demo.log import Follower, Player
from agents.demo.receiver import Receiver
from agents.demo.scene import Scene
from agents.demo.tree import places
from agents.demo.workers import Workers, environment
from agents.errors import UserError
from agents.kafka.broker import committed_ends, reach
from agents.kafka.client import admin_client, admin_queries
from agents.kafka.creating import create_topics
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.produce import write
from agents.kafka.read_to_end import read_to_end
from agents.kafka.topics import CONFIG, DEAD, EVENTS, OUTCOMES, USERS, actions, physical

PARTITIONS = 4
_READY_SECONDS = 120.0
_VERDICT_SECONDS = 30.0
_STALL_SECONDS = 60.0
_SETTLE_SECONDS = 15.0
_LINE_SECONDS = 3.0
_SAMPLE_SECONDS = 0.25
_FRAMES = 5
_POLL_SECONDS = 0.05


class DemoFailed(UserError):
    """The demo could not be played to its end."""


def run(workers: int, seconds: float, keep: bool, console: Console) -> bool:
    """Plays the demo; returns whether nothing was lost and nothing repeated.

    Args:
        workers: of evaluate.
        seconds: how long the four years take; 0: as fast as they go.
        keep: keep running after the summary, until a signal stops the process.
        console: where it is shown; on a terminal as a screen that is updated.

    Raises:
        UserError: it could not be played.
    """
    history = load()
    scene = Scene(history.journey.name, places(history.journey), len(history.events))
    with ThreadPoolExecutor(1) as aside, ExitStack() as started:
        try:
            with _shown(scene, console):
                broker = _start(scene, history, workers, started, console)
                expected = aside.submit(history.expected)
                _play(scene, history, broker, seconds, started)
                with scene.step("summary"):
                    account = _account(scene, broker, expected.result())
        except Exception:
            _print_last_lines(scene, console)
            raise
        console.print(texts.summary(scene, account))
        if not account.clean:
            _print_last_lines(scene, console)
        if keep:
            console.print(texts.commands(broker, _program()), soft_wrap=True)
            while True:
                time.sleep(3_600)
        began = time.monotonic()
        with console.status("stopping"):
            started.close()
    console.print(
        f"played in {scene.elapsed:.1f} s; everything has stopped "
        f"({time.monotonic() - began:.1f} s of it) and is removed",
        style="bright_black",
    )
    return account.clean


def _start(
    scene: Scene, history: History, evaluators: int, started: ExitStack, console: Console
) -> str:
    """Starts everything that the history needs; returns the broker's address."""
    scene.receiver = started.enter_context(Receiver(history.port))

    def report(text: str) -> None:
        scene.steps[-1].note = text
        if not console.is_terminal:
            console.print(text, soft_wrap=True)

    with scene.step("Kafka"):
        named = os.environ.get("JOURNEYS_BROKER", "").strip()
        if named:
            broker, state = started.enter_context(_borrowed(named))
        else:
            for name in [name for name in os.environ if name.startswith("JOURNEYS_KAFKA_")]:
                del os.environ[name]  # these options are meant for another Kafka
            kafka = started.enter_context(EmbeddedKafka(report=report))
            broker, state = kafka.bootstrap, kafka.log_path.with_name("state")
    with scene.step("topics"):
        create_topics(broker, PARTITIONS)
    follower = Follower(broker, [OUTCOMES, USERS], scene.tally.add)
    started.callback(follower.stop)
    follower.start()
    workers = Workers(scene, environment(broker, state, scene.receiver.port), started, report)
    with scene.step("workers"):
        workers.start({"register": 1, "evaluate": evaluators}).wait_ready(_READY_SECONDS)
    with scene.step("journey"):
        _push(scene, broker, history.received_at(scene.receiver.port))
    # If it were started before the push, it would restart for the new destinations. Actions wait
    # for it.
    workers.start({"deliver": 1})
    return broker


@contextmanager
def _borrowed(broker: str) -> Iterator[tuple[str, Path]]:
    """The Kafka at JOURNEYS_BROKER: the engine's topics are created there, and removed at the
    end."""

    def ours() -> list[str]:
        return [name for name in reach(broker) if name.startswith(physical("journeys."))]

    if ours():
        raise UserError(
            f"The Kafka at {broker} (JOURNEYS_BROKER) has the engine's topics already; the demo "
            "plays only where there are none. Without JOURNEYS_BROKER it starts a Kafka of its own."
        )
    with tempfile.TemporaryDirectory(prefix="journeys-demo-", ignore_cleanup_errors=True) as folder:
        try:
            yield broker, Path(folder) / "state"
        finally:
            client = admin_client(broker)  # must be kept alive: the futures end with it
            for future in client.delete_topics(ours()).values():
                future.result(10)


def _push(scene: Scene, broker: str, text: str) -> None:
    """Pushes the documents and waits for the verdict on all of them."""
    offset = write(broker, CONFIG, text.encode())
    deadline = time.monotonic() + _VERDICT_SECONDS
    while time.monotonic() < deadline:
        found = [one for one in scene.tally.verdicts if one.cause.offset == offset]
        for verdict in found:
            if verdict.type == "config.rejected":
                raise DemoFailed(f"The journey was rejected: {verdict.detail}")
        if found and found[0].detail is not None and len(found) == found[0].detail["documents"]:
            return
        time.sleep(_POLL_SECONDS)
    raise DemoFailed(f"There was no verdict on the journey within {_VERDICT_SECONDS:.0f} s.")


def _play(scene: Scene, history: History, broker: str, seconds: float, started: ExitStack) -> None:
    """Plays the history, and waits until everything is applied and delivered, or nothing changes
    any more."""
    scene.bases = _ends(broker)
    player = Player(broker, history.events, seconds, PARTITIONS)
    started.callback(player.stop)
    with scene.step("four years"):
        scene.player = player
        player.start()
        _wait(scene, lambda: not player.is_alive())
        if player.failed is not None:
            raise DemoFailed(f"The history could not be sent: {player.failed}")
    with scene.step("the rest"):
        ends = _ends(broker)
        _wait(scene, lambda: applied(scene.tally, ends))


def _wait(scene: Scene, over: Callable[[], bool]) -> None:
    """Waits until it is over or nothing changes any more; the account then shows what is
    missing."""
    changed, before = time.monotonic(), -1
    while not over() and time.monotonic() - changed < _STALL_SECONDS:
        now = scene.acknowledged + scene.applied + len(scene.tally.outcomes)
        if now != before:
            changed, before = time.monotonic(), now
        time.sleep(_POLL_SECONDS)


def _account(scene: Scene, broker: str, expected: Expected) -> Account:
    """Reads all topics again, from the start."""
    assert scene.receiver is not None
    receiver = scene.receiver
    to = sorted({topic for topic in reach(broker) if topic.startswith(actions(""))})
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        account = settle(
            chain.from_iterable(read_to_end(broker, [EVENTS, USERS, OUTCOMES, DEAD, *to])),
            acknowledged=scene.acknowledged,
            ends=_ends(broker),
            expected=expected,
            accepted=receiver.accepted,
            requests=receiver.requests,
            refused=receiver.refused,
        )
        if not account.lost or time.monotonic() > deadline:
            return account


def _ends(broker: str) -> dict[int, int]:
    partitions = [TopicPartition(EVENTS, number) for number in range(PARTITIONS)]
    return committed_ends(admin_queries(broker), partitions)


@contextmanager
def _shown(scene: Scene, console: Console) -> Iterator[None]:
    """Shows the scene during the block."""
    over = threading.Event()

    def update() -> None:
        printed, steps = scene.elapsed, 0
        while not over.wait(_SAMPLE_SECONDS):
            scene.sample()
            if console.is_terminal:
                continue
            for step in [one for one in scene.steps[steps:] if one.seconds is not None]:
                console.print(f"✓ {step.name} {step.seconds:.1f} s", highlight=False)
                steps += 1
            if scene.elapsed - printed >= _LINE_SECONDS:
                printed += _LINE_SECONDS
                console.print(texts.line(scene), soft_wrap=True, highlight=False)

    with ExitStack() as shown:
        if console.is_terminal:
            live = Live(
                console=console,
                get_renderable=lambda: show.screen(scene, *console.size, last=over.is_set()),
                refresh_per_second=_FRAMES,
            )
            shown.enter_context(live)
        thread = threading.Thread(target=update, name="showing", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_LINE_SECONDS + 1)


def _program() -> str:
    """The command that starts this program from the current folder."""
    called = Path(sys.argv[0])
    found = shutil.which(called.name)
    if found is not None and Path(found).samefile(called):
        return called.name
    return os.path.relpath(called)


def _print_last_lines(scene: Scene, console: Console) -> None:
    """Prints the last lines of the workers, which may explain a failure."""
    for name, line in list(scene.lines)[-20:]:
        console.print(f"{name} | {line}", style="bright_black", soft_wrap=True, markup=False)
