"""Errors that a user can act on: what was found, what was expected, what to do."""


class ScreenalyticsError(Exception):
    """Base of every error whose message is written for the person who runs the pipeline."""


class ConfigurationError(ScreenalyticsError):
    """A configuration key or value that is not known or not allowed."""


class VideoError(ScreenalyticsError):
    """A video that cannot be read, or not to its end."""


class ModelPackError(ScreenalyticsError):
    """A model pack that is missing, altered, or not usable here."""


class DeviceError(ScreenalyticsError):
    """An accelerator that was asked for and is not there."""


class ArtifactError(ScreenalyticsError):
    """An artifact that is missing, incomplete, or does not match its manifest."""


class StorageError(ScreenalyticsError):
    """A bucket or database that refuses access, does not exist, or gives back something else than was stored."""


class UnavailableError(StorageError):
    """A bucket, a database or a network drive that does not answer; the same may work in a moment."""


class TruthError(ScreenalyticsError):
    """A truth file that does not have the documented form."""


class MissingPackageError(ScreenalyticsError):
    """An optional package that a command needs and that is not installed."""


class CorrectionError(ScreenalyticsError):
    """A file of corrections that cannot be understood, or a correction that cannot be made."""


class DatabaseError(ScreenalyticsError):
    """A database that is away, of another schema, or holds vectors of another model."""


class DatabaseAwayError(DatabaseError, UnavailableError):
    """A database that does not answer; the same may work in a moment."""


class FacebankError(ScreenalyticsError):
    """Photos of known people that are missing, or folders of them that cannot be told apart."""
