"""A resource that the configuration of a run cannot change."""

from collections.abc import Iterator
from typing import Any

import dagster as dg


def fixed(resource: dg.ConfigurableResource[Any]) -> dg.ResourceDefinition:
    """The resource as it is: a run that sets any of its fields is refused.

    Where files are read and written is the choice of the person who runs the server, by its environment. Dagster would
    let each run choose another place.
    """

    @dg.resource(config_schema={}, description=type(resource).__doc__)
    def create(_context: dg.InitResourceContext) -> Iterator[object]:
        with resource.process_config_and_initialize_cm() as created:
            yield created

    return create
