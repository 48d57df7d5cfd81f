"""Forms of recordings that players play though no textbook has them: each is read to its end, on one clock."""

from pathlib import Path

import numpy as np
import pytest

from audio.model.recognition import recognise
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits
from audio.processing.playback import Variant, make_playback, variant_for
from audio.processing.probing import Examined
from audio.processing.speech_samples import SampleFiles
from audio.transcription.contract import SAMPLES_HERTZ
from tests.audio.conftest import Examine, recognition_of
from tests.audio.forms import FORMS, RECOGNISED, TIMED, UNPLAYABLE, form, tone
from tests.audio.samples import recording

LIMITS = DecodingLimits()
SILENT = {
    "a gap in webm": (1.2, 10.8),
    "a gap in matroska": (1.2, 10.8),
    "a gap in mp4": (1.2, 10.8),
    "a pause in ogg": (1.2, 10.8),
    "sound that begins late in a film": (0, 2.8),
    "sound that begins late in matroska": (0, 2.8),
}
PLAYS_AS_IT_IS = {
    "mp3 behind a picture",
    "an unknown brand",
    "webm with a long DocType size",
    "webm with a padded DocType",
    "webm with a void in its header",
}


async def variant_of(examined: Examine, decoder: Decoder, folder: Path, content: bytes) -> tuple[Variant, Examined]:
    """The variant that a recording gets, and what it is like."""
    recognition = recognition_of(content)
    variant = variant_for(recognition, (await examined(content)).probe)
    assert variant is not None
    target = folder / "variant"
    await make_playback(folder / "recording", target, recognition, variant=variant, decoder=decoder, limits=LIMITS)
    made = target.read_bytes()
    again = await examined(made)
    assert variant_for(recognition_of(made), again.probe) is None
    return variant, again


@pytest.mark.parametrize("name", FORMS)
async def test_each_form_is_read_to_its_end(examined: Examine, name: str) -> None:
    """It is taken for what it is, and duration and waveform cover all that a player plays; nothing is told as lost."""
    content = form(name)
    audio = recognise(content)
    assert audio is not None
    assert audio.mime_type == FORMS[name].mime_type
    result = await examined(content)
    assert result.probe.duration_seconds == pytest.approx(FORMS[name].seconds, abs=0.1)
    waveform = result.waveform
    drawn = len(waveform.data) / 2 * waveform.samples_per_pixel / waveform.sample_rate_hz
    assert drawn == pytest.approx(FORMS[name].seconds, abs=0.12)
    assert not result.probe.damaged
    assert not result.probe.silent


@pytest.mark.parametrize("name", sorted(RECOGNISED.keys() | UNPLAYABLE.keys()))
async def test_what_browsers_stumble_over_gets_a_variant(
    examined: Examine, decoder: Decoder, tmp_path: Path, name: str
) -> None:
    """A variant that is as long, and needs none itself."""
    if name in PLAYS_AS_IT_IS:
        content = form(name)
        assert variant_for(recognition_of(content), (await examined(content)).probe) is None
        return
    _, made = await variant_of(examined, decoder, tmp_path, form(name))
    assert made.probe.duration_seconds == pytest.approx(FORMS[name].seconds, abs=0.1)
    assert 3000 <= made.probe.sample_rate_hz <= 48000


@pytest.mark.parametrize("name", TIMED)
async def test_everything_goes_by_one_clock(examined: Examine, decoder: Decoder, tmp_path: Path, name: str) -> None:
    """Waveform, variant and what an engine hears are silent where a player is."""
    content = form(name)
    result = await examined(content)
    async with SampleFiles(decoder=decoder, scratch=tmp_path).of(tmp_path / "recording") as samples:
        spoken_levels = np.abs(np.fromfile(samples, np.int16).astype(np.int32))
    _, made = await variant_of(examined, decoder, tmp_path, content)
    assert len(spoken_levels) / SAMPLES_HERTZ == pytest.approx(FORMS[name].seconds, abs=0.1)
    assert made.probe.duration_seconds == pytest.approx(FORMS[name].seconds, abs=0.1)
    begin, end = SILENT.get(name, (0, 0))
    for levels, rate in (
        (spoken_levels, SAMPLES_HERTZ),
        *(
            (np.abs(np.array(one.waveform.data)), 2 * one.waveform.sample_rate_hz / one.waveform.samples_per_pixel)
            for one in (result, made)
        ),
    ):
        assert levels[int(begin * rate) : int(end * rate)].max(initial=0) == 0
        assert levels[int((end + 0.5) * rate) : int((end + 1) * rate)].max() > 4000


async def test_a_claim_of_years_is_not_waited_for(examined: Examine) -> None:
    """Times that jump by years are no silence of years."""
    far = tone("matroska", "flac", shift=lambda at: at + 400_000 if at >= 1 else at)
    assert (await examined(far)).probe.duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["wav of 24 bits in 32", "wav of 16 bits in 32", "w64 of 24 bits in 32"])
async def test_bits_that_a_sample_does_not_use_make_it_no_louder(examined: Examine, name: str) -> None:
    """Samples with less than the bits of their room are as loud as they were recorded."""
    assert max((await examined(form(name))).waveform.data) == pytest.approx(0.25 * 32768, rel=0.01)


async def test_amr_of_several_channels_is_refused(examined: Examine) -> None:
    """Its frames take turns, and aren't taken for one channel's that sounds twice as long."""
    mono = recording("amr").removeprefix(b"#!AMR\n")
    assert (await examined(b"#!AMR_MC1.0\n\0\0\0\x01" + mono)).probe.duration_seconds == pytest.approx(1.0, abs=0.1)
    with pytest.raises(DecodingFailed, match="AMR of 2 channels is not decoded"):
        await examined(b"#!AMR_MC1.0\n\0\0\0\x02" + mono)


async def test_wav_without_sound_holds_none(examined: Examine) -> None:
    """What is behind an empty chunk of sound is read as sound where a writer to a pipe left the size at 0 alone."""
    head = recording("wav")
    head = head[: head.index(b"data")] + b"data\0\0\0\0"
    with pytest.raises(DecodingFailed, match="it holds no sound"):
        await examined(head + b"LIST\x0c\0\0\0INFOISFT\0\0\0\0" + b"id3 \x03\0\0\0abc\0")
    assert (await examined(head + bytes(960))).probe.duration_seconds == pytest.approx(0.01)
