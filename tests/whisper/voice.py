"""Synthetic speech by eSpeak NG, from the library that a wheel carries: no system package and no privileges needed.

Each text is spoken by a process of its own: the library's state goes on from one text to the next, and with it the
sound of the same sentence.
"""

import ctypes
import subprocess
import sys
import wave
from pathlib import Path

import espeakng_loader

SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: AUDIO_OUTPUT_SYNCHRONOUS, speak_lib.h
AT_CHARACTER = 1  # espeak_POSITION_TYPE: POS_CHARACTER
UTF8 = 1  # espeakCHARS_UTF8
RATE = 1  # espeak_PARAMETER: espeakRATE, in words a minute
SAMPLE_BYTES = 2

TakeSamples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(
    text: str, path: Path, *, words_a_minute: int = 150, silence_seconds: float = 0, voice: str = "en-us"
) -> Path:
    """Writes a WAVE file in which a voice, American unless another one is named, says the text after so much silence.

    Returns its path. The same text makes the same file.
    """
    command = [sys.executable, __file__, text, str(path), str(words_a_minute), str(silence_seconds), voice]
    subprocess.run(command, check=True)
    return path


def _spoken(text: str, *, words_a_minute: int, voice: str) -> tuple[bytes, int]:
    """The samples, and how many there are in a second."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    samples = bytearray()

    @TakeSamples  # type: ignore[untyped-decorator]  # ctypes makes the type at run time
    def take(address: int | None, count: int, _events: int) -> int:
        if address and count > 0:
            samples.extend(ctypes.string_at(address, count * SAMPLE_BYTES))
        return 0

    hertz: int = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    assert hertz > 0
    library.espeak_SetSynthCallback(take)
    assert library.espeak_SetVoiceByName(voice.encode()) == 0
    library.espeak_SetParameter(RATE, words_a_minute, 0)
    said = text.encode()
    assert library.espeak_Synth(said, len(said) + 1, 0, AT_CHARACTER, 0, UTF8, None, None) == 0
    assert library.espeak_Synchronize() == 0
    return bytes(samples), hertz


def _main(text: str, path: str, words_a_minute: str, silence_seconds: str, voice: str) -> None:
    samples, hertz = _spoken(text, words_a_minute=int(words_a_minute), voice=voice)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(hertz)
        file.writeframes(bytes(int(hertz * float(silence_seconds)) * SAMPLE_BYTES) + samples)


if __name__ == "__main__":
    _main(*sys.argv[1:])
