"""Errors that a user can act on; their messages say what was found, what was expected and what to do."""

MAX_MESSAGE_CHARACTERS = 8_000
"""The list of all configuration keys, which a message may contain, has some 2,500."""


class ScreenalyticsError(Exception):
    """Base of all errors whose message is written for the person who runs the pipeline.

    A message may quote what a file holds: characters that would change how a terminal shows it are escaped, and the
    middle of a very long message is left out.
    """

    def __str__(self) -> str:
        message = super().__str__()
        if len(message) > MAX_MESSAGE_CHARACTERS:
            half = MAX_MESSAGE_CHARACTERS // 2
            message = f"{message[:half]} [{len(message) - 2 * half:,} characters] {message[-half:]}"
        return "".join(
            one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in message
        )


class ConfigurationError(ScreenalyticsError):
    """An unknown configuration key, or a value that is not allowed."""


class VideoError(ScreenalyticsError):
    """A video that cannot be read, or not to its end."""


class ModelPackError(ScreenalyticsError):
    """A model pack that is missing, altered, or not usable on this machine."""


class DeviceError(ScreenalyticsError):
    """A requested accelerator that is not available."""


class ArtifactError(ScreenalyticsError):
    """An artifact that is missing, incomplete, or does not match its manifest."""


class StorageError(ScreenalyticsError):
    """A bucket or database that refuses access, does not exist, or returns other data than was stored."""


class SystemFailureError(StorageError):
    """A disk, a memory or a limit of this machine that is used up: the input is fine, the work failed."""


class UnavailableError(StorageError):
    """A bucket, database or network drive that does not respond; a retry may succeed."""


class TruthError(ScreenalyticsError):
    """A truth file that is not in the documented format."""


class MissingPackageError(ScreenalyticsError):
    """An optional package that a command needs but that is not installed."""


class CorrectionError(ScreenalyticsError):
    """A corrections file that cannot be parsed, or a correction that cannot be applied."""


class DatabaseError(ScreenalyticsError):
    """A database that does not respond, has another schema, or holds vectors of another model."""


class DatabaseAwayError(DatabaseError, UnavailableError):
    """A database that does not respond; a retry may succeed."""


class FacebankError(ScreenalyticsError):
    """Missing photos of known people, or folders of two people with the same name."""
