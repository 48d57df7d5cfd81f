"""Frames of one kind from frames that may change on the way, as in chained Ogg or AAC that turns stereo."""

from collections.abc import Iterator

import av
from av.audio.frame import AudioFrame


class Steady:
    """Brings frames to one rate; to one sample format, layout and number of samples, too, where those are given."""

    def __init__(
        self,
        *,
        rate: int,
        sample_format: str | None = None,
        layout: str | None = None,
        frame_samples: int | None = None,
    ) -> None:
        self._wanted = {"rate": rate, "format": sample_format, "layout": layout, "frame_size": frame_samples}
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[int, str, str] | None = None

    def __call__(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frames that are complete with this one."""
        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._resampler is None or kind != self._kind:
            yield from self.rest()
            self._resampler, self._kind = av.AudioResampler(**self._wanted), kind  # type: ignore[arg-type]  # each its own
        frame.pts = None  # what is heard is put end to end
        yield from self._resampler.resample(frame)

    def rest(self) -> Iterator[AudioFrame]:
        """What is left at the end."""
        if self._resampler is not None:
            yield from self._resampler.resample(None)
            self._resampler = None
