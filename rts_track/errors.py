"""What goes wrong for a user, each with one clear line and an exit code."""


class RtsTrackError(Exception):
    """A fault that a user can understand and mend: its message is one line that names the fix."""

    exit_code = 1


class UsageError(RtsTrackError):
    """The command or its options are off: unknown reader, field, question or parameter."""

    exit_code = 2


class InputError(RtsTrackError):
    """A file or its features cannot be taken in; nothing of it was stored."""


class DeviceError(RtsTrackError):
    """A device that computed does so no more; what was stored before is unchanged."""


class StoreError(RtsTrackError):
    """The store cannot be reached, read or written; what it held before is unchanged."""
