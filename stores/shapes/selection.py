"""Which stored results count, where surfaces of one crystal are put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from surfalign.crystals.crystal import Crystal
from surfalign.errors import DocumentNotFoundError, MixedMethodsError
from surfalign.physics.lattice.identifiers import crystal_facts
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query import results
from surfalign.stores.query.language import Filter


@dataclass(frozen=True)
class Selection:
    """The results of one crystal that count.

    Attributes
    ----------
    crystal
        As it was computed.
    documents
        One result for each surface, the youngest of its method.
    methods
        What they were computed with; several only where that was asked for.
    left_out
        Names of surfaces by the reason why they do not count.
    """

    crystal: SymmetricCrystal
    documents: list[SurfaceLevelsDocument]
    methods: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)


def method_of(document: SurfaceLevelsDocument) -> str:
    """Return all that two results must share for their energies and levels to compare."""
    ions = "relaxed" if document.relaxed else "unrelaxed"
    return f"{document.engine} {document.functional} {document.quality} {ions}"


def select(
    database: Database,
    crystal: Crystal,
    where: str | None = None,
    *,
    flagged: bool = False,
    mixed: bool = False,
    within: Filter | None = None,
) -> Selection:
    """Find the results of a crystal, whatever cell it comes in.

    Parameters
    ----------
    database
        Where to look.
    crystal
        The crystal: results of other polymorphs of its formula and space group are not taken.
    where
        Narrows the results down; text of the query language.
    flagged
        Whether results with failed checks count.
    mixed
        Whether results of different methods, or of differently computed bulk cells, may stand together.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.

    Raises
    ------
    DocumentNotFoundError
        Nothing is left.
    MixedMethodsError
        Several methods or bulk cells, and ``mixed`` is not set.
    QuerySyntaxError
        ``where`` cannot be understood.
    """
    wanted = symmetrize(crystal.structure)
    condition = f'formula = "{wanted.formula}" and space_group_number = {wanted.space_group_number}'
    query = f"({where}) and {condition}" if where and where.strip() else condition
    found = _of_crystal(database, wanted, results.find(database, query, within=within))
    counted, left_out = _counted(found, flagged)
    if not counted:
        raise DocumentNotFoundError(
            f"no result of {wanted.text} can be used"
            + "".join(f"; {reason}: {', '.join(names)}" for reason, names in left_out.items()),
            "results that passed their checks"
            + ("" if flagged else ", or flagged ones with --flagged"),
            f"compute some: surfalign run {crystal.source.removeprefix('library:')} --max-index 1",
        )
    methods = sorted({method_of(document) for document in counted})
    cells = {document.provenance.get("bulk", "") for document in counted}
    if not mixed and (len(methods) > 1 or len(cells) > 1):
        raise _mixed(counted, methods, wanted)
    bulk = results.get(database, counted[0].identifier).bulk_structure
    computed = symmetrize(bulk) if bulk is not None else wanted
    return Selection(computed, youngest(counted), methods, left_out)


def _of_crystal(
    database: Database, wanted: SymmetricCrystal, found: Iterable[SurfaceLevelsDocument]
) -> list[SurfaceLevelsDocument]:
    """Keep the results whose bulk is the wanted crystal; each bulk cell is read once."""
    same: dict[str, bool] = {}
    kept = []
    for document in found:
        if document.state is ResultState.FAILED:
            continue
        cell = document.provenance.get("bulk", document.identifier)
        if cell not in same:
            bulk = results.get(database, document.identifier).bulk_structure
            same[cell] = bulk is not None and crystal_facts(symmetrize(bulk)) == crystal_facts(
                wanted
            )
        if same[cell]:
            kept.append(document)
    return kept


def _counted(
    found: Sequence[SurfaceLevelsDocument], flagged: bool
) -> tuple[list[SurfaceLevelsDocument], dict[str, list[str]]]:
    """Return the results that count, and the names of the others by reason."""
    left_out: dict[str, list[str]] = {}
    counted = []
    for document in found:
        if document.state is ResultState.FLAGGED and not flagged:
            reason = f"flagged ({', '.join(document.failed_checks)})"
            left_out.setdefault(reason, []).append(document.surface_name)
        else:
            counted.append(document)
    return counted, left_out


def youngest(documents: Iterable[SurfaceLevelsDocument]) -> list[SurfaceLevelsDocument]:
    """Keep the youngest result of each surface."""
    ordered = sorted(documents, key=lambda document: document.created_at)
    return list({document.surface_name: document for document in ordered}.values())


def _mixed(
    documents: Sequence[SurfaceLevelsDocument], methods: Sequence[str], crystal: SymmetricCrystal
) -> MixedMethodsError:
    if len(methods) > 1:
        found, names = "methods", list(methods)
        first = documents[-1]
        choice = f'quality = "{first.quality}" and functional = "{first.functional}"'
    else:
        found = "bulk cells"
        names = sorted({document.source for document in documents})
        choice = f'source = "{documents[-1].source}"'
    return MixedMethodsError(
        f"the results of {crystal.text} are of {found} whose energies do not compare "
        f"({', '.join(names)})",
        "one method and one bulk cell",
        f"choose one with --where '{choice}', or take all with --mixed",
    )
