"""How much of a recording is lost: what couldn't be decoded, and what its headers promise and isn't there."""

import re

from audio.processing.decoder.chained_streams import Section
from audio.processing.decoder.frames import RAW_DEMUXERS
from audio.processing.decoder.sound import Sound
from audio.processing.decoder.structure import Structure
from audio.processing.decoder.tags import tag_lengths

_SHORTEST_SECONDS = 0.1  # a packet or two that was cut off
_FOREIGN_BYTES = 1024
_FLAC_LONGEST_FRAME = slice(15, 18)  # of STREAMINFO, behind its header and fLaC: RFC 9639, 8.2
_LOSSY_RAW_BYTES = 2048  # of frames that hold no sound, as LAME's first one
# The number of frames, where the first one states it: Xing and Info by LAME, "VBR header".
_XING = re.compile(rb"(?:Xing|Info)\x00\x00\x00[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)", re.DOTALL)
_FIRST_FRAME_BYTES = 256
_UNCOUNTED_FRAMES, _PADDING_BYTES = 2, 1
_ID3V1_BYTES, _APE_FOOTER_BYTES = 128, 32


def lost_seconds(file: Section, sound: Sound, structure: Structure) -> float:
    """An estimate of what is lost of the recording in `file`, in seconds of sound; 0 where nothing is."""
    decoded_seconds = sound.seconds - sound.silent_seconds
    packet_seconds = decoded_seconds / max(1, sound.readable)
    byte_seconds = decoded_seconds / max(1, sound.packet_bytes)
    lost = [
        sound.unread_bytes * byte_seconds,
        _foreign_seconds(file, decoded_seconds, structure),
    ]
    match sound.demuxer:
        case demuxer if demuxer in RAW_DEMUXERS:
            lost += [_raw_seconds(file, sound, byte_seconds), (_xing_frames(file) - sound.readable) * packet_seconds]
        case "ogg" | "flac":
            has_holes = structure.has_holes or sound.demuxer == "flac"
            gaps = sound.silent_seconds if has_holes else 0.0
            cut = sound.missing_seconds if has_holes or structure.missing_bytes else 0.0
            lost += [0.0 if sound.has_pictures else gaps + cut, sound.unreadable * packet_seconds]
            lost += [structure.missing_bytes * byte_seconds, _behind_flac_bytes(file, sound) * byte_seconds]
        case "matroska":
            broken = sound.silent_seconds if structure.foreign_bytes else 0.0
            cut = sound.missing_seconds if structure.missing_bytes else 0.0
            lost += [sound.unreadable * packet_seconds + cut, broken + cut, structure.missing_bytes * byte_seconds]
        case "mov":
            cut = (sound.track_seconds or 0.0) - decoded_seconds if structure.missing_bytes else 0.0
            lost += [sound.unreadable * packet_seconds, cut]
        case _:
            lost += [sound.unreadable * packet_seconds, structure.missing_bytes * byte_seconds]
    most = max(lost)
    return most if most >= _SHORTEST_SECONDS else 0.0


def is_reckoned_right(file: Section, sound: Sound) -> bool:
    """Whether players know the length of this MP3, and where a time lies in it.

    They go by the first frame, where it states the number of frames, or take all of them to be as long as that.
    """
    stated = _xing_frames(file)
    if stated:
        return abs(stated - sound.readable) <= _UNCOUNTED_FRAMES
    mean = sound.packet_bytes / max(1, sound.readable)
    is_constant = sound.longest_packet_bytes - mean <= _PADDING_BYTES
    return is_constant and file.size - sound.packet_bytes - (sound.first_byte or 0) <= _LOSSY_RAW_BYTES


def _behind_flac_bytes(file: Section, sound: Sound) -> int:
    """What is behind bare FLAC: it is taken for a part of the last frame, which is longer then than any may be."""
    if sound.links > 1:  # each states its own
        return 0
    file.seek(0)
    longest = int.from_bytes(file.read(_FLAC_LONGEST_FRAME.stop)[_FLAC_LONGEST_FRAME])
    behind = sound.longest_packet_bytes - longest - _tags_behind(file)
    return behind if sound.demuxer == "flac" and longest and behind > _FOREIGN_BYTES else 0


def _foreign_seconds(file: Section, decoded_seconds: float, structure: Structure) -> float:
    """What bytes that belong to nothing would sound, if they were like the others."""
    foreign = structure.foreign_bytes
    file.seek(max(0, file.size - foreign))
    tail = file.read(_FIRST_FRAME_BYTES).lstrip(b"\0")
    if foreign <= _FOREIGN_BYTES + _tag_bytes(tail) or not tail:
        return 0.0
    return max(_SHORTEST_SECONDS, decoded_seconds * foreign / max(1, file.size - foreign))


def _tag_bytes(head: bytes) -> int:
    """The length of a tag behind the sound: ID3v2, APEv2, or a chunk that was added behind its container."""
    match head[:4]:
        case b"LIST" | b"id3 ":
            return 8 + int.from_bytes(head[4:8], "little")
        case b"APET":
            return 32 + int.from_bytes(head[12:16], "little")
        case _ if head.startswith(b"ID3"):
            return 10 + int("".join(f"{byte & 127:07b}" for byte in head[6:10]) or "0", 2)
        case _:
            return 0


def _raw_seconds(file: Section, sound: Sound, byte_seconds: float) -> float:
    """What the bytes of a stream of frames would sound that are neither in one that could be read nor in a tag."""
    first = sound.first_byte or 0
    lost = file.size - first - sound.packet_bytes
    if lost > _LOSSY_RAW_BYTES:
        beside = sound.packet_bytes // max(1, sound.readable)  # the frame that a tag is taken for a part of
        lost -= sum(length + beside for length in tag_lengths(file, start=first))
    return max(_SHORTEST_SECONDS, lost * byte_seconds) if lost > _LOSSY_RAW_BYTES else 0.0


def _tags_behind(file: Section) -> int:
    """The bytes of the tags behind a stream of frames: ID3v1, and APEv2 before it."""
    length = 0
    if _tail(file, _ID3V1_BYTES).startswith(b"TAG"):
        length += _ID3V1_BYTES
    footer = _tail(file, length + _APE_FOOTER_BYTES)
    if footer.startswith(b"APETAGEX"):
        length += int.from_bytes(footer[12:16], "little") + _APE_FOOTER_BYTES
    return min(length, file.size)


def _tail(file: Section, length: int) -> bytes:
    file.seek(max(0, file.size - length))
    return file.read(length)


def _xing_frames(file: Section) -> int:
    """How many frames the first one states; 0 where it states none."""
    file.seek(0)
    header = _XING.search(file.read(_FIRST_FRAME_BYTES))
    return int.from_bytes(header[1]) if header else 0
