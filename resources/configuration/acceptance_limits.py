"""The limits of the acceptance checks, from ``config/acceptance.yaml``."""

from resources.configuration.run_settings import read_yaml
from resources.system.paths import config_dir
from screenalytics_assets.core.common.episode_ids import parse_ep_id, season_of
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.acceptance import AcceptanceTable, limit_figures, parse_acceptance
from screenalytics_assets.core.quality.acceptance_metrics import METRICS


def load_acceptance() -> AcceptanceTable:
    """The acceptance table. It is read each time, so that a changed limit applies to the next check.

    Raises:
        ConfigurationError: The file is missing or not valid.
    """
    path = config_dir() / "acceptance.yaml"
    table = parse_acceptance(read_yaml(path), str(path))
    for season in table.seasons:
        try:
            parse_ep_id(f"{season}e01")
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{path}: seasons.{season}: not a season; expected SHOW-sSS, for example rhobh-s05"
            ) from error
    return table


def limits_of(ep_id: str, *metrics: str) -> dict[str, dict[str, float]]:
    """The limits of an episode for each metric, those that are plain numbers: ``target``, ``warn``, ``fail``.

    Raises:
        ConfigurationError: The file is missing or not valid.
    """
    table = load_acceptance()
    return {name: limit_figures(METRICS[name], table.limits(name, season_of(ep_id)), {}) for name in metrics}
