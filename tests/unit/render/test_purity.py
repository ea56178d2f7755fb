"""render imports the API, the placement and the parts of the standard library that only compute."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import stowage.render

FILES = sorted(Path(stowage.render.__file__).parent.glob("*.py"))
IMPURE = {
    "asyncio",
    "datetime",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_imports(file: Path) -> None:
    for statement in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.ImportFrom):
            names = [statement.module or ""]
        elif isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            assert top not in IMPURE
            assert top in sys.stdlib_module_names or name.startswith(
                ("stowage.api.", "stowage.placement.", "stowage.render.")
            )
