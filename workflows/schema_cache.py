"""Memoise jobflow's schema validation of output references.

jobflow 0.4 rebuilds a document's whole JSON schema at every ``job.output.field``
(``validate_schema_access`` in ``jobflow.core.reference``): nearly all of the time that building a
graph takes. The answer depends on the class and the field alone, so it is remembered here. Delete this
module, and the one call in ``flows.py``, when jobflow remembers it itself.
"""

from __future__ import annotations

from functools import lru_cache

from jobflow.core import reference


def memoise_schema_access() -> None:
    """Wrap jobflow's ``validate_schema_access`` in a cache; a second call changes nothing."""
    if not hasattr(reference.validate_schema_access, "cache_info"):
        reference.validate_schema_access = lru_cache(maxsize=None)(reference.validate_schema_access)
