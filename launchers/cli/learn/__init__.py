"""``surfalign learn``: data sets, models, predictions."""

from __future__ import annotations

import importlib

import typer

commands = typer.Typer(
    help="Learn IP and EA of relaxed surfaces from unrelaxed ones, and predict them.",
    no_args_is_help=True,
)

#: One module per group of commands; each has ``register(commands)``.
PARTS = ("freeze", "train", "evaluate", "predict", "explain", "retrain", "models")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for part in PARTS:
        importlib.import_module(f"{__name__}.{part}").register(commands)
    app.add_typer(commands, name="learn")
