"""A real browser, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.report.browser import Browser, find_browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = find_browser()
    if executable is None:
        pytest.skip("no Chromium on the PATH to open the page with: apt-get install chromium")
    with Browser(executable) as opened:
        yield opened
