"""A real Chromium without a window, driven through chromedriver, that reaches this machine alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

#: Where Debian has both programs.
PROGRAMS = ("chromium", "chromedriver")
#: Longest wait for a page or an element (s).
PATIENCE = 60
_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900",
    "--force-device-scale-factor=1", "--hide-scrollbars",
    # Graphics without a graphics card.
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    # Nothing of the browser's own leaves the machine; what a page asks of another host fails and is logged.
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def missing() -> str:
    """Return what is absent for these tests; an empty text where nothing is."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    absent += [] if find_spec("selenium") else ["the Python package selenium"]
    return ", ".join(absent)


@contextmanager
def chromium(profile: Path, *, javascript: bool = True) -> Iterator[Chrome]:
    """Start Chromium with an empty profile, where it may not run JavaScript if so wanted; it ends with the block."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if not javascript:
        refused = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", refused)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options, Service(str(shutil.which("chromedriver"))))
    try:
        driver.set_page_load_timeout(PATIENCE)
        driver.implicitly_wait(PATIENCE)
        yield driver
    finally:
        driver.quit()


def set_width(driver: Chrome, width: int, height: int = 900) -> None:
    """Give the page a width (px), that of a phone included."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def requested(driver: Chrome) -> list[str]:
    """Return the addresses that were asked for since the last call."""
    events: list[dict[str, Any]] = [
        json.loads(entry["message"])["message"] for entry in driver.get_log("performance")
    ]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def complaints(driver: Chrome) -> list[str]:
    """Return what the browser's console complained of since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
