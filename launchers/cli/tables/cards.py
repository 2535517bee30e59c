"""Tables of models and of their errors."""

from __future__ import annotations

from rich.table import Table

from surfalign.ml.models.model_registry import ModelCard, ModelRegistry


def metrics_table(card: ModelCard) -> Table:
    """Return the errors of a version on formulas that the predicting member has not seen."""
    table = Table(
        title=f"{card.name} {card.version} ({card.kind}), out of fold by formula",
        caption=f"predicts {card.fidelity}",
    )
    table.add_column("Property", no_wrap=True)
    for name in ("Surfaces", "MAE", "RMSE", "MAE inside", "MAE outside\nof the domain", "Unit"):
        table.add_column(name, justify="right")
    for name, m in card.metrics.items():
        numbers = (m["mae"], m["rmse"], m["mae_in_domain"], m["mae_out_of_domain"])
        table.add_row(name, str(m["n"]), *map(number, numbers), m["unit"])
    return table


def number(value: float | None) -> str:
    """Return a number with three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def versions_table(models: ModelRegistry, names: list[str]) -> Table:
    """Return all versions of some models; the champion is marked."""
    table = Table(caption="* predicts; MAE in eV, out of fold by formula")
    for name in ("Model", "Version", "", "Kind", "Made"):
        table.add_column(name, no_wrap=True)
    for name in ("Surfaces", "IP MAE", "EA MAE"):
        table.add_column(name, justify="right")
    for name in names:
        champion = models.champion(name)
        for version in models.versions(name):
            card = models.card(name, version)
            errors = [
                card.metrics.get(p, {}).get("mae")
                for p in ("ionization_potential", "electron_affinity")
            ]
            table.add_row(
                name,
                version,
                "*" if champion and champion.version == version else "",
                card.kind,
                card.created_at[:19].replace("T", " "),
                str(card.dataset["labelled_surfaces"]),
                *map(number, errors),
            )
    return table
