"""Luigi as a user of the builds expects it: exit codes that tell the truth, no server needed, errors on one line.

What luigi.cfg or the command line says goes before what is set here.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

import luigi.configuration

from pipeline.cli import one_line
from pipeline.errors import FlnetError

# A failed Luigi run exits 0 unless these are set.
EXIT_CODES = {
    "already_running": "25",  # with luigid: others are at work; run again, as with not_run
    "missing_data": "20",
    "not_run": "25",
    "task_failed": "30",
    "scheduling_error": "35",
    "unhandled_exception": "40",
}
# A worker stays while others still work, since their tasks may come back to it; a task that fails (a process killed, a
# disk full for a moment) is tried twice more. The folder has a lock of its own, which sees other hosts as well. The
# part of this that luigid itself must know stands in luigi.cfg.
PATIENCE = {
    ("core", "no_lock"): "true",
    ("core", "rpc-retry-attempts"): "12",
    ("core", "rpc-retry-wait"): "5",
    ("worker", "keep_alive"): "true",
    ("worker", "wait_interval"): "0.5",
    ("worker", "wait_jitter"): "0.5",
    ("scheduler", "retry_count"): "3",
    ("scheduler", "retry_delay"): "1",
}


def apply() -> None:
    """Set the defaults; called when the tasks are imported."""
    for name, code in EXIT_CODES.items():
        _default("retcode", name, code)
    for (section, name), value in PATIENCE.items():
        _default(section, name, value)
    _default("core", "workers", str(os.cpu_count() or 1))
    _default("core", "log_level", "WARNING")
    if not _names_scheduler():
        _default("core", "local_scheduler", "true")
    # Luigi reads these two itself, and then warns that nobody did.
    warnings.filterwarnings("ignore", "The configuration contains the parameter 'rpc_retry", UserWarning)
    logger = logging.getLogger("luigi-interface")
    if not any(isinstance(existing, _OneLine) for existing in logger.filters):
        logger.addFilter(_OneLine())


def _names_scheduler() -> bool:
    config = luigi.configuration.get_config()
    flags = ("--scheduler-host", "--scheduler-url", "--core-scheduler-host", "--core-scheduler-url")
    return any(word.startswith(flags) for word in sys.argv) or any(
        config.has_option("core", name) for name in ("scheduler_host", "scheduler_url")
    )


def _default(section: str, name: str, value: str) -> None:
    config = luigi.configuration.get_config()
    if not any(config.has_option(section, spelt) for spelt in (name.replace("_", "-"), name.replace("-", "_"))):
        config.set(section, name, value)


class _OneLine(logging.Filter):
    """Errors that the user can mend lose their traceback (kept with --log-level DEBUG)."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (FlnetError, OSError)) and not logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            if "Worker" in str(record.msg):  # a task's error comes while the bar is drawn: go below it
                record.levelname = f"\n{record.levelname}"
            record.msg, record.args, record.exc_info = one_line(error), (), None
        return True
