"""Which recordings get a variant for playback, and that players can jump about in it."""

import hashlib
import io
import math
from pathlib import Path

import av
import pytest

from audio.model.formats import M4A, MP4, WEBM
from audio.model.recognition import Recognition
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits
from audio.processing.playback import Variant, make_playback, variant_for
from tests.audio.conftest import Examine, format_of, recognition_of
from tests.audio.samples import BY_NAME, recording

LEVELS = (0.6, 0.1, 0.35, 0.05, 0.5, 0.2) * 7
SECONDS = 21.0
DUE = {
    "mp2": MP4,
    "m4a lossless": MP4,
    "mp4 fragmented": M4A,
    "mov": M4A,
    "3gp": M4A,
    "3gp amr": MP4,
    "3g2": M4A,
    "ogg flac": MP4,
    "webm live": WEBM,
    "webm vorbis": WEBM,
    "matroska": MP4,
    "aac": M4A,
    "amr": MP4,
    "flac": MP4,
    "aiff": MP4,
    "caf": MP4,
    "wma": MP4,
}
REMUXED = {
    "mp4 fragmented", "mov", "3gp", "3g2", "webm live", "webm vorbis", "aac", "flac", "matroska", "ogg flac",
}  # fmt: skip


async def test_what_browsers_play_as_it_is_has_no_variant(examined: Examine) -> None:
    """Only recordings that browsers can't play, or can't seek in, get a variant."""
    due = {}
    for name in BY_NAME:
        content = recording(name)
        due[name] = variant_for(recognition_of(content), (await examined(content)).probe)
    assert {name: variant.audio for name, variant in due.items() if variant} == DUE
    assert {name for name, variant in due.items() if variant and variant.muxer} == REMUXED


@pytest.mark.parametrize("name", DUE)
async def test_the_variant_can_be_sought_in(examined: Examine, decoder: Decoder, tmp_path: Path, name: str) -> None:
    """The variant states its duration, a jump into its middle is heard there at once, and the original is untouched."""
    content = recording(name, seconds=SECONDS, levels=LEVELS)
    probe = (await examined(content)).probe
    original, target = tmp_path / "recording", tmp_path / "variant"
    audio = recognition_of(content)
    variant = variant_for(audio, probe)
    assert variant is not None
    await make_playback(original, target, audio, variant=variant, decoder=decoder, limits=DecodingLimits())

    assert original.read_bytes() == content
    assert target.stat().st_mode & 0o777 == 0o600
    made = target.read_bytes()
    assert format_of(made) == variant.audio
    again = await examined(made)
    assert again.probe.duration_seconds == pytest.approx(probe.duration_seconds, abs=0.1)
    assert variant_for(Recognition(variant.audio), again.probe) is None
    with av.open(io.BytesIO(made), "r") as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(probe.duration_seconds, abs=0.1)
        for at in (4, 20, 30):
            moment = (at + 0.5) * SECONDS / len(LEVELS)
            assert level_after_seek(container, moment) == pytest.approx(LEVELS[at], rel=0.3)


def level_after_seek(container: av.container.InputContainer, moment: float) -> float:
    """The loudness around a moment, decoded from where a seek to shortly before it leads; it may lead 6 s back."""
    container.seek(int((moment - 0.1) * av.time_base))
    heard: list[float] = []
    for frame in container.decode(audio=0):
        assert frame.time is not None
        assert frame.time > moment - 6
        if frame.time > moment + 0.1:
            break
        if frame.time > moment - 0.05:
            resampled = av.AudioResampler(format="flt", layout="mono").resample(frame)
            heard += [value for part in resampled for value in part.to_ndarray()[0]]
    return math.sqrt(sum(value**2 for value in heard) / len(heard)) * math.sqrt(2)


async def test_lossless_variants_hold_the_same_samples(examined: Examine, decoder: Decoder, tmp_path: Path) -> None:
    """What is lossless stays so, bit for bit, and what is only remuxed holds the same packets."""

    def samples(content: bytes) -> str:
        digest = hashlib.sha256()
        with av.open(io.BytesIO(content), "r") as container:
            resampler = av.AudioResampler(format="s32", layout="mono")
            for frame in container.decode(audio=0):
                frame.pts = None
                for part in resampler.resample(frame):
                    digest.update(part.to_ndarray().tobytes())
        return digest.hexdigest()

    for name in ("m4a lossless", "aiff", "caf", "matroska", "ogg flac", "webm live", "mp4 fragmented", "aac"):
        content = recording(name, seconds=2.0)
        audio = recognition_of(content)
        variant = variant_for(audio, (await examined(content)).probe)
        assert variant is not None
        target = tmp_path / name
        await make_playback(
            tmp_path / "recording", target, audio, variant=variant, decoder=decoder, limits=DecodingLimits()
        )
        assert samples(target.read_bytes()) == samples(content), name


async def test_a_variant_that_fails_leaves_nothing(decoder: Decoder, tmp_path: Path) -> None:
    """A variant that can't be made, or would be too large, isn't there; one that is there is never overwritten."""
    source, target = tmp_path / "recording", tmp_path / "variant"
    source.write_bytes(recording("aiff", seconds=5.0))
    audio = recognition_of(source.read_bytes())
    with pytest.raises(DecodingFailed, match="what plays would be larger than 0 MiB"):
        await make_playback(
            source,
            target,
            audio,
            variant=Variant(MP4, "pcm_s16be"),
            decoder=decoder,
            limits=DecodingLimits(output_bytes=10_000),
        )
    assert not target.exists()
    source.write_bytes(source.read_bytes()[:20])
    with pytest.raises(DecodingFailed, match="the file is damaged"):
        await make_playback(
            source, target, audio, variant=Variant(MP4, "pcm_s16be"), decoder=decoder, limits=DecodingLimits()
        )
    assert not target.exists()
    target.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        await make_playback(
            source, target, audio, variant=Variant(MP4, "pcm_s16be"), decoder=decoder, limits=DecodingLimits()
        )
    assert target.read_bytes() == b"kept"
