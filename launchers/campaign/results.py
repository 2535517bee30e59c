"""The results of a campaign: built from the outputs of its jobs, with the failures of its launcher."""

from __future__ import annotations

from surfalign.launchers.campaign.failed_results import report_failures
from surfalign.launchers.campaign.submission import release
from surfalign.launchers.cluster.launcher import Launcher
from surfalign.stores.database import Database
from surfalign.stores.shapes.builder import build_results
from surfalign.workflows.engines.vasp.stored_method import with_todays_name


def bring_up_to_date(
    database: Database,
    launcher: Launcher | None = None,
    *,
    recompute: bool = False,
    compare_all: bool = False,
) -> dict[str, int]:
    """Build the results, note the failures of a launcher, and submit what had waited; count each.

    Parameters
    ----------
    database
        Where the outputs of jobs and the results are.
    launcher
        Of the campaign; None where there is none.
    recompute
        Compute all levels again from the stored potentials.
    compare_all
        Compare all results with their jobs, not only those whose jobs are new or changed.
    """
    written = build_results(
        database, with_todays_name, recompute_all=recompute, compare_all=compare_all
    )
    report = {"written": written}
    if launcher is not None:
        report["failures"] = report_failures(launcher, database)
        report["flows_released"] = release(launcher, database)
    report["results"] = database.surface_levels.count()
    return report
