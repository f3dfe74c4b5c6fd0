"""The toy step on Faust, as in its documentation: an agent, a RocksDB table, JSON topics."""

import os

import faust

from benchmarks.contenders.toy import step

app = faust.App(
    os.environ["NAME"],
    broker=f"kafka://{os.environ['BROKER']}",
    store="rocksdb://",
    datadir=os.environ["STATE"],
    topic_partitions=int(os.environ["PARTITIONS"]),
)
events = app.topic(os.environ["INPUT"], key_type=str, key_serializer="raw", value_serializer="json")
outputs = app.topic(
    os.environ["OUTPUT"], key_type=str, key_serializer="raw", value_serializer="json"
)
users = app.Table("users")


@app.agent(events)
async def toy(stream):
    async for event in stream:
        user = event["userId"]
        users[user], output = step(users.get(user), event)
        if output is not None:
            await outputs.send(key=user, value=output)


if __name__ == "__main__":
    app.main()
