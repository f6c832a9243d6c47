"""`wattstat.yaml` and the environment over it, read as one."""

from __future__ import annotations

from pathlib import Path

from wattstat import document, explain
from wattstat.config.settings import Config
from wattstat.document import Document, InvalidDocument, Problem


def load(path: Path | None) -> Config:
    """The configuration of a file; the defaults for None. Raises `InvalidDocument` with everything that is wrong with it."""
    found = Document(source="defaults") if path is None else document.read(path)
    config, problems = examine(found, path.parent if path else Path())
    errors = [problem for problem in problems if not problem.warning]
    if config is None or errors:
        raise InvalidDocument(errors)
    return config


def examine(found: Document, base: Path) -> tuple[Config | None, list[Problem]]:
    """The configuration of a document and everything that is wrong with it. Relative paths are seen from `base`."""
    config, problems = explain.model_of(Config, found)
    if config is None:
        return None, list(explain.collect(problems))
    return explain.resolve_paths(config, base.absolute()), list(explain.collect(problems))
