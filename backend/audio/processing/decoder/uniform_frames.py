"""Converts frames whose format may change, as in chained Ogg or AAC that turns stereo, to one format."""

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.filter import Graph


class UniformFrames:
    """Converts frames to one rate, and where set to one sample format, layout and number of samples."""

    def __init__(
        self,
        *,
        rate: int,
        sample_format: str | None = None,
        layout: str | None = None,
        frame_samples: int | None = None,
    ) -> None:
        self._rate = rate
        self._sample_format = sample_format
        self._layout = layout
        self._frame_samples = frame_samples
        self._graph: Graph | None = None
        self._kind: tuple[int, str, str] | None = None

    def __call__(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frames that are complete with this one."""
        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._graph is None or kind != self._kind:
            yield from self.flush()
            self._graph, self._kind = self._graph_for(*kind), kind
        frame.pts = None  # frames are concatenated, whatever their times
        self._graph.push(frame)
        yield from _pulled(self._graph)

    def flush(self) -> Iterator[AudioFrame]:
        """The remaining frames, at the end."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pulled(self._graph)
            self._graph = None

    def _graph_for(self, rate: int, sample_format: str, layout: str) -> Graph:
        """The filter graph from one format to the target's; PyAV's AudioResampler would start threads."""
        graph = Graph()
        graph.threads = 1
        source = graph.add("abuffer", sample_rate=str(rate), sample_fmt=sample_format, channel_layout=layout)
        change = graph.add(
            "aformat",
            sample_rates=str(self._rate),
            sample_fmts=self._sample_format or sample_format,
            channel_layouts=self._layout or layout,
        )
        graph.link_nodes(source, change, graph.add("abuffersink")).configure()
        if self._frame_samples is not None:
            graph.set_audio_frame_size(self._frame_samples)
        return graph


def _pulled(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):  # it needs more input, or is at its end
            return
        assert isinstance(frame, AudioFrame)  # noqa: S101  # the graph has no pictures
        yield frame
