"""Luigi's own flags, and what we make of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import luigi.configuration
import pytest

import pipeline.tasks  # noqa: F401 - sets our defaults
from pipeline import log
from pipeline.building.luigi_defaults import _follow_log_level, _OneLine
from pipeline.errors import InputError


@pytest.fixture(autouse=True)
def back_to_info() -> Iterator[None]:
    """The level is the process's."""
    yield
    log.set_level("info")


@pytest.mark.parametrize(
    ("words", "lowest"),
    [
        ([], "info"),
        (["--log-level", "DEBUG"], "debug"),
        (["--log-level=INFO"], "info"),
        (["--log-level", "WARNING"], "warning"),
        (["--core-log-level", "ERROR"], "error"),
        (["--log-level", "CRITICAL"], "error"),
        (["--log-level"], "info"),
        (["--log-level", "nonsense"], "info"),
    ],
)
def test_our_notes_follow_luigis_log_level(words: list[str], lowest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["luigi", "--module", "pipeline", "BuildTimit", *words])
    config = luigi.configuration.get_config()
    before = config.get("core", "log_level")
    config.set("core", "log_level", "")  # as it was before our own default
    try:
        _follow_log_level()
    finally:
        config.set("core", "log_level", before)
    assert next(level for level in log.LEVELS if log.told(level)) == lowest


def test_our_notes_follow_luigi_cfg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["luigi"])
    config = luigi.configuration.get_config()
    before = config.get("core", "log_level")
    config.set("core", "log_level", "ERROR")
    try:
        _follow_log_level()
    finally:
        config.set("core", "log_level", before)
    assert not log.told("warning")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("a.mp4: is no video"), "a.mp4: is no video"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device; "),
        (MemoryError("Unable to allocate 95 MiB"), "MemoryError: Unable to allocate 95 MiB; memory ran out: "),
        (ZeroDivisionError("ours"), None),  # a fault of ours keeps its traceback
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_that_the_user_can_mend_are_one_line(error: Exception, words: str | None) -> None:
    information = (type(error), error, None)
    record = logging.LogRecord("luigi-interface", logging.ERROR, "", 0, "[pid] Worker failed", (), information)
    assert _OneLine().filter(record)
    if words is None:
        assert record.exc_info == information
    else:
        assert record.exc_info is None
        assert record.getMessage().startswith(words)
        assert "\n" not in record.getMessage()
