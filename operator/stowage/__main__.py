"""``python -m stowage``."""

from stowage.cli.main import app

app()
