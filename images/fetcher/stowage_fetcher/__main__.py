"""``python -m stowage_fetcher``."""

import sys

from stowage_fetcher.cli import main

sys.exit(main())
