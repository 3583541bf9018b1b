"""The configuration of a run as a Dagster resource."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.configuration.run_settings import RunSettings, declared_thresholds, resolve_settings
from resources.models.packs import load_pack
from resources.system.paths import config_dir
from screenalytics_assets.core.config.layers import Resolved
from screenalytics_assets.core.config.thresholds import fill_from_models, thresholds_of


class SettingsResource(dg.ConfigurableResource[None]):
    """The configuration of a run; in the launchpad, ``profile`` and any key below ``overrides``.

    Attributes:
        profile: A profile of ``performance_profiles.yaml``; empty takes the environment's or the default one.
        overrides: Keys and values that win over every other layer, for example ``{"cluster_thresh": 0.4}``; null
            leaves a threshold to the models.
        force: Recompute even what is unchanged.
    """

    profile: str | None = None
    # Dagster takes Any alone for a value that is not null.
    overrides: dict[str, Any | None] = Field(default_factory=dict)
    force: bool = False
    # Dagster makes a resource per run, so all steps of a run have the same configuration.
    _loaded: RunSettings | None = PrivateAttr(default=None)

    def resolved(self) -> Resolved:
        """The combined layers; thresholds that are left to the models are still null."""
        return resolve_settings(self.profile, self.overrides)

    def load(self, warn: Callable[[str], None] | None = None) -> "RunSettings":
        """The combined layers and the model pack that they name, whose thresholds replace null.

        Args:
            warn: Receives a warning if the weights may not be used commercially.
        """
        if self._loaded is None:
            self._loaded = self._load()
        if warn and self._loaded.pack.licence_notice:
            warn(self._loaded.pack.licence_notice)
        return self._loaded

    def _load(self) -> "RunSettings":
        resolved = self.resolved()
        models = resolved.settings.models
        pack = load_pack(
            models.model_pack,
            Path(models.model_dir) if models.model_dir else None,
            config_dir() / "pipeline" / "models.yaml",
            verifier_pack=models.verifier_pack,
        )
        complete = fill_from_models(resolved, declared_thresholds(pack), f"model pack {pack.name}")
        return RunSettings(complete, pack, thresholds_of(complete.settings))
