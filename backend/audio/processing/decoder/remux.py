"""Lossless playback: copies the packets to a container that states its duration and is seekable."""

from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from audio.processing.decoder.opening import File, Frames, Refused, damaged, open_recording, sound_of


def remux(source: File, target: File, *, demuxer: str, muxer: str) -> dict[str, Any]:
    """Copies the audio of `source` into a new file without decoding it. Raises Refused."""
    with open_recording(source, demuxer=demuxer) as container:
        sound = sound_of(container)
        try:
            with av.open(
                target, "w", format=muxer, options={"fflags": "+bitexact"}
            ) as output:  # no random serial numbers
                _copy(container, sound, output)
        except FFmpegError as error:
            raise damaged(error) from error
    return {}


def _copy(container: InputContainer, sound: AudioStream, output: OutputContainer) -> None:
    copied = output.add_stream_from_template(sound)
    last = None
    for packet in Frames(container, sound).packets():
        if packet.dts is None or (last is not None and packet.dts <= last):
            continue  # the empty one at the end, and repeated ones of a damaged file: muxers need increasing times
        last = packet.dts
        packet.stream = copied
        output.mux(packet)
    if last is None:
        raise Refused("it holds no sound")
