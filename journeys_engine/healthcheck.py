"""Asks the worker of this container whether its event loop runs: the image's HEALTHCHECK.

Only what Python brings is imported, as it is started again every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 4.0


def main() -> int:
    """0 where `/live` answers 200 at JOURNEYS_HEALTH_PORT, else 1."""
    port = os.environ.get("JOURNEYS_HEALTH_PORT", "")
    token = os.environ.get("JOURNEYS_HEALTH_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        page = http.client.HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
        page.request("GET", "/live", headers=headers)
        return 0 if page.getresponse().status == 200 else 1
    except (OSError, ValueError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
