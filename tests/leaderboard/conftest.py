"""A real headless Chromium for the tests of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import patient

PRESS = "document.querySelectorAll(arguments[0])[arguments[1]].click()"
COMMAND = "sudo apt-get update && sudo apt-get install -y chromium chromium-driver"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A Chromium that selenium drives; nothing is ever downloaded for it."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip(f"no Chromium; make test installs it where it may, else type: {COMMAND}")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # Its own sandbox needs user namespaces, which containers and root often lack.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    try:
        found.set_page_load_timeout(patient(30))
        yield found
    finally:
        found.quit()


class Page:
    """A page in the browser, and what the tests ask of it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Load a file at a width in CSS pixels; below 600 it is a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        # Without motion: a click must not meet a page that still scrolls.
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        media = {"features": [{"name": name, "value": value} for name, value in wishes.items()]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get(path.absolute().as_uri())

    def all(self, selector: str) -> list[Any]:
        """The elements of a CSS selector."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """The only element of a CSS selector."""
        (found,) = self.all(selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """The texts of the elements of a selector, seen or not."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return list(self.run(script, selector))

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script, *arguments)

    def press(self, selector: str, count: int) -> None:
        """Click the first `count` elements, found anew each time: a click may draw others."""
        for number in range(count):
            self.run(PRESS, selector, number)

    def complaints(self) -> list[str]:
        """What the console said since the last call: errors, and breaches of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(chromium: Any) -> Page:
    """The browser, its console read empty."""
    found = Page(chromium)
    found.complaints()
    return found
