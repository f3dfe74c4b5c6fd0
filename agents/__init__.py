"""The running system.

The roles register, evaluate and deliver, the runtime loop that they share, the clients of Kafka and
of destinations, the demo and the command line. Imports go one way: agents -> tables -> journeys.
"""

import sys

# httpx imports its command line, and with it click, rich and pygments, if they can be imported:
# 0.25 s of CPU for each worker that calls destinations.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
