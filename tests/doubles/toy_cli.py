"""The command ``surfalign`` with the toy engine among the engines."""

from __future__ import annotations

from surfalign.launchers.cli.main import main
from surfalign.workflows.engines import engine

engine.ENGINES["toy"] = "toy_engine:make_engine"

if __name__ == "__main__":
    main()
