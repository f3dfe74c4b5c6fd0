"""The toy step on Quix Streams, as in its documentation: a stateful apply with all defaults."""

import os

from quixstreams import Application

from benchmarks.contenders.toy import step

app = Application(
    broker_address=os.environ["BROKER"],
    consumer_group=os.environ["NAME"],
    auto_offset_reset="earliest",
    state_dir=os.environ["STATE"],
    loglevel="WARNING",
)
events = app.topic(os.environ["INPUT"], key_deserializer="str", value_deserializer="json")
outputs = app.topic(os.environ["OUTPUT"], key_serializer="str", value_serializer="json")


def toy(event, state):
    record, output = step(state.get("record"), event)
    state.set("record", record)
    return output


stream = app.dataframe(events).apply(toy, stateful=True)
stream = stream.filter(lambda output: output is not None)
stream = stream.to_topic(outputs)

if __name__ == "__main__":
    app.run()
