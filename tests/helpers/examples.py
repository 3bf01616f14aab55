"""How many examples a property is tried with: few enough for every run of the suite, more when asked.

`PYSCRAPE_EXAMPLES=20` tries twenty times as many.
"""

import os

from hypothesis import settings

FACTOR = int(os.environ.get("PYSCRAPE_EXAMPLES", "1"))


def examples(count: int) -> settings:
    """The settings of a property that shows enough after `count` examples."""
    return settings(max_examples=count * FACTOR)
