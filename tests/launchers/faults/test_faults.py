"""A campaign that is killed, cancelled and cut off everywhere ends with every surface once.

The long version, with more faults, walltimes and full disks, is ``long_run.py`` beside this file; its table
is in docs/reliability.md.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
import slurm_cluster
import toy_engine
from fault_campaign import FaultCampaign
from faults import FAULTS

from surfalign.errors import MissingDependencyError

#: In this order, so that each has something to hit.
SHORT = (
    "two submitters at once",
    "kill -9 of a job",
    "database killed -9 and restarted",
    "kill -9 of the worker",
    "scancel",
    "squeue empty at exit 0",
    "sbatch fails although SLURM took the job",
    "held job",
)


@pytest.mark.slurm
@pytest.mark.mongo
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("jobs_per_allocation", [1, 3])
def test_faults_lose_and_double_nothing(jobs_per_allocation: int) -> None:
    pytest.importorskip("fireworks")
    reason = slurm_cluster.missing()
    if reason:
        pytest.skip(reason)
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    chance = random.Random(20261120)
    campaign = FaultCampaign(
        directory, "fireworks", n_surfaces=3, toy_seconds=0.5,
        jobs_per_allocation=jobs_per_allocation,
    )  # fmt: skip
    try:
        with campaign.running():
            campaign.submit(1)
            for name in SHORT:
                FAULTS[name](campaign, chance)
            campaign.submit(3)
            campaign.drain(900)
            verdict = campaign.verdict()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(directory, ignore_errors=True)

    assert verdict["surfaces"] == verdict["distinct"] == 3
    assert verdict["done"] == 2
    assert verdict["failed"] == {"made:00001": "convergence"}
    assert verdict["levels"] == [pytest.approx(toy_engine.STEP - toy_engine.VBM)]
    for fault in ("twice", "doubled jobs", "at once", "silent", "lost", "stuck"):
        assert verdict[fault] == [], fault
    assert verdict["second build"] == 0
