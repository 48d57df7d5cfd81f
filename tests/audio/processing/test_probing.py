"""What is found out about recordings by decoding them."""

import io
from collections.abc import Iterable
from pathlib import Path

import av
import pytest

from audio.model.demuxers import DEMUXERS
from audio.model.formats import AMR_WB, M4A
from audio.processing.decoding import Decoder, DecodingLimits
from audio.processing.open_files import opened
from audio.processing.waveform import Waveform
from tests.audio.conftest import Examine, format_of
from tests.audio.samples import SAMPLES, Sample, recording

LEVELS = (0.5, 0.0, 0.25, 0.1)
SECONDS = 3.0
CODECS = {"libmp3lame": "mp3", "libopus": "opus", "libopencore_amrnb": "amr_nb"}
LOSSLESS = {"pcm_s16le", "pcm_s16be", "flac", "alac"}


def decoded_seconds(content: bytes) -> float:
    """How long a recording sounds, by plainly decoding it."""
    with av.open(io.BytesIO(content), "r") as container:
        return sum(float(frame.samples / frame.sample_rate) for frame in container.decode(audio=0))


def peak(waveform: Waveform, *, begin: float, end: float) -> float:
    """How far the signal goes between two moments in seconds; 1 is full scale."""
    pixel = waveform.samples_per_pixel / waveform.sample_rate_hz
    levels: Iterable[int] = waveform.data[int(begin / pixel) * 2 : int(end / pixel) * 2]
    return max(map(abs, levels)) / 32768


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_a_recording_is_what_it_decodes_to(examined: Examine, sample: Sample) -> None:
    """Duration, codec, rate and channels are right in every format, whatever its header leaves out or estimates."""
    content = recording(sample.name, seconds=SECONDS, levels=LEVELS)
    probe = (await examined(content)).probe
    assert probe.duration_seconds == pytest.approx(decoded_seconds(content), abs=0.1)
    assert probe.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert probe.codec == CODECS.get(sample.codec, sample.codec)
    assert (probe.sample_rate_hz, probe.channels) == (sample.hertz, 2 if sample.layout == "stereo" else 1)
    assert probe.mime_type == sample.mime_type
    assert 0.6 < probe.bit_rate / (len(content) * 8 / SECONDS) < 1.05
    assert not probe.silent
    assert not probe.damaged
    assert probe.seekable == (sample.name not in {"webm live", "webm vorbis", "mp4 fragmented"})


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_peaks_are_those_of_the_signal(examined: Examine, sample: Sample) -> None:
    """A tone's known loudness, and its known silence, are in the waveform of every format."""
    waveform = (await examined(recording(sample.name, seconds=SECONDS, levels=LEVELS))).waveform
    exact = sample.codec in LOSSLESS
    tolerance = 0 if exact else 0.25 if "amr" in sample.codec else 0.12  # a speech codec makes of a tone what it can
    for at, level in enumerate(LEVELS):
        begin = at * SECONDS / len(LEVELS)
        # A stereo encoder is given one side's worth; a lossy one rings on for a moment.
        expected = level * (2**-0.5 if sample.layout == "stereo" else 1)
        measured = peak(waveform, begin=begin + (0 if exact and at == 0 else 0.2), end=begin + 0.55)
        assert measured == pytest.approx(expected, abs=0.001 if exact else 0.012, rel=tolerance)


async def test_a_waveform_reads_as_audiowaveforms(examined: Examine) -> None:
    """The JSON has just the members of audiowaveform's version 2, and as many levels as it says."""
    shape = (await examined(recording("wav", seconds=1.0))).waveform.to_dict()
    assert {name: shape[name] for name in shape if name != "data"} == {
        "version": 2,
        "channels": 1,
        "sample_rate": 48000,
        "samples_per_pixel": 64,
        "bits": 16,
        "length": 47 * 1024 // 64,
    }
    assert len(shape["data"]) == 2 * shape["length"]
    assert all(low <= high for low, high in zip(shape["data"][::2], shape["data"][1::2], strict=True))


async def test_a_long_recording_has_a_bounded_waveform(examined: Examine) -> None:
    """However long a recording is, its waveform has between 2,048 and 4,096 pairs."""
    waveform = (await examined(recording("amr", seconds=300.0))).waveform
    assert 2048 <= len(waveform.data) // 2 <= 4096
    covered = len(waveform.data) // 2 * waveform.samples_per_pixel / waveform.sample_rate_hz
    assert covered == pytest.approx(300, abs=0.5)


@pytest.mark.parametrize("name", ["wav", "mp3", "ogg opus", "amr", "flac"])
async def test_silence_is_flagged(examined: Examine, name: str) -> None:
    """A recording of nothing is flagged, and one that is only quiet isn't."""
    assert (await examined(recording(name, levels=(0.0,)))).probe.silent
    assert not (await examined(recording(name, levels=(0.0, 0.01)))).probe.silent


async def test_opposed_sides_are_not_silent(examined: Examine) -> None:
    """A stereo recording whose sides cancel each other out is as loud as either side."""
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="stereo")
        frame = av.AudioFrame(format="s16", layout="stereo", samples=800)
        frame.planes[0].update((b"\x00\x40" + b"\x00\xc0") * 800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    examined_ = await examined(file.getvalue())
    assert not examined_.probe.silent
    assert set(examined_.waveform.data) == {-16384, 16384}


async def test_amr_wideband_without_speech_has_a_duration(examined: Examine) -> None:
    """AMR-WB has no header that states a duration: it is counted from the frames (RFC 4867, 5.3), here NO_DATA."""
    probe = (await examined(b"#!AMR-WB\n" + b"\x7c" * 150)).probe
    assert probe.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert (probe.codec, probe.sample_rate_hz, probe.mime_type) == ("amr_wb", 16000, "audio/amr-wb")
    assert format_of(b"#!AMR-WB\n\x7c") is AMR_WB


async def test_a_cut_recording_is_taken_as_far_as_it_goes(examined: Examine) -> None:
    """Half of a recording is half a recording."""
    content = recording("mp3", seconds=SECONDS)
    probe = (await examined(content[: len(content) // 2])).probe
    assert probe.duration_seconds == pytest.approx(SECONDS / 2, abs=0.2)


@pytest.mark.parametrize(
    ("name", "tail", "seekable"),
    [
        ("m4a", b"\0\0\0\1free" + b"\xff" * 8, True),
        ("m4a", b"\0\0\0\0free", True),
        ("m4a", b"\0\0\0\7free", True),
        ("m4a", b"\0\0\0\x08moof", False),
        ("webm live", b"\xec\x01" + b"\xff" * 7 + b"\xec\x01" + b"\xfe" * 7, False),
        ("webm live", b"\0" * 9, False),
    ],
)
async def test_any_box_may_end_a_file(examined: Examine, name: str, tail: bytes, seekable: bool) -> None:  # noqa: FBT001
    """A last box that claims any size, or none, leads nowhere."""
    assert (await examined(recording(name) + tail)).probe.seekable == seekable


async def test_pictures_beside_the_sound_are_left_alone(examined: Examine) -> None:
    """A film is the recording that it sounds like."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for at in range(10):
            picture = av.VideoFrame(64, 64, "yuv420p")
            picture.pts = at
            container.mux(video.encode(picture))
        for _ in range(47):
            frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
            frame.planes[0].update(bytes(2048))
            frame.sample_rate = 48000
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    probe = (await examined(file.getvalue())).probe
    assert (probe.codec, probe.mime_type) == ("aac", M4A.mime_type)
    assert probe.duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["mp3", "ogg opus", "aiff", "amr"])
async def test_a_coarser_look_sees_the_same(decoder: Decoder, tmp_path: Path, name: str) -> None:
    """What stands for a recording that takes too long to be decoded has its length, its loudness and its silence."""
    path, seconds = tmp_path / "recording", 240.0
    path.write_bytes(recording(name, seconds=seconds, levels=LEVELS))
    looks = {}
    for cpu_seconds in (60.0, 0.0):
        async with opened(path) as source:
            looks[cpu_seconds], _ = await decoder.run(
                "examine",
                source=source,
                limits=DecodingLimits(),
                demuxer=DEMUXERS[format_of(path.read_bytes()).name],
                cpu_seconds=cpu_seconds,
            )
    full, coarse = looks.values()
    assert (full["coarse"], coarse["coarse"]) == (False, True)
    assert coarse["duration_seconds"] == pytest.approx(full["duration_seconds"], rel=0.01)
    for name_ in ("codec", "sample_rate_hz", "channels", "seekable", "unreadable_packets"):
        assert coarse[name_] == full[name_]
    waveforms = [
        Waveform(
            sample_rate_hz=look["sample_rate_hz"], samples_per_pixel=look["samples_per_pixel"], data=tuple(look["data"])
        )
        for look in (full, coarse)
    ]
    for at in range(len(LEVELS)):
        begin = (at + 0.25) * seconds / len(LEVELS)
        heard, seen = (peak(waveform, begin=begin, end=begin + seconds / 8) for waveform in waveforms)
        assert seen == pytest.approx(heard, abs=0.02)


def test_processor_time_grows_with_the_file() -> None:
    """A job may take a minute, more for a larger recording, and half an hour at most; its patience grows with it."""
    limits = DecodingLimits()
    sizes = {size: limits.for_size(size * 1024**2) for size in (0, 1, 30, 500, 10_000)}
    assert [grown.cpu_seconds for grown in sizes.values()] == [60, 80, 660, 1800, 1800]
    assert {grown.wall_seconds / grown.cpu_seconds for grown in sizes.values()} == {5}
