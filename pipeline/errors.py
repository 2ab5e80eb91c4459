"""The one error tree: every error that a user can cause or mend, each a single line with the file and the remedy."""

from __future__ import annotations


class FlnetError(Exception):
    """An error whose message is one line for the user: what is wrong, with which file, and what to do."""


class InputError(FlnetError):
    """A path, flag or file given by the user cannot be used."""


class DatasetError(FlnetError):
    """A dataset on disk is of another schema, incomplete or damaged."""


class UnreadableError(DatasetError):
    """A library made nothing of a file: the file's fault, or the machine's (memory that is short, a missing plugin)."""


class BuildError(FlnetError):
    """A build ended, and its result must not be trusted."""


class VideoError(FlnetError):
    """One source video cannot give training data; it becomes a manifest row and the build goes on.

    Args:
        reason: one word of the manifest's vocabulary (`unreadable`, `no_face`, `timeout`, ...).
        message: one line for the user.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        return type(self), (self.reason, str(self))
