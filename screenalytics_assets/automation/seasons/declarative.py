"""Declarative automation, for those who want no schedule: an asset follows as soon as what it is made from is there."""

import dagster as dg

SENSOR = "episodes_as_they_come"

CONDITION = dg.AutomationCondition.on_missing() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""Once, when an asset of an episode is missing and the blocking checks upstream passed. Unlike ``eager()`` this never
computes again what there is, so that nothing upstream makes the GPU work; and a run that failed is not asked for again.
"""


def with_conditions(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition; nothing evaluates it until the sensor is switched on."""
    return [
        asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=CONDITION)) for asset in assets
    ]


def build_automation_sensor(assets: list[dg.AssetsDefinition]) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions; off until somebody switches it on in the UI."""
    return dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=dg.AssetSelection.assets(*assets),
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
        description="Materializes what is missing of an episode as soon as everything upstream is there and passed.",
    )
