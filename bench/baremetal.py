# SPDX-License-Identifier: Apache-2.0
"""Bring emulated machines from an undercloud that does not know them to SSH, alone and three at once, as JSON.

    make test-baremetal ARGS=--co                              # once: what the machines need
    .ansible/venv-dev/bin/python bench/baremetal.py            # about 12 minutes; needs root

Everything is real but the machines, which are emulated without hardware virtualisation. Promised: a machine needs 150 s
from its enrolment until SSH answers, three together 6 minutes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT)]
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

from tests.baremetal.bench import DEAD, SPOILT, Bench, start  # noqa: E402 - found on the path set above

ALONE, TOGETHER = 150, 360


def plain(cloud: dict[str, Any]) -> None:
    """All machines are good ones."""
    cloud["nodes"][SPOILT].pop("image")


def measure(bench: Bench) -> dict[str, Any]:
    """One machine, then three, by ``provision``, which enrols them, inspects them and deploys them."""
    bench[DEAD].bmc.fault = ""
    bench.cloud.changed(plain)
    one, three = "bm3", ("bm2", DEAD, SPOILT)
    for what, names in (("alone", (one,)), ("three together", three)):
        with bench.timed(what):
            assert bench.run("provision", *names).code == 0, f"{what} failed"
    for name in (one, *three):
        assert bench.ssh(name, "hostname").strip() == name, name
    took = bench.seconds
    return {
        "undercloud": took["undercloud"],
        "alone": took["alone"],
        "three_together": took["three together"],
        "ok": took["alone"] <= ALONE and took["three together"] <= TOGETHER,
    }


def main() -> int:
    """All of it; 1 when a promise is not kept."""
    stdout = sys.stdout
    sys.stdout = sys.stderr  # progress of the runs
    with ExitStack() as stack, tempfile.TemporaryDirectory() as directory:
        result = measure(start(stack, Path(directory)))
    print(json.dumps({"baremetal": result}, indent=2), file=stdout)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
