"""A headless Chromium driven over its debugging pipe: open a page, run script in it, see errors."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"),
)
# Puts two file descriptors in the places 3 and 4 where Chromium looks for them, and becomes Chromium.
ARRANGE = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """The Chromium on the PATH, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A context manager over one browser with one tab.

    Args:
        executable: of `find_browser`.
        timeout: seconds that any one command may take.
    """

    def __init__(self, executable: str, timeout: float = 60) -> None:
        self._executable = executable
        self._timeout = timeout
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._number = 0
        self._session = ""
        self._unread = b""
        self._loaded = ""  # the document whose load event was last seen
        self.complaints: list[str] = []  # exceptions, console errors and warnings, refused requests

    def __enter__(self) -> Browser:
        # Chromium reads commands from file descriptor 3 and answers on 4, both with a zero byte after each message.
        their_input, self._commands = os.pipe()
        self._answers, their_output = os.pipe()

        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", ARRANGE, str(their_input), str(their_output), self._executable),
                *(*FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(their_input, their_output),
        )
        os.close(their_input)
        os.close(their_output)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        self._profile.cleanup()

    def open(self, path: Path, width: int = 1280, height: int = 900) -> None:
        """Open a file; as `go`."""
        self.go(path.resolve().as_uri(), width, height)

    def go(self, address: str, width: int = 1280, height: int = 900) -> None:
        """Open an address, and wait for its load event.

        Args:
            width: of the window in CSS pixels; below 600 a phone is emulated.

        Raises:
            RuntimeError: it cannot be opened.
        """
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self._loaded = ""
        answer = self.call("Page.navigate", url=address)
        if "errorText" in answer:
            raise RuntimeError(f"{address}: {answer['errorText']}")
        while self._loaded != answer["loaderId"]:
            self._read()

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited.

        Raises:
            RuntimeError: it threw.
        """
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "the script threw"))
        return answer["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol.

        Raises:
            RuntimeError: Chromium refuses it, has ended, or is silent for too long.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        number = self._number
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self._answers], [], [], self._timeout)[0]:
                raise RuntimeError(f"{self._executable} gave no answer for {self._timeout:.0f} s")
            block = os.read(self._answers, 1 << 20)
            if not block:
                raise RuntimeError(f"{self._executable} ended")
            self._unread += block
        message, self._unread = self._unread.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        self._note(answer.get("method", ""), answer.get("params", {}))
        return answer

    def _note(self, event: str, details: dict[str, Any]) -> None:
        """Keep what a developer would see in red."""
        if event == "Page.lifecycleEvent" and details["name"] == "load":
            self._loaded = details["loaderId"]
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(details["args"]))
        elif event == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(details["entry"]["text"]))
        elif event == "Network.requestWillBeSent":
            url = details["request"]["url"]
            if not url.startswith(("file:", "data:", "about:", "blob:")):
                self.complaints.append(f"asks the network for {url}")
