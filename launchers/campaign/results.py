"""The results of a campaign: built from the outputs of its jobs, with the failures of its launcher."""

from __future__ import annotations

from surfalign.launchers.campaign.failed_results import report_failures
from surfalign.launchers.campaign.submission import release
from surfalign.launchers.cluster.launcher import Launcher
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database


def bring_up_to_date(
    database: Database, launcher: Launcher | None = None, *, recompute: bool = False
) -> dict[str, int]:
    """Build the results, note the failures of a launcher, and submit what had waited; count each."""
    builder = SurfaceLevelsBuilder(database.jobs, database.surface_levels, recompute_all=recompute)
    report = {"written": builder.run()}
    if launcher is not None:
        report["failures"] = report_failures(launcher, database)
        report["flows_released"] = release(launcher, database)
    report["results"] = database.surface_levels.count()
    return report
