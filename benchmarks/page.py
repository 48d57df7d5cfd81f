"""How quickly the page opens and filters a list of 100,000 recordings, told by Chromium itself.

Run by `make bench-page`. What is asked of the server is in each time. Absolute times are those of one machine.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from app.schema_healing import bring_up_to_date
from benchmarks.processing import running
from core.postgres.embedded import join
from core.settings import load_settings

ROW = """
INSERT INTO audio_files (id, filename, original_filename, file_path, file_size_bytes, duration_seconds, mime_type,
  upload_timestamp, processing_status, tag, category, original_transcript, transcription_engine)
SELECT gen_random_uuid(), n || '.m4a', (ARRAY['Meeting', 'Interview', 'Memo', 'Lecture'])[1 + n %% 4] || ' ' || n,
  '2026/' || n || '.m4a', 100000 + n * 37 %% 9000000, n * 13 %% 7200, 'audio/mp4',
  timestamp '2026-01-01' + n * interval '1 minute',
  (CASE n %% 50 WHEN 0 THEN 'failed' ELSE 'completed' END)::processingstatus,
  'Tag ' || n * 7 %% 200, 'Category ' || n %% 20,
  'We spoke of ' || n || ' and of ' || (ARRAY['harbours', 'tides', 'gardens', 'printers'])[1 + n / 4 %% 4], 'whisper'
FROM generate_series(1, %s) n
"""
ACT = """
async ([id, value, event]) => {
  const element = document.getElementById(id)
  const start = performance.now()
  const shown = new Promise((resolve) => {
    const watch = new MutationObserver(() => {
      watch.disconnect()
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)))
    })
    watch.observe(document.getElementById("count"), { childList: true })
  })
  if (value !== null) element.value = value
  element.dispatchEvent(new Event(event, { bubbles: true }))
  return shown
}
"""
WATCH = """
window.longest = 0
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration)
}).observe({ type: "longtask", buffered: true })
"""
ACTS = {
    "a tag (500 recordings)": ("tag", "Tag 7", "change"),
    "and a category": ("category", "Category 1", "change"),
    "neither": ("clear", None, "click"),
    "words in names and transcripts": ("q", "harbours interview", "input"),
    "without them": ("q", "", "input"),
    "failed ones": ("status", "failed", "change"),
    "all again": ("status", "", "change"),
    "by name": ("sort", "name asc", "change"),
    "the newest first": ("sort", "uploaded desc", "change"),
    "the next page": ("older", None, "click"),
    "the page before": ("newer", None, "click"),
}


def main() -> None:
    """Prints a line for each thing that is measured: median and longest, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        database = join(Path(folder) / "database")
        asyncio.run(bring_up_to_date(load_settings(database_url=database.address)))
        fill(database.address, options.recordings)
        with running(Path(folder) / "data", DATABASE_URL=database.address, PROCESSING="off") as url:
            wait_until_indexed(database.address, options.recordings)
            measure(url, options.rounds)
        database.leave()


def fill(address: str, recordings: int) -> None:
    """Enters the recordings."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(ROW.encode(), (recordings,))
        connection.execute("ANALYZE")


def wait_until_indexed(address: str, recordings: int) -> None:
    """Returns once the server, which began with that, has made all of them findable by their words."""
    start = time.monotonic()
    with psycopg.connect(address, autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM pegasus_system.search").fetchone() != (recordings,):
            time.sleep(2)
        connection.execute("VACUUM ANALYZE")
    print(f"{recordings:,} recordings indexed in {time.monotonic() - start:.0f} s", flush=True)


def measure(url: str, rounds: int) -> None:
    """Opens the page anew in each round, and does everything once."""
    found: dict[str, list[float]] = defaultdict(list)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] * (os.geteuid() == 0))
        for _ in range(rounds):
            one_round(browser, url, found)
        browser.close()
    for name, values in found.items():
        print(f"{name:32} {statistics.median(values):8.0f} {max(values):8.0f}")


def one_round(browser: Browser, url: str, found: dict[str, list[float]]) -> None:
    """Adds a round's figures."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#list .row >> nth=49")
    found["list shown"].append(page.evaluate("performance.now()"))
    page.wait_for_load_state("load")
    page.wait_for_timeout(300)
    found["first contentful paint"].append(page.evaluate("performance.getEntriesByType('paint').at(-1).startTime"))
    metrics = {one["name"]: one["value"] * 1000 for one in session.send("Performance.getMetrics")["metrics"]}
    for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration"):
        found[f"opening: {name}"].append(metrics[name])
    found["bytes of the page"].append(weight(page))
    for name, act in ACTS.items():
        found[name].append(page.evaluate(ACT, list(act)))
    found["longest task"].append(page.evaluate("window.longest"))
    context.close()


def weight(page: Page) -> float:
    """What the page's own files weigh as they came over the wire, in bytes."""
    sent: float = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter(({ name }) => !name.includes('/api/') && !name.includes('/health'))"
        ".reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)"
    )
    return sent


if __name__ == "__main__":
    main()
