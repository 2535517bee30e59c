"""A real SLURM on this machine (munged, slurmctld, slurmd) with partitions cpu and gpu, for tests.

Nothing of it is a double except the GPUs: two character devices that do nothing. It needs root and the
Debian packages slurm-wlm and munge, and no systemd; all its files are in one directory.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

#: Where the clients are, whatever a test puts before them on the PATH.
_CLIENTS = {
    name: shutil.which(name) for name in ("squeue", "scancel", "scontrol", "sinfo", "sbatch")
}
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
START_TIMEOUT, STOP_TIMEOUT = 90.0, 30.0

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={directory}/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
SlurmctldTimeout=30
SlurmdTimeout=300
ReturnToService=2
KillWait=2
MinJobAge={min_job_age}
InactiveLimit=0
MailProg=/bin/true
GresTypes=gpu
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=node1 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=node1 MaxTime=INFINITE State=UP
"""


def python_path() -> str:
    """Return PYTHONPATH for jobs: the doubles, and whatever this process was given."""
    given = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(filter(None, (str(Path(__file__).parent), given)))


def missing() -> str:
    """Return why no SLURM can be started here, or an empty text."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"SLURM is not installed (no {', '.join(absent)}): apt-get install slurm-wlm munge" if absent else ""  # fmt: skip


def wait_until(condition: Callable[[], bool], what: str, timeout: float = START_TIMEOUT) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:.0f} s still waiting for: {what}")
        time.sleep(0.1)


@dataclass
class SlurmCluster:
    """A SLURM of one node that counts ``cores`` cores, however many there are."""

    directory: Path
    cores: int = 2
    #: How long SLURM remembers a job that has ended (s).
    min_job_age: int = 600
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What its clients need."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    def start(self) -> None:
        self._write_configuration()
        try:
            self._start_munge()
            self._start("slurmctld", "slurmctld", "-D", "-f", str(self.directory / "slurm.conf"))
            self.start_node()
        except BaseException:
            self.stop()
            raise

    def start_node(self) -> None:
        self._start("slurmd", "slurmd", "-D", "-N", "node1", "-f", str(self.directory / "slurm.conf"))  # fmt: skip
        wait_until(self._node_is_up, f"a node that is up; see {self.directory}/slurmd.log")

    def stop_node(self, *, by_force: bool = False) -> None:
        """End slurmd; its jobs go on."""
        self._end("slurmd", signal.SIGKILL if by_force else signal.SIGTERM)

    def stop(self) -> None:
        with suppress(OSError, subprocess.SubprocessError):
            self.client("scancel", "--user", "root", check=False, timeout=STOP_TIMEOUT)
            wait_until(lambda: not self.client("squeue", "-h", check=False), "empty queue", 15)
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name, signal.SIGTERM)
        self._end_strays()

    def client(self, *command: str, check: bool = True, timeout: float = 180.0) -> str:
        """Run a client of SLURM and return what it prints."""
        done = subprocess.run(
            [_CLIENTS.get(command[0]) or command[0], *command[1:]],
            env=os.environ | self.environment, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that it remembers."""
        text = self.client("squeue", "-t", "all", "-h", "-o", "%i|%T|%P|%j|%b|%Z")
        names = ("id", "state", "partition", "name", "gres", "directory")
        return [dict(zip(names, line.split("|"), strict=True)) for line in text.splitlines()]

    # --- inside ---

    def _write_configuration(self) -> None:
        for name in ("munge", "state", "spool"):
            (self.directory / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        devices = [self.directory / f"gpu{i}" for i in range(2)]
        for device in devices:
            if not device.exists():
                try:
                    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
                except PermissionError:  # a container that may not make devices
                    device.symlink_to(f"/dev/{('null', 'zero')[devices.index(device)]}")
        ports = _free_ports(2)
        text = CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], directory=self.directory, cores=self.cores,
            controller_port=ports[0], node_port=ports[1], min_job_age=self.min_job_age,
        )  # fmt: skip
        (self.directory / "slurm.conf").write_text(text)
        gres = "".join(f"NodeName=node1 Name=gpu Type=fake File={device}\n" for device in devices)
        (self.directory / "gres.conf").write_text(gres)

    def _start_munge(self) -> None:
        munge = self.directory / "munge"
        key = munge / "key"
        if not key.exists():
            key.write_bytes(secrets.token_bytes(128))
            key.chmod(0o600)
        options = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed", "key-file": "key"}  # fmt: skip
        self._start(
            "munged", "munged", "--foreground", "--force", "--num-threads=2",
            *(f"--{option}={munge / name}" for option, name in options.items()),
        )  # fmt: skip
        wait_until((munge / "socket").exists, "munge's socket")

    def _start(self, name: str, *command: str) -> None:
        with (self.directory / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=os.environ | self.environment, start_new_session=True,
            )  # fmt: skip

    def _node_is_up(self) -> bool:
        for name, process in self.processes.items():
            if process.poll() is not None:
                output = (self.directory / f"{name}.out").read_text(errors="replace")
                raise RuntimeError(f"{name} ended: {output[-2000:]}")
        state = self.client("sinfo", "-h", "-N", "-p", "cpu", "-o", "%T", check=False).split()
        return bool(state) and state[0].rstrip("*") in ("idle", "mixed", "allocated") and "*" not in state[0]  # fmt: skip

    def _end(self, name: str, first: signal.Signals) -> None:
        process = self.processes.pop(name, None)
        if process is None:
            return
        for number in (first, signal.SIGKILL):
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
                return

    def _end_strays(self) -> None:
        """End slurmstepd processes of this cluster that outlived it."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() == "slurmstepd" and str(self.directory) in (
                    process.environ().get("SLURM_CONF") or ""
                ):
                    process.kill()


def _free_ports(number: int) -> list[int]:
    """Different free ports, below those that the system hands out to whoever asks for any."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: list[int] = []
    with ExitStack() as probes:
        while len(ports) < number:
            port = lowest - 1 - secrets.randbelow(lowest // 2)
            probe = probes.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("", port))
                ports.append(port)
    return ports
