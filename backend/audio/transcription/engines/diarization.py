"""Tells speakers apart, by sherpa-onnx, in Whisper's child process; needs the extra `[speakers]`."""

from collections.abc import Callable
from pathlib import Path

import sherpa_onnx

from audio.transcription.contract import SAMPLES_HERTZ
from audio.transcription.engines.audio_chunks import beginning
from audio.transcription.engines.speaker_turns import Turn

LONGEST_SECONDS = 2 * 3600  # all of it is in memory at once, half a GB an hour


class DiarizationModelsUnfit(Exception):
    """A file holds no model of its kind."""


class Diarization:
    """The loaded models: one finds speech and changes of speakers in seconds of sound, one compares voices."""

    def __init__(self, *, segmentation_model: str, embedding_model: str) -> None:
        """Raises DiarizationModelsUnfit."""
        pyannote = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(model=segmentation_model)
        config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
            segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote=pyannote),
            embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=embedding_model),
            clustering=sherpa_onnx.FastClusteringConfig(num_clusters=-1),  # as many as there are
        )
        try:
            self._diarization = sherpa_onnx.OfflineSpeakerDiarization(config)
        except RuntimeError as error:
            raise DiarizationModelsUnfit from error

    def turns(self, samples: Path, *, progress: Callable[[], None]) -> list[Turn]:
        """Who speaks when in the first LONGEST_SECONDS, by numbers in the order of their first turns.

        It calls `progress` at least every few seconds. Raises OSError.
        """

        def report(_processed: int, _total: int) -> int:
            progress()
            return 0  # go on

        sound = beginning(samples, longest_seconds=LONGEST_SECONDS)
        if len(sound) < SAMPLES_HERTZ:  # sherpa-onnx fails on next to nothing
            return []
        numbers: dict[int, str] = {}
        return [
            Turn(turn.start, turn.end, numbers.setdefault(turn.speaker, str(len(numbers) + 1)))
            for turn in self._diarization.process(sound, callback=report).sort_by_start_time()
        ]
