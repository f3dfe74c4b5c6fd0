"""`python -m tests.torture [SCENARIO...] [--seed N]`: the proof that nothing is lost or done twice.

One line a scenario, and one JSON object in torture.jsonl; exit code 0 only when all are zeros.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.torture.run import columns, run
from tests.torture.scenarios import SCENARIOS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--results", type=Path, default=Path("torture.jsonl"))
    chosen = parser.parse_args()
    names = [name for text in chosen.scenarios for name in text.split(",") if name] or [*SCENARIOS]
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    seed = random.randrange(1 << 31) if chosen.seed is None else chosen.seed
    print(f"seed {seed}: make torture SCENARIOS={','.join(names)} SEED={seed}", flush=True)
    failed = []
    with chosen.results.open("w") as results:
        for number, name in enumerate(names):
            if number % 20 == 0:
                print(columns(), flush=True)
            result = _run(name, seed)
            print(result.pop("line"), flush=True)
            results.write(json.dumps(result) + "\n")
            results.flush()
            if result["faults"]:
                failed.append(name)
    if failed:
        sys.exit(f"not all zeros: {', '.join(failed)} (seed {seed})")


def _run(name: str, seed: int) -> dict[str, Any]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as directory:
        try:
            result = run(name, seed, Path(directory))
        except Exception as error:  # noqa: BLE001 - the other scenarios go on
            traceback.print_exc()
            return {
                "scenario": name,
                "seed": seed,
                "faults": {"error": f"{type(error).__name__}: {error}"},
                "line": f"{name:<34}failed: {type(error).__name__}: {str(error)[:80]}",
            }
    account = result.account
    return {
        "scenario": name,
        "seed": seed,
        **{k: v for k, v in asdict(account).items() if k != "shown"},
        "done": dict(result.done),
        "faults": result.faults(),
        "seconds": round(time.monotonic() - started, 1),
        "line": result.line(),
    }


if __name__ == "__main__":
    main()
