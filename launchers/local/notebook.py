"""What a notebook calls: compute the surfaces of a crystal, find results in the configured database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any

from pymatgen.core import Structure

from surfalign.crystals.crystal import Crystal
from surfalign.crystals.sources import load_crystal
from surfalign.launchers.database.server import open_database
from surfalign.launchers.local.run_crystals import run_crystals
from surfalign.launchers.local.shares import Share
from surfalign.physics.lattice.orientations import MillerIndex, as_miller_indices
from surfalign.settings import load_settings
from surfalign.stores.database import Database
from surfalign.stores.query import results
from surfalign.stores.query.results import Results
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.wanted_surfaces import checked_maker


def run_crystal(
    crystal: str | PathLike[str] | Structure | Crystal,
    *,
    miller_index: MillerIndex | Sequence[MillerIndex] | None = None,
    max_index: int | None = None,
    surface_names: Sequence[str] | None = None,
    quality: str = "standard",
    functional: str = "ddh",
    relax_slabs: bool = True,
    reuse: bool = True,
    engine: str = "gpaw",
    database: Database | None = None,
    on_event: Callable[[str], None] | None = print,
    **engine_options: Any,
) -> Results:
    """Compute IP and EA of surfaces of a crystal on this machine, and store them with their checks.

    Parameters
    ----------
    crystal
        What :func:`~surfalign.crystals.sources.load_crystal` takes, e.g. ``"MgO"``.
    miller_index
        One orientation in the conventional cell, or several; by default the crystal's cleavage plane.
    max_index
        All nonpolar orientations up to this index.
    surface_names
        Only the surfaces of these names, e.g. ``["MgO(100)-A"]``.
    quality
        Preset: ``quick``, ``standard`` or ``converged``.
    functional
        Of the band edges: ``ddh``, ``hse06``, ``pbe0`` or ``pbesol``.
    relax_slabs
        Whether the ions of the slabs are relaxed.
    reuse
        Whether what is stored is taken over instead of computed again.
    engine
        ``gpaw``, ``vasp``, or the name of an engine that another package adds.
    database
        Where results are stored; by default the configured database, or the local one.
    on_event
        Called with a line at every event; None for silence.
    engine_options
        Options of the engine, e.g. ``equation_of_state=True``.

    Returns
    -------
    Results
        One document a surface, failed ones included; the list shows itself as a table.

    Raises
    ------
    UnknownMaterialError, InvalidStructureError
        When the crystal cannot be loaded.
    PolarSurfaceError, TerminationError
        When it has no such surface.
    ConfigurationError
        When the engine, the preset, the functional or an option is unknown.
    DatabaseUnreachableError
        When the database does not answer.
    """
    loaded = load_crystal(crystal)
    say = on_event or (lambda line: None)
    for note in loaded.notes:
        say(f"{loaded.name}: {note}")
    maker = checked_maker(
        loaded,
        get_engine(engine, quality=quality, functional=functional, **engine_options),
        miller_indices=as_miller_indices(miller_index),
        max_index=max_index,
        surface_names=surface_names,
        relax_slabs=relax_slabs,
        reuse=reuse,
    )
    settings = load_settings()
    with _opened(database, say) as store:
        (outcome,) = run_crystals(
            [maker],
            [loaded],
            store,
            settings.data_directory / "runs",
            machine=Share.of_all(settings),
            on_event=say,
        )
    return Results(outcome.documents)


def find(
    query: str | None = None,
    *,
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    full: bool = False,
    database: Database | None = None,
) -> Results:
    """Return the results that a query matches.

    Parameters
    ----------
    query
        Text of the query language, e.g. ``"ionization_potential > 6 eV"``; None matches all.
    sort
        Field to sort by; results without it come last. By default the oldest comes first.
    descending
        Whether the largest comes first.
    limit
        How many to return at most; None for all.
    full
        Whether structures and potential curves are read too; they are None otherwise.
    database
        Where to look; by default the configured database, or the local one.

    Raises
    ------
    QuerySyntaxError
        When the query or the field to sort by cannot be understood.
    DatabaseUnreachableError
        When the database does not answer.
    """
    with _opened(database) as store:
        return Results(
            results.find(store, query, sort=sort, descending=descending, limit=limit, full=full)
        )


@contextmanager
def _opened(
    database: Database | None, announce: Callable[[str], None] | None = None
) -> Iterator[Database]:
    """Take an open database, or open the configured one and close it afterwards."""
    if database is not None:
        yield database
        return
    with open_database(announce=announce) as opened:
        yield opened
