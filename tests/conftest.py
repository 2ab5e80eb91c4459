"""No test is left out in silence: what was skipped is said at the end, and in CI a skip fails the run.

A test that skips says in its reason what it wants and how to have it. Only want of a GPU is no fault in CI: such a
reason begins with `GPU`.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

GPU = "no GPU"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI, where everything but a GPU can be had, fail a run that skipped for want of anything else."""
    if exitstatus == pytest.ExitCode.OK and _in_ci() and _avoidable(_skips(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name every reason for a skip, with how many tests it cost."""
    skips = _skips(config)
    if not skips:
        return
    terminalreporter.section("not tested here")
    for reason, count in skips.most_common():
        terminalreporter.line(f"{count} skipped: {reason}")
    if _in_ci() and (avoidable := _avoidable(skips)):
        terminalreporter.line(
            f"FAILED: CI installs all that tests want but a GPU, yet: {'; '.join(avoidable)}", red=True
        )


def _skips(config: pytest.Config) -> Counter[str]:
    """How many tests (or whole files) were skipped for each reason; none where another process reports them."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)


def _avoidable(skips: Counter[str]) -> list[str]:
    return [reason for reason in skips if not reason.startswith(GPU)]


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")
