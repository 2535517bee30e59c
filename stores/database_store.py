"""maggma's store of one collection, without the password in its name."""

from __future__ import annotations

from maggma.stores import MongoStore

from surfalign.stores.database import masked


class DatabaseStore(MongoStore):
    """A maggma store of one collection whose name does not show the URI's password."""

    @property
    def name(self) -> str:
        """Where the documents are, without the password."""
        return f"{masked(self.uri)} {self.database}.{self.collection_name}"

    def __repr__(self) -> str:
        return f"DatabaseStore({self.name})"
