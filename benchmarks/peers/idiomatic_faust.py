"""The peer: an abandoned-cart job as Faust's documentation writes one. At least once, at best.

Per event: decode, look the user up in a RocksDB table, count, remember the checkout's deadline,
write the table, send an output for a checkout above 50. Settings come from the environment.
"""

import json
import os
import time
from pathlib import Path

import faust

NAME, TOPIC, TOTAL = os.environ["NAME"], os.environ["TOPIC"], int(os.environ["TOTAL"])

app = faust.App(
    NAME,
    broker=f"kafka://{os.environ['BROKER']}",
    store="rocksdb://",
    topic_partitions=4,
    datadir=os.environ["STATE"],
    web_enabled=False,
)
events = app.topic(TOPIC, key_type=str, key_serializer="raw", value_serializer="json")
output = app.topic(f"{NAME}-out", key_type=str, key_serializer="raw", value_serializer="json")
users = app.Table("users", partitions=4)

seen, started = 0, 0.0


def step(state: dict, event: dict) -> dict | None:
    state["count"] += 1
    if event["event"] != "checkout_started" or event["properties"]["total"] <= 50:
        return None
    waits = [*state["waits"], {"id": event["messageId"], "due": int(time.time() * 1000) + 3600000}]
    state["waits"] = waits[-2:]
    return {
        "id": f"abandoned-cart:{event['userId']}:{event['messageId']}",
        "userId": event["userId"],
        "template": "abandoned_cart",
        "total": event["properties"]["total"],
        "cart": event["properties"]["cartId"],
    }


@app.agent(events)
async def process(stream: faust.StreamT) -> None:
    global seen, started
    async for event in stream.events():
        state = users.get(event.key) or {"count": 0, "waits": []}
        out = step(state, event.value)
        users[event.key] = state
        if out is not None:
            await output.send(key=event.key, value=out)
        seen += 1
        if seen == 1:
            started = time.monotonic()
        if seen == TOTAL:
            finish(time.monotonic() - started)


def finish(seconds: float) -> None:
    result = {"events": seen, "seconds": seconds}
    Path(os.environ["RESULT"]).write_text(json.dumps(result))
    os._exit(0)


if __name__ == "__main__":
    app.main()
