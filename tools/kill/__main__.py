"""Kill every long command at random times, resume it, and compare with an undisturbed run.

    PYTHONPATH=tools python -m kill --kills 300 --seed 0 --out kills

Each case starts a stage's command in a folder of its own, kills it (often several times in a row),
starts it again as a user would until it ends by itself, and compares what the folder holds with
what two undisturbed runs gave: files byte for byte, catalogs and logs of training record by record
(`compare.py`). Nothing else may be left behind: neither files nor processes.

Half of the kills come at any time, half within milliseconds after a file has changed, most of those
late in the run, where files get their names. A kill counts if the command was running. The output
is a table in Markdown; `kills.json` has every kill. The folders of a case that differs are kept;
``--stage STAGE --seed SEED --case NUMBER --kills 1`` repeats it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from kill.killer import Killer, table
from kill.material import Site, make_material
from kill.process import Launcher
from kill.stages import stages


def main() -> int:
    """Run the tool; 0 when every run gave what an undisturbed one gives."""
    options = _parse()
    options.out.mkdir(parents=True, exist_ok=True)
    out = options.out.resolve()
    site, cases = Site(), []
    with Launcher(site.url) as launcher:
        material = out / "material"
        make_material(material, site, launcher.run_words)
        killer = Killer(material, out, launcher, options.seed)
        chosen = [
            stage
            for stage in stages(material, site.url)
            if not options.stage or stage.name in options.stage
        ]
        for stage in chosen:
            cases += killer.stage(stage, options.case, -(-options.kills // len(chosen)))
            (out / "kills.json").write_text(json.dumps([asdict(each) for each in cases], indent=1))
    print(table(cases))
    return 1 if any(case.faults for case in cases) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of cases and kills.json")
    parser.add_argument("--kills", type=int, default=300, help="in all, over the stages")
    parser.add_argument("--seed", type=int, default=0, help="of moments and signals")
    parser.add_argument("--stage", action="append", help="only this one (repeatable)")
    parser.add_argument("--case", type=int, default=0, help="number of the first case")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
