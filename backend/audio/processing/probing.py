"""Examines a recording by decoding all of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio.model.demuxers import DEMUXERS
from audio.model.formats import AudioFormat
from audio.model.recognition import Recognition
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits, ResourceUsage
from audio.processing.open_files import opened
from audio.processing.waveform import Waveform

_MUST_STATE = frozenset({"flac"})  # of the others browsers reckon the length
_FULL_PASS_SHARE = 0.5  # of the processor time; the rest is for a coarser pass


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties of a recording. The duration is that of its decoded samples and of the gaps that their times leave.

    `codec` is FFmpeg's name, `bit_rate` in bits per second that of the audio alone. `silent`: it is never louder than
    Waveform.SILENCE_LEVEL. `seekable`: players can seek in the file as it is, and know its length. `continuous`: its
    packets make one stream without gaps, errors and changes of format. `readable_share`: how much of its sound could
    be decoded, less than 1 where it is damaged. `coarse`: it is too long to be decoded whole, so the values are
    estimated from samples of it.
    """

    duration_seconds: float
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate: int
    mime_type: str
    silent: bool
    seekable: bool
    continuous: bool
    readable_share: float
    coarse: bool

    @property
    def damaged(self) -> bool:
        """Whether some of its sound is lost."""
        return self.readable_share < 1


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A recording's probe and waveform, from one pass, and the resources that it used."""

    probe: Probe
    waveform: Waveform
    used: ResourceUsage


class _Answer(BaseModel):
    """A child's answer. A recording may have taken the child over, so each value is checked against bounds."""

    model_config = ConfigDict(strict=True)

    duration_seconds: float = Field(gt=0, lt=1e12, allow_inf_nan=False)
    lost_seconds: float = Field(ge=0, lt=1e15, allow_inf_nan=False)
    codec: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    sample_rate_hz: int = Field(gt=0, lt=2**31)
    channels: int = Field(gt=0, lt=2**16)
    bit_rate: int = Field(ge=0, lt=2**53)
    seekable: bool
    states_length: bool
    continuous: bool
    begins_at_zero: bool
    unreadable_packets: int = Field(ge=0)
    coarse: bool
    samples_per_pixel: int = Field(gt=0, lt=2**53)
    data: list[Annotated[int, Field(ge=-(2**15), lt=2**15)]] = Field(max_length=2 * Waveform.MOST_PAIRS)


async def examine(file: Path | int, recognition: Recognition, *, decoder: Decoder, limits: DecodingLimits) -> Examined:
    """Probes the recording in `file`, a path or a descriptor open for reading, and computes its waveform.

    Raises:
        DecodingFailed: it can't be decoded within the limits.
        DecoderUnavailable, DecoderKilled, OSError: see `Decoder.run`.
    """
    async with opened(file) as source:
        cpu_seconds = limits.for_size(os.fstat(source).st_size).cpu_seconds * _FULL_PASS_SHARE
        result, used = await decoder.run(
            "examine",
            source=source,
            limits=limits,
            demuxer=DEMUXERS[recognition.audio.name],
            start=recognition.start,
            cpu_seconds=cpu_seconds,
        )
    try:
        answer = _Answer.model_validate(result)
    except ValidationError as error:
        raise DecodingFailed("the decoder's answer is none", used=used) from error
    waveform = Waveform(
        sample_rate_hz=answer.sample_rate_hz, samples_per_pixel=answer.samples_per_pixel, data=tuple(answer.data)
    )
    return Examined(probe=_probe(answer, waveform, recognition.audio), waveform=waveform, used=used)


def _probe(answer: _Answer, waveform: Waveform, audio: AudioFormat) -> Probe:
    return Probe(
        **answer.model_dump(
            include={"duration_seconds", "codec", "sample_rate_hz", "channels", "bit_rate", "continuous", "coarse"}
        ),
        mime_type=audio.mime_type,
        silent=waveform.silent,
        seekable=answer.seekable and answer.begins_at_zero and (answer.states_length or audio.name not in _MUST_STATE),
        readable_share=answer.duration_seconds / (answer.duration_seconds + answer.lost_seconds),
    )
