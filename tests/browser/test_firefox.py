"""The page in Firefox: a recording is added, found, played and sought in."""

from pathlib import Path

import httpx

from tests.audio.samples import recording
from tests.browser.conftest import Pegasus
from tests.browser.firefox import Firefox
from tests.browser.steps import put, until

LONG = recording("wav", seconds=12.0)
ROWS = "() => [...document.querySelectorAll('#list .row .open')].map((name) => name.textContent)"
AUDIO = """() => {
  const { currentTime, duration, ended, error, paused, readyState, seeking } = document.querySelector("audio")
  return { currentTime, duration, ended, error: error?.message ?? null, paused, readyState, seeking }
}"""
MUTE = "() => { document.querySelector('audio').muted = true }"  # it stops where it hears of no loudspeaker
SEEK = "(share) => { const audio = document.querySelector('audio'); audio.currentTime = audio.duration * share }"


def click(firefox: Firefox, selector: str) -> None:
    """Clicks on what a selector names."""
    firefox.evaluate("(selector) => document.querySelector(selector).click()", selector)


def test_a_recording_is_added_and_played_to_its_end(pegasus: Pegasus, firefox: Firefox, tmp_path: Path) -> None:
    """A file that is chosen becomes a recording with its label, is in the list, plays, and is sought in."""
    chosen = tmp_path / "Mémo 🎙.wav"
    chosen.write_bytes(LONG)
    put(pegasus, "earlier.wav")
    firefox.open(pegasus.url)
    until(lambda: firefox.evaluate(ROWS) == ["earlier.wav"])
    firefox.evaluate("() => { document.querySelector('#new-tag').value = 'Ideas' }")
    firefox.choose_files("#files", chosen)
    until(lambda: firefox.evaluate(ROWS) == [chosen.name, "earlier.wav"])
    newest = httpx.get(f"{pegasus.url}/api/audio/").json()["items"][0]
    assert (newest["original_filename"], newest["tag"]) == (chosen.name, "Ideas")
    assert pegasus.path_of(newest["id"]).read_bytes() == LONG

    # While it is processed its own bytes are played, and then what was made of it: the sound is loaded anew.
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/{newest['id']}").json()["processing_status"] == "completed")
    click(firefox, "#list .row .open")
    until(lambda: firefox.evaluate(AUDIO)["readyState"] >= 1)
    assert round(firefox.evaluate(AUDIO)["duration"]) == 12
    firefox.evaluate(MUTE)
    click(firefox, "#play")
    until(lambda: firefox.evaluate(AUDIO)["currentTime"] > 0.3)
    firefox.evaluate(SEEK, 0.92)
    until(lambda: firefox.evaluate(AUDIO)["currentTime"] > 0.92 * 12)
    until(lambda: firefox.evaluate(AUDIO)["ended"])
    assert firefox.evaluate(AUDIO)["error"] is None
