"""Data sets from the results of the store."""

from __future__ import annotations

import gzip
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from surfalign.errors import DamagedFileError, MixedMethodsError
from surfalign.files import require_file
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.label_quality import weighted
from surfalign.ml.data.records import LABEL_UNITS, Fidelity, Label, surface_record
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.method_names import of_one_table

#: Weight of a result with a failed check, where such results are wanted.
FLAGGED_WEIGHT = 0.3

#: Checks of a result that tell how far its levels may be wrong, with the share of the value that counts:
#: the vacuum level is the mean of the two sides.
TELLING_CHECKS = {"vacuum_two_sides": 0.5, "vacuum_plateau": 1.0, "slab_centre_plateau": 1.0}

FLAGGED = "flagged: "
FAILED = "failed: "
NO_SLAB = "no unrelaxed slab stored"
REGISTERED = "registered, not computed here"
NO_NUMBER = "no finite label"
#: The composition of such a slab is not that of its crystal: it would not share the fold of its formula.
OTHER_OXYGEN = "oxygen removed from the faces or added"


def is_results_file(path: Path) -> bool:
    """Tell whether a file is named as results are: one JSON document a line, plain or gzipped."""
    return path.name.removesuffix(".gz").endswith(".jsonl")


def read_results(path: Path) -> list[SurfaceLevelsDocument]:
    """Read results from a file such as the open data set: one JSON document a line, plain or gzipped.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When it is truncated, or a line is no result.
    """
    require_file(path)
    try:
        content = path.read_bytes()
        plain = gzip.decompress(content) if path.suffix == ".gz" else content
        return [SurfaceLevelsDocument.model_validate_json(line) for line in plain.splitlines()]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedFileError(
            f"{path} holds no results: {type(error).__name__}: {str(error)[:300]}",
            "one result a line (.jsonl, .jsonl.gz), as in the open data set",
            "copy it again, or name another file",
        ) from error


def freeze_results(
    documents: Iterable[SurfaceLevelsDocument],
    name: str = "store",
    *,
    flagged: bool = False,
    mixed: bool = False,
) -> FrozenDataset:
    """Freeze results: unrelaxed slabs with the levels of the relaxed ones.

    Failed results, and flagged ones unless they are wanted, are left out and counted by their reason.

    Parameters
    ----------
    documents
        Results with their structures; those of one table of U are of one method.
    name
        Of the data set.
    flagged
        Whether results with a failed check are kept, at a lower weight.
    mixed
        Whether results of several methods (``functional``) may stand together: each is a fidelity then, and
        the learner predicts the one with the most labels.

    Raises
    ------
    EmptyDatasetError
        When no result is left.
    MixedMethodsError
        When the results are of several methods, and that was not asked for.
    """
    records = []
    fidelities: dict[str, Fidelity] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    lowered: dict[str, list[str]] = defaultdict(list)
    methods: Counter[str] = Counter()
    documents = list(documents)
    names = _names(documents, flagged)
    for document in documents:
        title = f"{document.surface_name or document.formula} {document.identifier}"
        reason = _reason_to_leave_out(document, flagged)
        labels, own = _labels(document, names) if reason is None else ([], [])
        if reason is None and not labels:
            reason = NO_NUMBER
        if reason is not None:
            left_out[reason].append(title)
            continue
        slab = document.unrelaxed_slab_structure or document.slab_structure
        assert slab is not None
        methods[names[document.functional]] += 1
        fidelities |= {fidelity.key: fidelity for fidelity in own}
        flagged_now = document.state is ResultState.FLAGGED
        weighed, reasons = weighted(
            labels, _errors(document), FLAGGED_WEIGHT if flagged_now else 1.0
        )
        if flagged_now:
            reasons.append(FLAGGED + ", ".join(document.failed_checks))
        for why in reasons:
            lowered[why].append(title)
        records.append(
            surface_record(
                title,
                slab,
                f"store:{document.identifier}",
                labels=weighed,
                miller_index=document.miller_index,
                space_group_number=document.space_group_number or None,
            )
        )
    if len(methods) > 1 and not mixed:
        counts = ", ".join(f"{number} of {label}" for label, number in methods.most_common())
        raise MixedMethodsError(
            f"the results are of {len(methods)} methods: {counts}",
            "results of one functional, whose levels compare",
            f"choose one: --query 'functional = \"{methods.most_common(1)[0][0]}\"'; or freeze them as "
            "fidelities of their own with --mixed-methods",
        )
    return freeze(
        name,
        records,
        fidelities=list(fidelities.values()),
        left_out=left_out,
        lowered=lowered,
        description="results of the store",
    )


def _reason_to_leave_out(document: SurfaceLevelsDocument, flagged: bool) -> str | None:
    if document.state is ResultState.FAILED:
        return FAILED + (document.error.error if document.error else "no reason stored")
    if document.state is ResultState.REGISTERED:
        return REGISTERED
    if document.state is ResultState.FLAGGED and not flagged:
        return FLAGGED + ", ".join(document.failed_checks)
    if document.unrelaxed_slab_structure is None and (
        document.relaxed or document.slab_structure is None
    ):
        return NO_SLAB
    if document.excess_oxygen:
        return OTHER_OXYGEN
    return None


def _names(documents: Iterable[SurfaceLevelsDocument], flagged: bool) -> dict[str, str]:
    """Return under which name each method of the results that are kept counts."""
    kept = [d for d in documents if _reason_to_leave_out(d, flagged) is None]
    return of_one_table([*(d.functional for d in kept), *(d.semilocal_functional for d in kept)])


def _errors(document: SurfaceLevelsDocument) -> dict[str, float]:
    """Return what the result itself says of the error of its levels, by reason, eV."""
    errors = {
        check.name: TELLING_CHECKS[check.name] * abs(check.value)
        for check in document.checks
        if check.name in TELLING_CHECKS
    }
    if document.convergence_error is not None:
        errors["convergence_error"] = document.convergence_error
    return errors


def _labels(
    document: SurfaceLevelsDocument, names: Mapping[str, str]
) -> tuple[list[Label], list[Fidelity]]:
    """Return the labels at the result's functional, and the semilocal levels beside them."""
    geometry = "relaxed" if document.relaxed else "unrelaxed"
    method = f"{document.engine or 'unknown engine'}, {document.quality}, {geometry}"
    own = Fidelity(names[document.functional], method, "store")
    numbers = {
        own: {
            "ionization_potential": document.ionization_potential,
            "electron_affinity": document.electron_affinity,
            "band_gap": document.band_gap,
            "surface_energy": document.surface_energy,
        }
    }
    semilocal = Fidelity(names[document.semilocal_functional], method, "store")
    if semilocal != own:
        potential, gap = document.semilocal_ionization_potential, document.semilocal_band_gap
        known = potential is not None and gap is not None
        numbers[semilocal] = {
            "ionization_potential": potential,
            "electron_affinity": potential - gap if known else None,  # type: ignore[operator]
            "band_gap": gap,
        }
    labels = [
        Label(name=name, value=value, unit=LABEL_UNITS[name], fidelity=fidelity.key)
        for fidelity, values in numbers.items()
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    ]
    used = {label.fidelity for label in labels}
    return labels, [fidelity for fidelity in numbers if fidelity.key in used]
