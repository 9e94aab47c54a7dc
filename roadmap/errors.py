"""The one kind of error that the command line prints in a single line."""


class RoadmapError(Exception):
    """Something a person can put right.

    The message is one line that names the file (or option) and the way out.
    The command line prints it without a traceback and exits with ``exit_code``.
    """

    exit_code = 1


class UsageError(RoadmapError):
    """The command was called with something it cannot take."""

    exit_code = 2
