"""Lossless playback: copies the packets to a container that states its duration and is seekable."""

from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from audio.processing.decoder.chained_streams import Section
from audio.processing.decoder.frames import Frames
from audio.processing.decoder.opening import File, Refused, damaged, open_recording, sound_index, sound_of
from audio.processing.decoder.timeline import TOLERANCE_SECONDS


def remux(source: File, target: File, *, demuxer: str, start: int = 0, muxer: str) -> dict[str, Any]:
    """Copies the audio of `source` into a new file without decoding it. Raises Refused."""
    recording = Section(source, start)
    index = sound_index(recording, demuxer=demuxer)
    with open_recording(recording, demuxer=demuxer) as container:
        sound = sound_of(container, index)
        try:
            with av.open(
                target, "w", format=muxer, options={"fflags": "+bitexact"}
            ) as output:  # no random serial numbers
                _copy(container, sound, output)
        except FFmpegError as error:
            raise damaged(error) from error
    return {}


def _shift(first: "Packet[AudioStream]") -> int:
    """How much earlier the packets are in the copy, which begins at 0: a stream's positions may begin at an hour."""
    begin = first.pts if first.pts is not None else 0
    return begin if first.time_base and begin * first.time_base > TOLERANCE_SECONDS else 0


def _copy(container: InputContainer, sound: AudioStream, output: OutputContainer) -> None:
    copied = output.add_stream_from_template(sound)
    last = shift = None
    for packet in Frames(container, sound).packets():
        if packet.dts is None or (last is not None and packet.dts <= last):
            continue  # the empty one at the end, and repeated ones of a damaged file: muxers need increasing times
        last = packet.dts
        shift = _shift(packet) if shift is None else shift
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        packet.stream = copied
        output.mux(packet)
    if last is None:
        raise Refused("it holds no sound")
