"""Runs the rows one after another, keeps what they found in a file, and prints the table.

A row that fails says why and the next one begins. What the file already holds of other rows stays, so that a run may
be continued or a row repeated: `--rows a,check`.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.beside import ingest, parts, queries
from benchmarks.beside.setting import Result, Setting

HEAD = ("row", "figure", "pyscrape", "peers", "goal", "met", "repeats", "note")


@dataclass(frozen=True, slots=True)
class Row:
    """`about_s`: what it takes without its further repeats, which are made only while there is time for the rest."""

    measure: Callable[[Setting], Sequence[Result]]
    about_s: float


ROWS: dict[str, Row] = {
    **{
        key: Row(partial(ingest.workload_row, key=key), about_s)
        for key, about_s in {"d": 115, "a": 70, "c": 160, "b": 85}.items()  # the nearest to its goal first
    },
    **{
        f"{key}-seals": Row(partial(ingest.sealed_row, key=key), one.window_s + 14)
        for key, one in ingest.SEALED.items()
    },
    "slope": Row(ingest.slope_row, 150),
    "bytes": Row(ingest.bytes_row, 65),
    "queries": Row(queries.rows, 160),
    "ragged": Row(partial(queries.rows, ragged=True), 160),
    "relabel": Row(parts.relabel_row, 15),
    "kubernetes": Row(parts.kubernetes_row, 60),
    "outage": Row(parts.outage_row, 25),
    "parser": Row(parts.parser_row, 20),
    "check": Row(parts.check_row, 5),
    "start": Row(parts.start_row, 25),
}


def run(
    peers: Path, lab: Path, names: Sequence[str], minutes: float, store: Path, pages: list[Path], quick: bool
) -> int:
    """Measure the rows `names`, print all rows that `store` then holds; 1 when one of them failed."""
    begin_s = time.monotonic()
    setting = Setting(peers.resolve(), lab.resolve(), begin_s + minutes * 60, quick, pages)
    setting.prepare()
    kept: dict[str, Any] = json.loads(store.read_text()) if store.exists() else {}
    for name, one in kept.items():
        if one.get("ingest_us"):
            setting.ingest_us[name] = one["ingest_us"]
    for number, name in enumerate(names):
        setting.reserved_s = sum(ROWS[later].about_s for later in names[number + 1 :])
        print(f"... {name}, after {time.monotonic() - begin_s:.0f} s", file=sys.stderr, flush=True)
        kept[name] = measured(setting, name)
        store.write_text(json.dumps(kept, indent=1))
        print_table({name: kept[name]}, file=sys.stderr)
    print_table({name: kept[name] for name in ROWS if name in kept})
    missing = [name for name in ROWS if name not in kept]
    print(
        f"\n{time.monotonic() - begin_s:.0f} s" + (f"; not measured: {', '.join(missing)}" if missing else "")
    )
    return int(any("error" in kept[name] for name in names))


def measured(setting: Setting, name: str) -> dict[str, Any]:
    """One row, as it stands in the file."""
    begin_s = time.monotonic()
    try:
        results = [result.as_json() for result in ROWS[name].measure(setting)]
    except Exception as error:  # whatever it was, the other rows go on; it is printed and kept
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    found = {"took_s": round(time.monotonic() - begin_s, 1), "quick": setting.quick, "results": results}
    if name in setting.ingest_us:
        found["ingest_us"] = setting.ingest_us[name]
    return found


def print_table(kept: dict[str, Any], file: Any = None) -> None:
    """As Markdown: it goes into documents as it is."""
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), file=file)
    for name, one in kept.items():
        if "error" in one:
            print(f"| {name} | failed | | | | **no** | 0 | {one['error']} |".replace("\n", " "), file=file)
        for result in one.get("results", ()):
            met = {True: "yes", False: "**no**", None: ""}[result["met"]]
            note = "; ".join(
                filter(None, (result["note"], "quick: not to be quoted" if one["quick"] else ""))
            )
            cells = (name, result["what"], result["pyscrape"], result["peers"], result["goal"], met,
                     str(result["repeats"]), note)  # fmt: skip
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |", file=file, flush=True)
