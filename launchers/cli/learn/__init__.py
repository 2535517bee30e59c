"""Commands of the learner."""

from __future__ import annotations

import typer

from surfalign.launchers.cli.lazy import lazy_group

COMMANDS = {
    "Data": {
        "freeze": (
            "freeze",
            "Freeze results of the store, files of slabs, tables or data sets into one hashed file.",
        ),
        "import-jacs-si": (
            "freeze",
            "Import the table of surfaces of J. Am. Chem. Soc. 146, 9697 (2024).",
        ),
        "import-medians": (
            "freeze",
            "Import median IPs of formulas as weak labels of the enumerated surfaces.",
        ),
    },
    "Models": {
        "train": ("train", "Train a new version of a model and make it the champion."),
        "evaluate": (
            "evaluate",
            "Measure a model on its own data, each formula by members that have not seen it.",
        ),
        "score": (
            "score",
            "Score a whole model on labelled surfaces of formulas that it never learned from.",
        ),
        "retrain": (
            "retrain",
            "Train a challenger on the data of today and promote it only if it deserves it.",
        ),
        "models": ("models", "List all versions of the models with their data and errors."),
        "rollback": ("models", "Make an earlier version of a model predict again."),
    },
    "Predictions": {
        "predict": (
            "predict",
            "Predict IP and EA of relaxed surfaces from unrelaxed ones, or what else a model learned.",
        ),
        "explain": (
            "explain",
            "Draw structures with their atoms coloured by the attention, and what the inputs do, for each property.",
        ),
    },
}

commands = typer.Typer(
    name="learn",
    cls=lazy_group(__name__, COMMANDS),
    help="Learn IP and EA of relaxed surfaces from unrelaxed ones, and predict them.",
    no_args_is_help=True,
)
