"""Draws docs/page.png: the page with an example segmented. Run: ``python -m docs.draw_page`` (needs chromium)."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Serve the page, click the first example, and take the picture."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port), "--device", "cpu"], cwd=ROOT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1360, "height": 1000})
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("#examples button").first.click()
            expect(page.locator("#summary .count")).to_be_visible(timeout=30_000)
            expect(page.locator("#overlay img")).to_be_visible()
            page.mouse.move(5, 5)
            page.wait_for_timeout(1000)
            page.screenshot(path=Path(__file__).with_name("page.png"), full_page=True)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.25)
    raise SystemExit(f"error: nothing answers at {address}")


if __name__ == "__main__":
    main()
