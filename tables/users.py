"""The table of evaluate: what is kept of each user, by the user's id.

Law: a user is one record, and beside it its side: the memory of messageIds.
"""

from collections.abc import Collection
from itertools import islice

from journeys.records.user_record import UserRecord, decode, encode_rest
from tables.codec import Codec, HotPart
from tables.view import View

CODEC: Codec[UserRecord] = Codec(
    encode_rest,
    decode,
    UserRecord.next_due,
    # Every event adds its messageId; few do more, and a user may be on the way in many journeys.
    HotPart(
        lambda record: record.message_ids,
        UserRecord.with_message_ids,
        UserRecord.same_but_message_ids,
    ),
)


class UserRecords:
    """The table's records by user id, as the timeline asks for them."""

    def __init__(self, view: View[UserRecord]) -> None:
        self._view = view

    def get(self, user: str) -> UserRecord | None:
        return self._view.get(user.encode())

    def put(self, user: str, record: UserRecord) -> None:
        self._view.put(user.encode(), record)

    def naming(
        self, journeys: Collection[str], after: str | None, most: int
    ) -> tuple[list[str], str | None]:
        """Looks at the packed bytes, where a name stands as it is: most users needn't be read."""
        names = [journey.encode() for journey in journeys]
        users, looked, last = [], 0, b""
        for last, value in islice(self._view.packed((after or "").encode()), most):
            looked += 1
            if any(name in value for name in names):
                users.append(last.decode())
        return users, last.decode() if looked == most else None

    def next_due(self) -> tuple[int, str] | None:
        due = self._view.next_due()
        return None if due is None else (due[0], due[1].decode())
