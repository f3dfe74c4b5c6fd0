"""Workers that are killed, frozen and stopped at random, until the account is drawn up.

`python -m tests.agents.runtime.chaos [SECONDS [SEED]]` starts a Kafka of its own.
"""

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.agents.runtime.cluster import Account, Cluster

PARTITIONS = 8
WORKERS = (1, 2, 3)
RATE = 400
_PAUSE = threading.Event()


def chaos(broker: str, directory: Path, seconds: float, seed: int) -> tuple[Account, Counter[str]]:
    """Returns the account, and how often what was done to the workers."""
    chance = random.Random(seed)
    cluster = Cluster(broker, directory, PARTITIONS)
    done: Counter[str] = Counter()
    frozen: dict[int, float] = {}
    try:
        for number in WORKERS:
            cluster.start(number)
        traffic = cluster.produce_beside(int(seconds * RATE), RATE, seed=seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _PAUSE.wait(chance.uniform(0.1, 4))
            for number in [n for n, until in frozen.items() if until < time.monotonic()]:
                del frozen[number]
                cluster.thaw(number)
            for number in WORKERS:
                if cluster.workers[number].poll() is not None:
                    done["ended by itself"] += 1
                    cluster.start(number)
            number = chance.choice(WORKERS)
            if number in frozen:
                continue
            what = chance.choice(("killed", "killed", "frozen", "stopped"))
            done[what] += 1
            if what == "killed":
                cluster.kill(number)
                cluster.start(number)
            elif what == "frozen":
                cluster.freeze(number)
                frozen[number] = time.monotonic() + chance.choice((0.5, 3, 10))
            else:
                code = cluster.stop(number, 60)
                done[f"stop ended with {code}"] += 1
                cluster.start(number)
        for number in frozen:
            cluster.thaw(number)
        traffic.join()
        keep_running(cluster, done)
        return cluster.account(), done
    finally:
        cluster.close()


def keep_running(cluster: Cluster, done: Counter[str]) -> None:
    """Waits until everything is applied, as a supervisor would."""
    drained = threading.Event()

    def supervise() -> None:
        while not drained.wait(0.5):
            for number in WORKERS:
                if cluster.workers[number].poll() is not None:
                    done["ended by itself"] += 1
                    cluster.start(number)

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        cluster.drained()
    finally:
        drained.set()
        supervisor.join()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 90
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, logs in {directory}", flush=True)
    with EmbeddedKafka() as broker:
        account, done = chaos(broker.bootstrap, directory, seconds, seed)
    print(dict(done), account)
    sys.exit(bool(account.faults()))


if __name__ == "__main__":
    main()
