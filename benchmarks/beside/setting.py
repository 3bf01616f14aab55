"""What the rows share: the peer lab's modules, the programs, the clock that bounds a run, and a row's result.

The lab is a folder with `lab.py`, `exporter.py`, `bench_query.py`, `k8sdata.py` and others; it starts programs in
sessions of their own, on loopback, and counts what a session costs. Programs are taken from `PEERS/bin`.
"""

import importlib
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
CALM_CORES = 0.3
"""A figure is to be believed when everything else took less than this much of a core."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `met` None: there is no goal, or nothing to hold it against."""

    what: str
    pyscrape: str
    peers: str
    goal: str
    met: bool | None
    repeats: int
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Setting:
    """One run: where the programs are, how much time there is, and what earlier rows found."""

    peers: Path
    lab_folder: Path
    deadline_s: float
    quick: bool = False
    pages: list[Path] = field(default_factory=list)
    reserved_s: float = 0.0
    ingest_us: dict[str, dict[str, float]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the lab's modules importable, and what is started here find this source and keep its byte code."""
        os.environ["PEERS"] = str(self.peers)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.path.insert(0, str(self.lab_folder))

    def module(self, name: str) -> ModuleType:
        """A module of the lab."""
        return importlib.import_module(name)

    def program(self, name: str) -> Any:
        """A program of the lab, not started."""
        lab = self.module("lab")
        if name == "pyscrape":
            return lab.PyScrape([sys.executable, "-m", "pyscrape"])
        kinds = {
            "prometheus": lab.Prometheus,
            "victoria-metrics": lab.VictoriaMetrics,
            "vmagent": lab.VMAgent,
        }
        program = kinds[name]()
        if not program.available():
            raise LookupError(f"{name} is not under {self.peers}/bin")
        return program

    def time_for(self, cost_s: float) -> bool:
        """Whether something that nobody counted on may still be done."""
        return time.monotonic() + cost_s + self.reserved_s < self.deadline_s


def median(values: list[float]) -> float:
    return statistics.median(values)


def listed(values: dict[str, float], form: str = "{:.3g}") -> str:
    """`prometheus 1.25, vmagent 3.73`."""
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())
