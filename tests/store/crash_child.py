"""A process that appends as fast as it can and says what was promised; the crash test kills it.

Prints `<rows committed>` after every commit. Row n is at time n + 1, and its k-th value is n * (k + 1) % 1000.
"""

import sys

import numpy as np

from pyscrape.store import Store

SERIES = 2000


def main() -> None:
    store = Store()
    store.open(sys.argv[1])
    table = store.table("target")
    columns = table.add_columns([{"__name__": "x", "k": str(k)} for k in range(SERIES)])
    factors = np.arange(1, SERIES + 1)
    row = max(table.last_ms, 0)
    while True:
        for _ in range(50):
            table.append(row + 1, columns, (row * factors % 1000).astype(np.float64))
            row += 1
        store.maintain(row, 0.02)
        if row % 4000 == 0 and store.durability is not None:
            store.durability.step(row + 10**9)  # a checkpoint, whatever the time
        store.commit().result(timeout=60)
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
