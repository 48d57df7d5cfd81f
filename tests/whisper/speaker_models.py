"""Models for sherpa-onnx, made here, as no package brings any: just enough to tell two known voices apart.

They have the inputs, outputs and metadata of the real ones (pyannote's segmentation, WeSpeaker's embeddings). Speech is
what is loud; a voice is on one side or the other of the plane between the mean spectra of two voices.
"""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

HERTZ = 16_000
BANDS = 80
WINDOW_SECONDS = 2
FRAME_SAMPLES, SHIFT_SAMPLES = 800, 400
CLASSES = 7  # nobody, one of three, or two of them
LOUD = 1e-4


def segmentation_model(path: Path) -> Path:
    """A model that hears one speaker wherever it is loud."""
    weights = np.zeros((1, CLASSES), np.float32)
    weights[0, 1] = 1 / LOUD
    bias = np.full(CLASSES, -100.0, np.float32)
    bias[:2] = (0.0, -1.0)
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["power"]),
        helper.make_node("AveragePool", ["power"], ["mean"], kernel_shape=[FRAME_SAMPLES], strides=[SHIFT_SAMPLES]),
        helper.make_node("Transpose", ["mean"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["frames", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["y"], axis=2),
    ]
    metadata = {
        "sample_rate": HERTZ,
        "window_size": WINDOW_SECONDS * HERTZ,
        "receptive_field_size": FRAME_SAMPLES,
        "receptive_field_shift": SHIFT_SAMPLES,
        "num_speakers": 3,
        "powerset_max_classes": 2,
        "num_classes": CLASSES,
    }
    shapes = {"x": ["N", 1, "T"], "y": ["N", "F", CLASSES]}
    return _saved(path, nodes, shapes, {"weights": weights, "bias": bias}, metadata)


def embedding_model(path: Path, *voices: Path) -> Path:
    """A model whose embeddings are opposite for two voices, each heard in a WAVE file."""
    spectrum = _linear_model(path, np.eye(BANDS), np.zeros(BANDS))
    first, second = (_embedding(spectrum, voice) for voice in voices)
    direction = (first - second) / np.square(first - second).sum()
    weights = np.stack([direction, np.zeros(BANDS)], axis=1)
    return _linear_model(path, weights, np.array([-direction @ (first + second) / 2, 0.05]))


def _linear_model(path: Path, weights: Any, bias: Any) -> Path:
    nodes = [
        helper.make_node("ReduceMean", ["feats"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["embs"]),
    ]
    metadata = {
        "framework": "wespeaker",
        "language": "English",
        "url": "",
        "comment": "",
        "sample_rate": HERTZ,
        "output_dim": weights.shape[1],
        "normalize_samples": 1,
        "feature_normalize_type": "",
    }
    shapes = {"feats": ["N", "T", BANDS], "embs": ["N", weights.shape[1]]}
    return _saved(path, nodes, shapes, {"weights": weights, "bias": bias}, metadata)


def _saved(path: Path, nodes: list[Any], shapes: dict[str, Any], constants: dict[str, Any], metadata: Any) -> Path:
    given, returned = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in shapes)
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "model", [given], [returned], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {name: str(value) for name, value in metadata.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _embedding(model: Path, voice: Path) -> Any:
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(model)))
    with wave.open(str(voice)) as file:
        hertz, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
    stream = extractor.create_stream()
    stream.accept_waveform(hertz, samples.astype(np.float32) / 32768)
    stream.input_finished()
    return np.array(extractor.compute(stream))
