"""``python -m stowage_builder``."""

import sys

from stowage_builder.cli import main

sys.exit(main())
