"""Frames of one kind from frames that may change on the way, as in chained Ogg or AAC that turns stereo."""

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.filter import Graph


class UniformFrames:
    """Brings frames to one rate; to one sample format, layout and number of samples, too, where those are given."""

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
            yield from self.rest()
            self._graph, self._kind = self._graph_for(*kind), kind
        frame.pts = None  # what is heard is put end to end
        self._graph.push(frame)
        yield from _pulled(self._graph)

    def rest(self) -> Iterator[AudioFrame]:
        """What is left at the end."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pulled(self._graph)
            self._graph = None

    def _graph_for(self, rate: int, sample_format: str, layout: str) -> Graph:
        """The way from frames of one kind to ours; PyAV's AudioResampler would begin threads for it."""
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
        except (BlockingIOError, EOFError):  # it waits for more, or there is no more
            return
        assert isinstance(frame, AudioFrame)  # noqa: S101  # the graph has no pictures
        yield frame
