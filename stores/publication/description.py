"""What a data set says of itself: title, people, licence, and the counts of what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from surfalign.errors import PublicationError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.measured.comparison import LEVELS, Summary, compare
from surfalign.stores.measured.measured_levels import measured_levels
from surfalign.stores.vocabulary import Origin

#: DataCite's word for what is not known.
UNKNOWN = "(:unav)"
METHOD_DOI = "10.1021/jacs.3c13574"
METHOD = "S. Kiyohara, Y. Hinuma, F. Oba, J. Am. Chem. Soc. 146, 9697 (2024)"


@dataclass(frozen=True)
class Description:
    """What people say of a data set.

    Parameters
    ----------
    title
        Its name.
    creators
        Who made it, e.g. ``Kiyohara, Shin``; DataCite's ``(:unav)`` where nobody is named.
    licence
        SPDX identifier.
    version
        Its version.
    published
        Day of its publication.
    text
        A sentence or some.
    doi
        Its DOI; empty where it has none yet.
    citations, dois
        What is to be cited with it.
    """

    title: str
    creators: tuple[str, ...]
    licence: str
    version: str
    published: date
    text: str
    doi: str = ""
    citations: tuple[str, ...] = ()
    dois: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("title", "version", "text"):
            if not getattr(self, name).strip():
                raise PublicationError(f"the {name} is empty", "a text", f"give a --{name}")

    @property
    def licence_address(self) -> str:
        """Where the licence can be read."""
        return f"https://spdx.org/licenses/{self.licence}"

    @property
    def citation(self) -> str:
        """How to cite the data set."""
        names = "; ".join(c for c in self.creators if c != UNKNOWN)
        parts = [names, f"{self.title}, version {self.version} ({self.published.year})"]
        doi = f"https://doi.org/{self.doi}" if self.doi else ""
        return ". ".join(part for part in (*parts, doi) if part)


@dataclass
class Counts:
    """What a data set holds.

    Attributes
    ----------
    number
        Results.
    states, origins, methods, formulas, failed_checks, warnings, engines
        How many of each; methods are of results with numbers.
    errors
        Stated errors of convergence (eV).
    agreement
        Computed against measured levels, by level; None where nothing was measured.
    """

    number: int = 0
    states: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    formulas: Counter[str] = field(default_factory=Counter)
    failed_checks: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    errors: list[float] = field(default_factory=list)
    agreement: dict[str, Summary | None] = field(default_factory=dict)

    @property
    def typical_error(self) -> float | None:
        """Median of the errors of convergence (eV); None where none is stated."""
        return median(self.errors) if self.errors else None


def counts(documents: Iterable[SurfaceLevelsDocument]) -> Counts:
    """Count what a data set holds; structures are not needed.

    Parameters
    ----------
    documents
        Its results.
    """
    found = Counts()
    table = measured_levels()
    compared = {row.formula for row in table}
    lean = []
    for document in documents:
        found.number += 1
        found.states[document.state.value] += 1
        found.origins[document.origin.value] += 1
        found.formulas[document.formula] += 1
        found.failed_checks.update(document.failed_checks)
        found.warnings.update(document.warnings if document.origin is Origin.COMPUTED else ())
        if document.ionization_potential is not None:
            found.methods[document.functional] += 1
        if document.engine:
            found.engines[f"{document.engine} {document.engine_version}".strip()] += 1
        if document.convergence_error is not None:
            found.errors.append(document.convergence_error)
        if document.formula in compared:
            lean.append(document)
    report = compare(table, lean, flagged=True, mixed=True)
    found.agreement = {level: report.summary(level) for level in LEVELS}
    return found
