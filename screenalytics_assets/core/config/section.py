"""The base class of the configuration's sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """The keys of one file below ``config/pipeline``."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )
