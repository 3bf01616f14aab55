"""`python -m pyscrape` is the `pyscrape` command."""

import sys

from pyscrape.cli.main import main

sys.exit(main())
