"""Errors that a user can cause or fix; the command line prints them as one line, no traceback."""

EXIT_FAILED = 70
EXIT_RESTART = 75
"""The worker stopped gracefully and must be restarted, such as for a new destination."""


class UserError(Exception):
    """Base of all errors whose message alone tells a user what to do.

    The message names what was found, what was expected and, where there is one, the command that
    fixes it.

    Attributes:
        exit_code: of the command that the error ends.
    """

    exit_code = 1


class BrokerUnavailable(UserError):
    """No Kafka broker answered at the configured address in time."""


class TopicError(UserError):
    """A topic is missing, or is not as the engine needs it."""


def unwritable(path: object, error: OSError) -> UserError:
    """The error of a file or folder that a command can't write."""
    return UserError(f"{path} can't be written: {(error.strerror or '').lower()}")
