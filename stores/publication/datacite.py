"""The description of a data set for DataCite, which gives DOIs: version 4 of its schema, as JSON."""

from __future__ import annotations

from typing import Any

from surfalign.stores.publication.description import METHOD_DOI, Counts, Description
from surfalign.version import __version__

SUBJECTS = ("ionization potential", "electron affinity", "oxide surfaces", "band alignment")
_FORMATS = ("application/jsonlines", "application/x-parquet", "chemical/x-extxyz", "chemical/x-cif")


def datacite_record(description: Description, counts: Counts, n_bytes: int) -> dict[str, Any]:
    """Return the record; its DOI is left out where it has none yet.

    Parameters
    ----------
    description
        What people say of the data set.
    counts
        What it holds.
    n_bytes
        Size of its files.
    """
    related = [(METHOD_DOI, "IsDerivedFrom"), *((doi, "References") for doi in description.dois)]
    return ({"doi": description.doi} if description.doi else {}) | {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "creators": [{"name": name} for name in description.creators],
        "titles": [{"title": description.title}],
        "publisher": {"name": "surfalign"},
        "publicationYear": str(description.published.year),
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Levels of oxide surfaces"},
        "subjects": [{"subject": subject} for subject in SUBJECTS],
        "dates": [{"date": description.published.isoformat(), "dateType": "Issued"}],
        "language": "en",
        "version": description.version,
        "rightsList": [
            {
                "rights": description.licence,
                "rightsUri": description.licence_address,
                "rightsIdentifier": description.licence,
                "rightsIdentifierScheme": "SPDX",
                "schemeUri": "https://spdx.org/licenses/",
            }
        ],
        "descriptions": [
            {"description": description.text, "descriptionType": "Abstract"},
            {
                "description": f"Made by surfalign {__version__}; engines: {', '.join(counts.engines) or 'none'}.",
                "descriptionType": "Methods",
            },
        ],
        "relatedIdentifiers": [
            {"relatedIdentifier": doi, "relatedIdentifierType": "DOI", "relationType": relation}
            for doi, relation in related
        ],
        "sizes": [f"{counts.number} results", f"{n_bytes} bytes"],
        "formats": list(_FORMATS),
    }
