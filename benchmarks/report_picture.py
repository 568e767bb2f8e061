"""Take the README's picture of a run's report: three curves, and positions before and after.

    python benchmarks/report_picture.py runs/quickstart docs/img/report.png

Needs selenium and the Chromium that `make test-tools` installs, and Pillow, which reduces the
picture to 128 colours. Run `selfplay report` first if the page is not there.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
WIDTH, SCALE, COLOURS = 1100, 1.5, 128
SECTIONS = ("Curves", "Positions before and after training")
CURVES = ("reward", "legal moves", "best moves")
# Leaves the title and three figures of each section; returns the height.
CUT = """
const [sections, curves] = arguments;
for (const section of document.querySelectorAll('section'))
  if (!sections.includes(section.querySelector('h2').textContent)) section.remove();
const [first, second] = document.querySelectorAll('section > .grid');
for (const figure of [...first.children]) {
  const caption = figure.querySelector('figcaption').textContent;
  if (!curves.some((name) => caption.startsWith(name))) figure.remove();
}
[...second.children].slice(3).forEach((figure) => figure.remove());
return Math.ceil(document.body.getBoundingClientRect().bottom);
"""


def take(page: Path) -> bytes:
    """Return a PNG of the chosen parts of the report `page`, on a light ground."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise SystemExit("no Chromium; type: make test-tools")
    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ARGUMENTS:
        options.add_argument(argument)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        size = {"width": WIDTH, "height": 900, "deviceScaleFactor": SCALE, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
        chrome.get(page.resolve().as_uri())
        height = chrome.execute_script(CUT, SECTIONS, CURVES)
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"height": height})
        shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        return base64.b64decode(shot["data"])
    finally:
        chrome.quit()


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="A run's folder with its report.html.")
    parser.add_argument("out", type=Path, help="The PNG file.")
    given = parser.parse_args()
    picture = Image.open(io.BytesIO(take(given.run / "report.html"))).convert("RGB")
    picture.quantize(COLOURS).save(given.out, optimize=True)
    print(f"{given.out}: {picture.width} x {picture.height}, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
