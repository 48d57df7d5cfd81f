"""What `variant=playback` gives of recordings that browsers can't play as they are: it is dragged through its end."""

import httpx
import pytest

from tests.audio.forms import FORMS, form
from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.firefox import Firefox
from tests.browser.steps import put, until

KINDS = [
    "mp3 behind a tag and padding",
    "aac out of a stream",
    "flac behind a picture",
    "skeleton before vorbis",
    "w64",
    "rifx",
    "g722 in wav",
    "ac3 in mp4",
    "amr with a pause",
    "a track first that nobody decodes",
    "a chain of other rates and channels",
    "a chain of three alike",
    "a gap in webm",
    "sound that begins late in a film",
    "webm that begins at an hour",
    "wav from a pipe, all ones",
    "rf64 from a pipe",
    "flac without a total",
    "flac",
    "flac of 96 kHz",
    "wav of a rate below 3 kHz",
    "aac that turns stereo",
    "flac files joined",
    "mp3 files joined with their tags",
    "mp3 of a varying bit rate",
    "a pause in ogg",
]
DRAG = """
async (address) => {
  const audio = new Audio()
  const next = (name) => new Promise((resolve, reject) => {
    audio.addEventListener(name, resolve, { once: true })
    audio.addEventListener("error", () => reject(new Error(audio.error.message)), { once: true })
    setTimeout(() => reject(new Error(`no ${name} at ${audio.currentTime}`)), 20000)
  })
  audio.src = address
  audio.muted = true
  await next("loadedmetadata")
  const { duration } = audio
  for (let part = 90; part <= 99; part++) {
    const sought = next("seeked")
    audio.currentTime = duration * part / 100
    await sought
  }
  const ended = next("ended")
  await audio.play()
  await ended
  return { duration, at: audio.currentTime }
}
"""


@pytest.mark.parametrize("name", KINDS)
def test_the_last_tenth_is_dragged_through(pegasus: Pegasus, open_page: OpenPage, firefox: Firefox, name: str) -> None:
    """In Chromium and Firefox it states its length, leads to each position in its last tenth, and plays to its end."""
    recording_id = put(pegasus, name, form(name))["id"]
    about = f"{pegasus.url}/api/audio/{recording_id}"
    ends = {"completed", "failed"}  # also where the engine takes none of so few samples a second
    until(lambda: httpx.get(about).json()["processing_status"] in ends, seconds=60)
    variant = f"/api/audio/{recording_id}/download?variant=playback"
    firefox.open(pegasus.url)
    for played in (open_page(pegasus).evaluate(DRAG, variant), firefox.evaluate(DRAG, variant)):
        assert played["duration"] == pytest.approx(FORMS[name].seconds, abs=0.15)
        assert played["at"] == pytest.approx(played["duration"], abs=0.1)
