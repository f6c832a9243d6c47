"""`wattstat.yaml` and the environment over it, read as one."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from wattstat import document, explain
from wattstat.config import check, environment
from wattstat.config.settings import Config
from wattstat.document import Document, InvalidDocument, Problem

_log = logging.getLogger(__name__)


def load(path: Path | None, *, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of a file; the defaults for None; the environment's settings over either.

    Raises `InvalidDocument` with everything that is wrong with it. Warnings go to the log.
    """
    config, problems = examine(*source(path, environ))
    errors = [problem for problem in problems if not problem.warning]
    if config is None or errors:
        raise InvalidDocument(errors)
    for problem in problems:
        _log.warning("%s", problem)
    return config


def source(path: Path | None, environ: Mapping[str, str] | None = None) -> tuple[Document, Path]:
    """The document of a file with the environment over it, and the folder from which its relative paths are seen."""
    found = Document(source="defaults") if path is None else document.read(path)
    return environment.override(found, os.environ if environ is None else environ), path.parent if path else Path()


def examine(found: Document, base: Path) -> tuple[Config | None, list[Problem]]:
    """The configuration of a document, and everything that is wrong with it. Relative paths are seen from `base`."""
    config, problems = explain.model_of(Config, found)
    if config is None:
        return None, explain.collect(problems)
    config = explain.resolve_paths(config, base.absolute())
    return config, explain.collect(problems, check.check(config, found), check.check_secrets(config, found))
