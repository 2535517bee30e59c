"""Writers of VASP's output files for ``stub_vasp``, in the formats that pymatgen and emmet parse."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from stub_vasp_inputs import Inputs
from stub_vasp_model import Crystal

VERSION = "0.0.stub"


def row(values: Any, digits: int = 8) -> str:
    return "".join(f" {float(v):{digits + 8}.{digits}f}" for v in np.atleast_1d(values))


def varray(name: str, rows: Any, digits: int = 8) -> str:
    body = "".join(f"   <v>{row(r, digits)} </v>\n" for r in np.asarray(rows))
    return f'  <varray name="{name}" >\n{body}  </varray>\n'


def poscar(crystal: Crystal, comment: str) -> str:
    """The structure as in CONTCAR; order and species are kept."""
    species = [s for i, s in enumerate(crystal.symbols) if i == 0 or crystal.symbols[i - 1] != s]
    edges = [i for i, s in enumerate(crystal.symbols) if i == 0 or crystal.symbols[i - 1] != s]
    counts = np.diff([*edges, len(crystal.symbols)])
    lines = [comment, "   1.00000000000000"]
    lines += [row(vector, 16) for vector in crystal.cell]
    lines += ["  ".join(species), "  ".join(str(n) for n in counts), "Direct"]
    lines += [row(position, 16) for position in crystal.positions]
    return "\n".join(lines) + "\n\n"


def structure_xml(crystal: Crystal, name: str = "", free: np.ndarray | None = None) -> str:
    """A structure; the first one of a run says what may move, where POSCAR does."""
    label = f' name="{name}"' if name else ""
    flags = ""
    if free is not None:
        rows = "".join(
            f'   <v type="logical" > {" ".join("T" if f else "F" for f in r)} </v>\n' for r in free
        )
        flags = f'  <varray name="selective" type="logical" >\n{rows}  </varray>\n'
    return (
        f" <structure{label} >\n  <crystal>\n{varray('basis', crystal.cell)}"
        f'   <i name="volume">{crystal.volume:16.8f} </i>\n'
        f"{varray('rec_basis', np.linalg.inv(crystal.cell).T)}  </crystal>\n"
        f"{varray('positions', crystal.positions)}{flags} </structure>\n"
    )


def parameter(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f'  <i type="logical" name="{name}"> {"T" if value else "F"}  </i>\n'
    if isinstance(value, int):
        return f'  <i type="int" name="{name}"> {value}</i>\n'
    if isinstance(value, str):
        return f'  <i type="string" name="{name}">{value}</i>\n'
    return f'  <i name="{name}"> {value:16.8f}</i>\n'


def vector(name: str, words: list[str]) -> str:
    numbers = all(isinstance(typed(word), float | int) and "*" not in word for word in words)
    if not numbers:
        return f'  <i type="string" name="{name}">{" ".join(words)}</i>\n'
    return f'  <v name="{name}">{row([float(word) for word in words])}</v>\n'


def typed(text: str) -> Any:
    """An INCAR value with its type, as VASP echoes it."""
    if text.strip(".").upper() in ("TRUE", "FALSE", "T", "F"):
        return text.strip(".").upper().startswith("T")
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def vasprun_head(inputs: Inputs, parameters: dict[str, Any]) -> str:
    now = datetime.now()
    crystal = inputs.crystal
    incar = "".join(
        parameter(k, typed(v)) if len(v.split()) == 1 else vector(k, v.split())
        for k, v in inputs.incar.items()
    )
    generation = ""
    if inputs.mesh is not None:
        style, divisions = inputs.mesh
        generation = (
            f'  <generation param="{style}">\n   <v type="int" name="divisions">'
            f"{'  '.join(map(str, divisions))} </v>\n"
            '   <v name="usershift">  0.00000000  0.00000000  0.00000000 </v>\n  </generation>\n'
        )
    elif inputs.divisions:
        generation = (
            '  <generation param="listgenerated">\n'
            f'   <i name="divisions" type="int">{inputs.divisions:8} </i>\n  </generation>\n'
        )
    kinds = list(dict.fromkeys(crystal.symbols))
    atoms = "".join(
        f"    <rc><c>{s:2}</c><c>{kinds.index(s) + 1:4}</c></rc>\n" for s in crystal.symbols
    )
    types = "".join(
        f"    <rc><c>{crystal.symbols.count(s):4}</c><c>{s:2}</c><c>  1.0</c><c>  2.0</c>"
        f"<c>{inputs.titles[i] if i < len(inputs.titles) else s}</c></rc>\n"
        for i, s in enumerate(kinds)
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n <generator>\n'
        '  <i name="program" type="string">stub_vasp </i>\n'
        f'  <i name="version" type="string">{VERSION}  </i>\n'
        f'  <i name="date" type="string">{now:%Y %m %d} </i>\n'
        f'  <i name="time" type="string">{now:%H:%M:%S} </i>\n </generator>\n'
        f" <incar>\n{incar} </incar>\n"
        f" <kpoints>\n{generation}{varray('kpointlist', inputs.k_points)}"
        f"{varray('weights', inputs.weights[:, None])} </kpoints>\n"
        f' <parameters>\n  <separator name="general" >\n'
        f"{''.join(parameter(k, v) for k, v in parameters.items())}  </separator>\n"
        f" </parameters>\n <atominfo>\n  <atoms> {len(crystal.symbols)} </atoms>\n"
        f"  <types> {len(kinds)} </types>\n"
        '  <array name="atoms" ><dimension dim="1">ion</dimension><set>\n'
        f"{atoms}  </set></array>\n"
        '  <array name="atomtypes" ><dimension dim="1">type</dimension><set>\n'
        f"{types}  </set></array>\n </atominfo>\n{structure_xml(crystal, 'initialpos', inputs.free)}"
    )


#: The entropy of the smearing: what tells the three energies apart, eV.
ENTROPY = 2e-5


def energies_xml(energy: float, *, of_step: bool = False) -> str:
    """Free energy, that without entropy, and their mean, which is the energy.

    The block that ends an ionic step (``of_step``) holds the entropy in the place of the last one, as VASP
    writes it.
    """
    values = {
        "e_fr_energy": energy - ENTROPY,
        "e_wo_entrp": energy - ENTROPY if of_step else energy + ENTROPY,
        "e_0_energy": ENTROPY if of_step else energy,
    }
    lines = "".join(f'   <i name="{name}">{v:20.8f} </i>\n' for name, v in values.items())
    return f"  <energy>\n{lines}  </energy>\n"


def calculation_xml(
    crystal: Crystal, energy: float, forces: np.ndarray, scf: list[float], extra: str = ""
) -> str:
    """One ionic step; its first and last electronic steps list every contribution, as VASP does."""
    steps = ""
    for number, value in enumerate(scf, start=1):
        body = energies_xml(value)
        if number in (1, len(scf)):
            body = body.replace("  <energy>\n", '  <energy>\n   <i name="alphaZ"> 1.0 </i>\n', 1)
        steps += f"  <scstep>\n{body}  </scstep>\n"
    return (
        f" <calculation>\n{steps}{structure_xml(crystal)}{varray('forces', forces)}"
        f"{varray('stress', np.zeros((3, 3)))}{energies_xml(energy, of_step=True)}{extra} </calculation>\n"
    )


def eigenvalues_xml(eigenvalues: np.ndarray, spins: int, efermi: float) -> str:
    """Eigenvalues, and the density of states that carries the Fermi level."""
    sets = ""
    for spin in range(1, spins + 1):
        sets += f'    <set comment="spin {spin}">\n'
        for k, bands in enumerate(eigenvalues, start=1):
            rows = "".join(f"     <r>{row(b, 4)} </r>\n" for b in bands)
            sets += f'     <set comment="kpoint {k}">\n{rows}     </set>\n'
        sets += "    </set>\n"
    grid = np.linspace(eigenvalues[..., 0].min() - 1, eigenvalues[..., 0].max() + 1, 9)
    dos = "".join(
        f'   <set comment="spin {s}">\n'
        + "".join(f"    <r>{row([e, 0, 0], 4)} </r>\n" for e in grid)
        + "   </set>\n"
        for s in range(1, spins + 1)
    )
    return (
        f"  <eigenvalues>\n   <array>\n    <set>\n{sets}    </set>\n   </array>\n  </eigenvalues>\n"
        f'  <dos>\n   <i name="efermi">{efermi:16.8f} </i>\n   <total><array><set>\n{dos}'
        "   </set></array></total>\n  </dos>\n"
    )


def locpot(crystal: Crystal, comment: str, *grids: np.ndarray) -> str:
    """A volumetric file: structure, then for each spin a grid: values with x fastest, five to a line."""
    text = poscar(crystal, comment).rstrip("\n") + "\n \n"
    for grid in grids:
        values = np.asarray(grid).ravel(order="F")
        full = values[: values.size // 5 * 5].reshape(-1, 5)
        lines = [" ".join(f"{v:.11E}" for v in five) for five in full]
        if values.size % 5:
            lines.append(" ".join(f"{v:.11E}" for v in values[full.size :]))
        text += f" {'  '.join(map(str, grid.shape))}\n " + "\n ".join(lines) + "\n"
    return text


def outcar_head(
    inputs: Inputs, parameters: dict[str, Any], n_electrons: int, grid: tuple[int, ...]
) -> str:
    now = datetime.now()
    n_bands = parameters["NBANDS"]
    echo = "".join(
        f"   {k:6} = {'T' if v is True else 'F' if v is False else v:>8}\n"
        for k, v in parameters.items()
        if k not in ("NBANDS", "NELECT", "NGXF", "NGYF", "NGZF")
    )
    return (
        f" vasp.{VERSION} (closed-form model, no DFT)\n"
        f" executed on             LinuxIFC date {now:%Y.%m.%d  %H:%M:%S}\n"
        " running    1 mpi-ranks, with    1 threads/rank, on    1 nodes\n"
        f"{''.join(f' TITEL  = {t}' + chr(10) for t in inputs.titles)}"
        f" Dimension of arrays:\n   k-points           NKPTS = {len(inputs.k_points):6}   "
        f"k-points in BZ     NKDIM = {len(inputs.k_points):6}   number of bands    NBANDS={n_bands:7}\n"
        f"   total plane-waves  NPLWV = {int(np.prod(grid)):6}\n"
        f"   dimension x,y,z NGXF= {grid[0]:5} NGYF= {grid[1]:5} NGZF= {grid[2]:5}\n"
        f"{echo}   NELECT = {n_electrons:12.4f}    total number of electrons\n"
    )


def outcar_step(
    number: int, scf: list[float], forces: np.ndarray, positions: np.ndarray, seconds: float
) -> str:
    text = ""
    for electronic, value in enumerate(scf, start=1):
        text += (
            f"--------------------------------------- Iteration {number:6}({electronic:4})  "
            "---------------------------------------\n"
            f"      LOOP:  cpu time {seconds:9.4f}: real time {seconds:9.4f}\n"
            "  entropy T*S    EENTRO =        -0.00000000\n"
            f"  free  energy   TOTEN  =  {value:18.8f} eV\n"
        )
    rows = "".join(f"{row(p, 5)}{row(f, 6)}\n" for p, f in zip(positions, forces, strict=True))
    last = scf[-1] if scf else 0.0
    return (
        f"{text}------------------------ aborting loop because EDIFF is reached --------\n"
        " POSITION                                       TOTAL-FORCE (eV/Angst)\n"
        f" {'-' * 83}\n{rows} {'-' * 83}\n"
        "    total drift:                                0.000000      0.000000      0.000000\n"
        f"  free  energy   TOTEN  =  {last:18.8f} eV\n\n"
        f"  energy  without entropy= {last:18.8f}  energy(sigma->0) = {last:18.8f}\n"
        f"     LOOP+:  cpu time {seconds:9.4f}: real time {seconds:9.4f}\n"
    )


def outcar_electrostatics(sites: np.ndarray, efermi: float, n_electrons: int) -> str:
    cells = [f"{i:8}{v:9.4f}" for i, v in enumerate(sites, start=1)]
    lines = ["".join(cells[i : i + 5]) for i in range(0, len(cells), 5)]
    return (
        f"\n number of electron {n_electrons:15.7f} magnetization \n"
        "\n average (electrostatic) potential at core\n"
        "  the test charge radii are     0.9679  0.7215\n"
        "  (the norm of the test charge is              1.0000)\n"
        + "\n".join(lines)
        + f"\n \n \n \n E-fermi : {efermi:9.4f}     XC(G=0):  -8.1000     alpha+bet : -8.2000\n\n"
    )


def outcar_tensor(title: str, tensor: np.ndarray) -> str:
    rows = "".join(f"{row(r, 6)}\n" for r in tensor)
    return f"\n {title}\n {'-' * 54}\n{rows} {'-' * 54}\n\n"


def outcar_tail(seconds: float) -> str:
    return (
        "\n\n General timing and accounting informations for this job:\n"
        " ========================================================\n\n"
        f"                  Total CPU time used (sec): {seconds:11.3f}\n"
        f"                            User time (sec): {seconds:11.3f}\n"
        "                          System time (sec):       0.000\n"
        f"                         Elapsed time (sec): {seconds:11.3f}\n\n"
        "                   Maximum memory used (kb):       50000.\n"
        "                   Average memory used (kb):          N/A\n"
    )


def outcar_profile(n_timers: int = 250) -> str:
    """What builds with -DPROFILING (one in ten of VASP 6) add behind the timing: some 25 kB."""
    lines = "".join(
        f" {i:5}   {'routine_' + str(i):30} {0.01 * i:16.6f} {i:24} {1:7}\n"
        for i in range(1, n_timers + 1)
    )
    return (
        f"\n\n PROFILE, used timers: {n_timers:7}\n =============================\n\n"
        f" index                 routine                    time                            calls level\n{lines}"
    )


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
