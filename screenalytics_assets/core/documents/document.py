"""What all published JSON documents have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A published JSON document, or an object within one.

    The fields stand in the order in which their keys are written. A field with the default None is an optional key: it
    is written only if it was set, so that a document that is read and written again has the same bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """The document as `json.dumps` takes it."""
        return self.model_dump(exclude_unset=True)
