"""Options that several commands take, each with one name and one help."""

from __future__ import annotations

from typing import Annotated

import typer

Orientations = Annotated[
    list[str] | None,
    typer.Option(
        "--hkl",
        help="Orientation h,k,l (or h,k,i,l) in the conventional cell; repeatable.",
        metavar="H,K,L",
    ),
]
#: For commands that take all nonpolar orientations where none is named.
OnlyOrientations = Annotated[
    list[str] | None,
    typer.Option("--hkl", help="Only this orientation, e.g. 1,1,0; repeatable."),
]
MaxIndex = Annotated[
    int | None, typer.Option(min=1, max=3, help="All nonpolar orientations up to this index.")
]
LargestIndex = Annotated[int, typer.Option("--max-index", min=1, help="Largest Miller index.")]
Functional = Annotated[str, typer.Option(help="Band edges by ddh, hse06, pbe0 or pbesol.")]
QualityName = Annotated[str, typer.Option(help="Preset: quick, standard or converged.")]
Relax = Annotated[bool, typer.Option("--relax/--no-relax", help="Relax the ions of the slabs.")]
Cores = Annotated[int | None, typer.Option(min=1, help="Cores of one calculation; all by default.")]
EngineName = Annotated[str, typer.Option(help="DFT engine.")]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="Option of this engine alone, e.g. spin_orbit=heavy for vasp; repeatable.",
        metavar="NAME=VALUE",
    ),
]
FitVolume = Annotated[
    bool,
    typer.Option(
        "--fit-volume", help="Fit the bulk's volume by E(V); else the given cell is kept."
    ),
]
