"""The vector database as a Dagster resource."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from resources.database.access import open_database

if TYPE_CHECKING:
    from resources.database.vector_database import VectorDatabase


class VectorDatabaseResource(dg.ConfigurableResource[None]):
    """The vector database; connected on first use and closed with the run.

    Attributes:
        url: A PostgreSQL server; empty takes ``SCREENALYTICS_DATABASE_URL``, or the embedded server below the data
            root.
    """

    url: str | None = None
    _database: "VectorDatabase | None" = PrivateAttr(default=None)

    def database(self) -> "VectorDatabase":
        """The open database.

        Raises:
            DatabaseError: It does not answer, or is of another version.
        """
        if self._database is None:
            self._database = open_database(self.url)
        return self._database

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Disconnect."""
        if self._database is not None:
            self._database.close()
            self._database = None
