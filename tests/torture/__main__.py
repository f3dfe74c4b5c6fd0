"""`python -m tests.torture [SCENARIO...]`: the proof that nothing is lost or done twice.

One line a scenario, and one JSON object in torture.jsonl; a summary at the end; exit code 0 only
when all are zeros.
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

from tests.torture.account import NEUTRAL, Account
from tests.torture.run import columns, run
from tests.torture.scenarios.every import SCENARIOS, names_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"names, or those of families; all of them without any: {', '.join(SCENARIOS)}",
    )
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="below 1: as much shorter (default 1)"
    )
    parser.add_argument("--results", type=Path, default=Path("torture.jsonl"))
    chosen = parser.parse_args()
    try:
        names = names_of(name for text in chosen.scenarios for name in text.split(",") if name)
    except LookupError as error:
        parser.error(str(error))
    seed = random.randrange(1 << 31) if chosen.seed is None else chosen.seed
    again = f"make torture SCENARIOS={','.join(names)} SEED={seed} SCALE={chosen.scale:g}"
    print(f"seed {seed}: {again}", flush=True)
    began, results = time.monotonic(), []
    with chosen.results.open("w") as file:
        for number, name in enumerate(names):
            if number % 20 == 0:
                print(columns(), flush=True)
            result = _run(name, seed, chosen.scale)
            print(result.pop("line"), flush=True)
            file.write(json.dumps(result) + "\n")
            file.flush()
            results.append(result)
    print(summary(results, time.monotonic() - began))
    if failed := [one["scenario"] for one in results if one["faults"]]:
        sys.exit(f"not all zeros: {', '.join(failed)} (seed {seed})")


def summary(results: list[dict[str, Any]], seconds: float) -> str:
    """What all scenarios came to, in two lines."""
    total = {
        name: sum(one.get(name, 0) for one in results)
        for name, value in asdict(Account()).items()
        if isinstance(value, int)
    }
    kept = sum(not one["faults"] for one in results)
    played = ", ".join(f"{total[name]} {name}" for name in ("inputs", "actions", "timers", "calls"))
    wrong = ", ".join(f"{name} {n}" for name, n in total.items() if name not in NEUTRAL)
    minutes = f"{seconds / 60:.1f} min"
    return f"{kept} of {len(results)} scenarios kept the promise in {minutes}: {played}\n{wrong}"


def _run(name: str, seed: int, scale: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as directory:
        try:
            result = run(name, seed, Path(directory), scale)
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
        "seconds": round(result.seconds, 1),
        "line": result.line(),
    }


if __name__ == "__main__":
    main()
