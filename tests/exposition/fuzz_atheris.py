"""Coverage-guided fuzzing of both ways of reading pages, where atheris is installed.

By hand: `python -m tests.exposition.fuzz_atheris [FOLDER] [-max_total_time=120 and other options of libFuzzer]`. What
finds new ways through the code is kept in FOLDER, by default one that is removed at the end; it begins with pages of
`fuzz.Pages`. A difference or a crash ends the run, and the input is left in the current folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pyscrape.exposition"]):
    from tests.exposition.fuzz import SEPARATOR, Pages, fuzz_one

SEEDS = 200


def seed(folder: Path) -> None:
    """Write the pages to begin with."""
    pages = Pages(0)
    for number in range(SEEDS):
        form, mark = ("text", b"t") if number % 2 else ("openmetrics", b"o")
        (folder / f"seed-{number}").write_bytes(mark + SEPARATOR.join(pages.pages(form)))


def main() -> None:
    """Fuzz until libFuzzer ends."""
    with tempfile.TemporaryDirectory() as scratch:
        named = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        folder = Path(named[0] if named else scratch)
        folder.mkdir(exist_ok=True)
        seed(folder)
        atheris.Setup([*sys.argv, *([] if named else [scratch])], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
