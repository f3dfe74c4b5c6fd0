"""The toy step, used by every Python contender: each event updates a record and may give an output.

Law: it imports only the standard library, as the other frameworks run in a separate environment.
The Java contender does the same in ToyStep.java.
"""

from __future__ import annotations

from typing import Any

MOST_WAITS = 2
DEAREST_IGNORED = 50.0


def step(
    record: dict[str, Any] | None, event: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The user's record after the event, and the output of a checkout above 50."""
    count = 1 if record is None else record["count"] + 1
    waits = [] if record is None else record["waits"]
    output = None
    properties = event["properties"]
    if event["event"] == "checkout_started" and properties["total"] > DEAREST_IGNORED:
        message, user, cart = event["messageId"], event["userId"], properties["cartId"]
        waits = [*waits, {"id": message, "cart": cart, "step": "bought"}][-MOST_WAITS:]
        output = {
            "id": f"{user}:{message}",
            "user": user,
            "total": properties["total"],
            "cart": cart,
            "url": properties["url"],
            "n": count,
            "sent": properties["sent"],
        }
    return {"count": count, "last": event["messageId"], "waits": waits}, output
