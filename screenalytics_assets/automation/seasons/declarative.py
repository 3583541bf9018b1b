"""Declarative automation, instead of a schedule: an asset is materialized as soon as its inputs are."""

import dagster as dg

SENSOR = "episodes_as_they_come"

CONDITION = dg.AutomationCondition.on_missing() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""True once, when an asset of an episode is missing and the blocking checks upstream have passed.

Unlike ``eager()``, it never recomputes an asset because of an event upstream, which would occupy the GPU, and does not
request a failed run again.
"""


def with_conditions(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition, which takes effect when the sensor is switched on."""
    return [
        asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=CONDITION)) for asset in assets
    ]


def build_automation_sensor(assets: list[dg.AssetsDefinition]) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions; off until it is switched on in the UI."""
    return dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=dg.AssetSelection.assets(*assets),
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
        description="Materializes missing assets of an episode as soon as everything upstream is there and checked.",
    )
