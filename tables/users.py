"""The table of evaluate: the record of each user, by the user's id.

Law: a user is one record; its messageIds are the hot part, which is stored separately.
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
    # Every event adds its messageId, and most events change nothing else in a record that may be
    # large.
    HotPart(
        lambda record: record.message_ids,
        UserRecord.with_message_ids,
        UserRecord.same_but_message_ids,
    ),
)


class UserRecords:
    """The table's records by user id, as the engine reads and writes them."""

    def __init__(self, view: View[UserRecord]) -> None:
        self._view = view

    def get(self, user: str) -> UserRecord | None:
        return self._view.get(user.encode())

    def put(self, user: str, record: UserRecord) -> None:
        self._view.put(user.encode(), record)

    def naming(
        self, journeys: Collection[str], after: str | None, most: int
    ) -> tuple[list[str], str | None]:
        """The next users, in order of their ids after `after`, whose records may name one of the
        journeys, and where to continue: None at the end. At most `most` records are searched.

        It searches the packed bytes, which contain names verbatim, so most needn't be decoded.
        """
        names = [journey.encode() for journey in journeys]
        users, searched, last = [], 0, b""
        for last, value in islice(self._view.packed((after or "").encode()), most):
            searched += 1
            if any(name in value for name in names):
                users.append(last.decode())
        return users, last.decode() if searched == most else None

    def next_due(self) -> tuple[int, str] | None:
        due = self._view.next_due()
        return None if due is None else (due[0], due[1].decode())
