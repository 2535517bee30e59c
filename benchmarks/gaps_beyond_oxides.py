"""Band gaps of crystals without oxygen beside measured ones and those of another dielectric-dependent hybrid.

    python benchmarks/gaps_beyond_oxides.py --write crystals.json
    surfalign validate gaps crystals.json --quality standard --json gaps.json
    python benchmarks/gaps_beyond_oxides.py gaps.json

The crystals are those of the library, in their measured cells. The references are single values of the revised benchmark
of M. Grossmann, M. Thieme, M. Grunert and E. Runge (2025), https://github.com/MaxGrossmann/mbpt_benchmark, after
P. Borlido et al., J. Chem. Theory Comput. 15, 5069 (2019), doi 10.1021/acs.jctc.9b00322: measured gap, and that of
PBE0 with a fraction of exact exchange from the dielectric constant ("PBE0_mix"); eV.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean

from surfalign.crystals.sources import load_crystal
from surfalign.workflows.gap_validation import GapRecord

#: Name in the library to measured gap, gap of PBE0_mix, and the DOI of the measurement.
REFERENCES = {
    "LiF": (13.6, 15.97, "10.1016/0022-3697(67)90280-6"),
    "NaF": (11.7, 12.86, "10.1143/JPSJ.26.1427"),
    "NaCl": (8.75, 7.34, "10.1143/JPSJ.24.1286"),
    "KCl": (8.69, 8.19, "10.1103/PhysRev.166.599"),
    "MgF2": (12.4, 13.85, "10.1002/pssb.2220560115"),
    "CaF2": (12.1, 13.18, "10.1103/PhysRevB.5.662"),
    "AlN": (6.11, 6.18, "10.1063/1.1633965"),
    "GaN-wurtzite": (3.5, 4.63, "10.1007/978-3-642-18865-7"),
    "AlP": (2.45, 2.29, "10.1007/978-3-642-18865-7"),
    "AlAs": (2.23, 2.11, "10.1007/978-3-642-18865-7"),
    "GaP": (2.35, 2.74, "10.1007/978-3-642-18865-7"),
    "BP": (2.1, 1.89, "10.1007/978-3-642-18865-7"),
    "BN-cubic": (6.36, 6.58, "10.1088/0953-8984/20/7/075233"),
    "ZnS-zincblende": (3.72, 4.16, "10.1007/978-3-642-18865-7"),
    "CaS": (4.43, 3.91, "10.1016/0022-0248(90)90701-L"),
    "SrS": (4.32, 3.85, "10.1016/0022-0248(90)90701-L"),
    "BaS": (3.81, 3.31, "10.1016/0022-0248(90)90701-L"),
    "MoS2": (1.23, 1.70, "10.1021/j100393a010"),
}


def main() -> None:
    """Write the crystals, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gaps", type=Path, nargs="?", help="what validate gaps wrote")
    parser.add_argument("--write", type=Path, help="write the crystals here")
    options = parser.parse_args()
    if options.write:
        entries = [
            {
                "id": name,
                "structure": load_crystal(name).structure.as_dict(),
                "gap_ddh_ev": measured,
            }
            for name, (measured, _, _) in REFERENCES.items()
        ]
        options.write.write_text(json.dumps(entries))
    if options.gaps:
        table(options.gaps)


def table(path: Path) -> None:
    """Print the computed gaps beside both references, and the mean absolute differences."""
    print(
        "| crystal | gap (eV) | measured (eV) | difference | PBE0_mix (eV) | difference | ε∞ | "
        "measured by |\n|---|--:|--:|--:|--:|--:|--:|---|"
    )
    records = map(GapRecord.model_validate, json.loads(path.read_text())["records"])
    differences: list[tuple[float, float]] = []
    for record in records:
        measured, mixed, doi = REFERENCES[record.identifier]
        if record.band_gap is None:
            print(f"| {record.identifier} | {record.error.error} | {measured:.2f} | | {mixed:.2f} | | | |")  # fmt: skip
            continue
        differences.append((record.band_gap - measured, record.band_gap - mixed))
        print(
            f"| {record.identifier} | {record.band_gap:.2f} | {measured:.2f} | {differences[-1][0]:+.2f} | "
            f"{mixed:.2f} | {differences[-1][1]:+.2f} | {record.dielectric_constant:.2f} | doi {doi} |"
        )
    for column, name in enumerate(("measured", "PBE0_mix")):
        errors = [pair[column] for pair in differences]
        print(
            f"\n{name}: mean absolute difference {fmean(map(abs, errors)):.2f} eV, mean {fmean(errors):+.2f} eV"
        )


if __name__ == "__main__":
    main()
