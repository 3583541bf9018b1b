"""One UI for an instance: two daemons would evaluate the same schedules and sensors."""

from resources.system.liveness import HeldFile, try_hold
from resources.system.paths import dagster_home
from screenalytics_assets.core.common.errors import ConfigurationError


def claim_ui(address: str) -> HeldFile:
    """Be the UI of the instance until this process ends.

    Raises:
        ConfigurationError: It has one; the message has its address.
    """
    held = try_hold(dagster_home() / "ui.held", address)
    if isinstance(held, HeldFile):
        return held
    raise ConfigurationError(
        f"the UI of {dagster_home()} is served at {held.note or 'an address that is not known yet'} by {held}: open "
        "it there, or stop it first; another DAGSTER_HOME has a UI of its own"
    )
