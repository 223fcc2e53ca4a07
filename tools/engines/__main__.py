"""Run commands as one local process and as jobs of Slurm, kill a job of each, and compare.

    PYTHONPATH=tools python -m engines scenes check --scenes SCENES --dataset DATASET --run RUN \
        --out OUT --executor slurm --executor-config slurm.yaml

Without names, all commands of `trials.py` run. In each run on Slurm a job is killed when another
one has completed and it has started its worker: by scancel, or by SIGKILL of its process, in turn.
Exit code, output and files must be those of one process; `kill.compare.snapshot` tells what is left
out, such as times. There is a line for each command, with a sum of all that was compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from kill.compare import differences

from engines.slurm_jobs import How, Slurm, kill_one
from engines.trials import Trial, outcome, start, trials

HOWS: tuple[How, How] = ("scancel", "SIGKILL")
KILLED = ("CANCELLED", "FAILED")


def main() -> int:
    """Run the tool; 0 if every command wrote on Slurm what it wrote alone."""
    options = _parse()
    known = trials(options.scenes, options.dataset, options.run)
    engine = ["--executor", options.executor, "--workers", "2"]
    if options.executor_config is not None:
        engine += ["--executor-config", str(options.executor_config.absolute())]
    failed = False
    for number, trial in enumerate(known):
        if not options.names or trial.name in options.names:
            faults = compare(trial, options.out / trial.name, engine, HOWS[number % 2])
            failed |= bool(faults)
            print(*faults, sep="\n", end="\n" if faults else "", flush=True)
    return int(failed)


def compare(trial: Trial, folder: Path, engine: list[str], how: How) -> list[str]:
    """Run a command on both; print a line about it and return a line for each difference.

    Args:
        trial: The command.
        folder: A folder that does not exist.
        engine: Words that choose Slurm.
        how: How a job is killed.
    """
    began = time.monotonic()
    code = start(trial, folder / "local", ("--workers", "1")).wait()
    local = outcome(folder / "local", code)
    former, turned = set(Slurm().states()), time.monotonic()
    command = start(trial, folder / "slurm", engine)
    killed = kill_one(Slurm(), former, how, lambda: command.poll() is None)
    slurm = outcome(folder / "slurm", command.wait())
    ended = time.monotonic()
    states = {job: state for job, state in Slurm().states().items() if job not in former}
    content = json.dumps(slurm, sort_keys=True).encode()
    print(
        f"{trial.name}: {len(slurm)} entries, sum {hashlib.sha256(content).hexdigest()[:16]}, "
        f"exit code {slurm['exit code']}; local {turned - began:.0f} s, "
        f"{len(states)} jobs {ended - turned:.0f} s; {how} of {killed}, then "
        f"{states.get(killed or '', 'nothing')}",
        flush=True,
    )
    faults = [*trial.faults(local), *differences(local, slurm)]
    if killed is None or states[killed] not in KILLED:
        faults.append("no job was killed before it ended")
    return [f"{trial.name}: {fault}" for fault in faults]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="only these commands")
    for name in ("scenes", "dataset", "run", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--executor", default="slurm")
    parser.add_argument("--executor-config", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
