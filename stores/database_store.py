"""maggma's store of one collection, without the password in its name.

It notes which outputs changed, and who may see a result.
"""

from __future__ import annotations

from typing import Any

from maggma.stores import MongoStore
from monty.json import jsanitize
from pymongo import ReplaceOne

from surfalign.stores.connection.addresses import masked
from surfalign.stores.database import CHANGED_OUTPUTS, JOBS, SURFACE_LEVELS
from surfalign.stores.query.summaries import summaries_kept
from surfalign.stores.sharing.register import copies, copy_to_results
from surfalign.stores.sharing.visibility import SHARING


class DatabaseStore(MongoStore):
    """A maggma store of one collection whose name does not show the URI's password.

    The one of job outputs leaves a note of each that it stores, by which a build finds what is new
    (:mod:`.changed_outputs`). The one of results gives each the copy of its sharing record, whoever wrote it,
    and keeps their summaries.
    """

    @property
    def name(self) -> str:
        """Where the documents are, without the password."""
        return f"{masked(self.uri)} {self.database}.{self.collection_name}"

    def __repr__(self) -> str:
        return f"DatabaseStore({self.name})"

    def update(
        self, docs: list[dict[str, Any]] | dict[str, Any], key: list[str] | str | None = None
    ) -> None:
        """Insert documents, or replace those with the same key.

        Parameters
        ----------
        docs
            One document or several.
        key
            The field or fields that identify a document; None for the store's own.
        """
        documents = docs if isinstance(docs, list) else [docs]
        if self.collection_name == SURFACE_LEVELS:
            self._update_results(documents, key)
            return
        if self.collection_name != JOBS:
            super().update(documents, key)
            return
        documents = [
            jsanitize(document, allow_bson=True, recursive_msonable=True) for document in documents
        ]
        if not documents:
            return
        fields = [key or self.key] if not isinstance(key, list) else key
        written = self._collection.bulk_write(
            [
                ReplaceOne({field: document[field] for field in fields}, document, upsert=True)
                for document in documents
            ],
            ordered=False,
        )
        new = written.upserted_ids or {}
        notes = [_note(document, position in new) for position, document in enumerate(documents)]
        self._collection.database[CHANGED_OUTPUTS].insert_many(notes)

    def _update_results(self, documents: list[dict[str, Any]], key: list[str] | str | None) -> None:
        identifiers = [document["identifier"] for document in documents]
        shared = copies(self._collection.database, identifiers)
        with summaries_kept(self._collection, identifiers):
            super().update(
                [
                    document | {SHARING: shared.get(document["identifier"])}
                    for document in documents
                ],
                key,
            )
            # A record may have been changed since it was read.
            copy_to_results(self._collection, identifiers)

    def remove_docs(self, criteria: dict[str, Any]) -> None:
        """Remove the documents that MongoDB's filter matches."""
        if self.collection_name != SURFACE_LEVELS:
            super().remove_docs(criteria)
            return
        matching = self._collection.find(criteria, {"identifier": 1})
        identifiers = [document["identifier"] for document in matching]
        with summaries_kept(self._collection, identifiers):
            super().remove_docs({"$and": [criteria, {"identifier": {"$in": identifiers}}]})


def _note(document: dict[str, Any], is_new: bool) -> dict[str, Any]:
    """Return what a build needs to know of a stored output."""
    note = {
        "uuid": document["uuid"],
        "completed_at": document.get("completed_at"),
        "is_new": is_new,
    }
    output = document.get("output")
    if isinstance(output, dict):
        note["output"] = {k: output[k] for k in ("@class", "identifier") if k in output}
    return note
