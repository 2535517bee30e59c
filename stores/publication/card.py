"""The card of a data set, as Markdown: what it holds, how it was made, what is known to be wrong."""

from __future__ import annotations

from collections import Counter

from surfalign.stores.publication.description import METHOD, METHOD_DOI, Counts, Description
from surfalign.version import __version__

#: Lines of a list; the rest is counted.
LONGEST_LIST = 40


def card(description: Description, counts: Counts, files: dict[str, str]) -> str:
    """Return the card.

    Parameters
    ----------
    description
        What people say.
    counts
        What it holds.
    files
        Name of each file or folder, and what is in it.
    """
    return (
        "\n\n".join(
            [
                f"# {description.title}",
                description.text,
                _numbers(counts),
                _table(files),
                _reading(),
                _methods(counts),
                _checks(counts),
                _known_errors(counts),
                _licence(description),
            ]
        )
        + "\n"
    )


def _numbers(counts: Counts) -> str:
    states = _listed(counts.states)
    origins = "" if set(counts.origins) == {"computed"} else f" Origin: {_listed(counts.origins)}."
    return (
        f"{counts.number} results of {len(counts.formulas)} oxides: {states}.{origins}\n\n"
        f"Oxides: {_listed(counts.formulas)}."
    )


def _reading() -> str:
    return (
        "Energies are in eV; every field has its unit in `schema/SurfaceLevelsDocument.json`. A number that is not "
        "finite is the text NaN, Infinity or -Infinity.\n\n"
        "```python\nimport json\n\n"
        'with open("data/surfaces.jsonl") as lines:\n'
        "    surfaces = [json.loads(line) for line in lines]\n"
        'sane = [surface for surface in surfaces if surface["state"] == "passed"]\n```\n\n'
        "`surfalign import-crate DIR` brings all of it into an empty store, document for document. "
        "`manifest-sha256.txt` has the checksums: `sha256sum -c manifest-sha256.txt`."
    )


def _methods(counts: Counts) -> str:
    text = f"## Methods\n\nResults with numbers by method: {_named(counts.methods) or 'none'}. "
    if len(counts.methods) > 1:
        text += "Levels of different methods do not compare. "
    if counts.engines:
        text += f"Engines: {_named(counts.engines)}. "
    return text + (
        f"Levels are those of [{METHOD}](https://doi.org/{METHOD_DOI}): band edges of the bulk, aligned to the vacuum "
        "level through the slab's electrostatic potential. Settings, versions and steps stand with each result."
    )


def _checks(counts: Counts) -> str:
    failed = ", ".join(
        f"`{name}` of {number}" for name, number in counts.failed_checks.most_common()
    )
    return (
        "## Checks\n\nA result is `passed` when all of its checks passed, `flagged` when one failed (its "
        "`failed_checks` say which), `failed` when there is no number, and `registered` when others made it. "
        f"Failed checks: {failed or 'none'}."
    )


def _known_errors(counts: Counts) -> str:
    lines = ["## Known errors"]
    if counts.typical_error is not None:
        lines.append(
            f"- `convergence_error` (median {counts.typical_error:.2f} eV) is the error of convergence alone, "
            "not that of the functional."
        )
    for level, summary in counts.agreement.items():
        if summary is not None:
            lines.append(
                f"- {level.replace('_', ' ')} against {summary.number} measured ones: mean absolute error "
                f"{summary.mean_absolute_error:.2f} eV, bias {summary.bias:+.2f} eV, largest {summary.largest:.2f} eV."
            )
    lines += [
        f"- {text} ({number} results)" for text, number in counts.warnings.most_common(LONGEST_LIST)
    ]
    if len(lines) == 1:
        lines.append("- None is stated by the results, which does not mean that there is none.")
    return "\n".join([lines[0], "", *lines[1:]])


def _licence(description: Description) -> str:
    people = "; ".join(description.creators)
    cited = "\n".join(f"- {text}" for text in _to_cite(description))
    return (
        f"## Licence and citation\n\nLicence: [{description.licence}]({description.licence_address}). "
        f"Creators: {people}. Published on {description.published.isoformat()} by surfalign {__version__}. "
        f"Please cite:\n\n{cited}"
    )


def _to_cite(description: Description) -> list[str]:
    own = [*description.citations, *(f"https://doi.org/{doi}" for doi in description.dois)]
    return [description.citation, *own, f"{METHOD}, https://doi.org/{METHOD_DOI}"]


def _listed(numbers: Counter[str]) -> str:
    most = numbers.most_common(LONGEST_LIST)
    rest = f" and {len(numbers) - len(most)} more" if len(numbers) > len(most) else ""
    return ", ".join(f"{number} {name}" for name, number in most) + rest


def _named(numbers: Counter[str]) -> str:
    """Return names that may begin with digits of their own, with their numbers."""
    return ", ".join(f"{name} ({number})" for name, number in numbers.most_common(LONGEST_LIST))


def _table(files: dict[str, str]) -> str:
    rows = [f"| `{name}` | {text} |" for name, text in files.items()]
    return "\n".join(["| file | holds |", "|---|---|", *rows])
