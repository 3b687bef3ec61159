"""A bundle as an ONNX model: for onnxruntime in any language, OpenCV, the browser, and the programs that build on them.

>>> from segmentation import Bundle
>>> data = onnx_bytes(Bundle.load("checkpoints/nuclei"))  # doctest: +SKIP
"""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import torch
from onnx import GraphProto, checker, helper, parser, version_converter

import segmentation
from segmentation import onnx_steps
from segmentation.bundle import Bundle
from segmentation.errors import BundleError
from segmentation.networks import Network

# What onnxruntime of 2022 (1.12) and every later one reads. The exporter itself speaks 18, but the networks use nothing
# that 17 lacks, and programs that embed a runtime are slow to replace it.
OPSET, IR_VERSION = 17, 8
EXPORTER_OPSET = 18
INPUT, OUTPUT = "image", "maps"
PADDED, PROBABILITIES = "padded", "probabilities"  # between the network and what is done before and after it


def onnx_bytes(
    bundle: Bundle,
    *,
    preprocessing: bool = False,
    magnification: bool = False,
    grey: bool = False,
    network: GraphProto | None = None,
) -> bytes:
    """The bundle's network as an ONNX file; the same bundle always gives the same bytes.

    Input ``image``: ``(N, C, H, W)`` float32. Output ``maps``: ``(N, maps, H, W)`` float32 probabilities in [0, 1].
    Any N, H and W of at least 1: padding to sizes that the levels can halve, and cropping back, are in the graph. Its
    metadata, each value JSON, hold ``maps`` (their names in order), ``revision``, ``magnification``, ``decode``,
    ``preprocessing``, ``stride``, and ``inside``: which of preprocessing and magnification the graph does itself.

    Args:
        bundle: its network stays as and where it is.
        preprocessing: take raw pixels, finite numbers of any scale, and do the whole of
            :class:`segmentation.Preprocessing` in the graph, for each picture of the batch by itself, and the
            magnification too. C is then 1 (grey) or the network's channels. Otherwise pixels are prepared already, in
            [0, 1], and C is the network's channels.
        magnification: magnify prepared pixels, and shrink the maps back, in the graph. Otherwise the maps are as large
            as the pixels that come in, which are magnified already.
        grey: take prepared pixels of one channel and repeat it in the graph.
        network: what :func:`network_graph` gave for this bundle's network, for who writes several files of it.

    Raises:
        BundleError: if the network cannot be exported.
    """
    magnified = (magnification or preprocessing) and bundle.magnification != 1
    channels = int(str(bundle.network.arguments["in_channels"]))
    before, after, source = "", "", INPUT
    if preprocessing:
        before += onnx_steps.stretch(bundle.preprocessing, source, "stretched")
        source = "stretched"
    if preprocessing or grey:
        before += onnx_steps.repeat(channels, source, "prepared")
        source = "prepared"
    if magnified:
        before += onnx_steps.magnify(bundle.magnification, source, "magnified")
        source = "magnified"
    before += onnx_steps.pad(bundle.network.stride, source, PADDED)
    after += onnx_steps.crop(PROBABILITIES, "cropped" if magnified else OUTPUT)
    if magnified:
        after += onnx_steps.shrink("cropped", OUTPUT)

    takes = "channels" if preprocessing else 1 if grey else channels
    head = (
        f"(float[batch, {takes}, height, width] {INPUT}) => (float[batch, {len(bundle.maps)}, height, width] {OUTPUT})"
    )
    graph = parser.parse_graph(f"nucleoscope {head} {{ {before} }}")
    network = network_graph(bundle.network) if network is None else network
    graph.node.extend(network.node)
    graph.node.extend(parser.parse_graph(f"after () => () {{ {after} }}").node)
    graph.initializer.extend(network.initializer)
    _name_nodes(graph)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="nucleoscope",
        producer_version=segmentation.__version__,
        doc_string="Finds nuclei in microscopy pictures. For research, not for diagnosis.",
    )
    inside = [*(["preprocessing"] if preprocessing else []), *(["magnification"] if magnified else [])]
    helper.set_model_props(model, {key: json.dumps(value) for key, value in _metadata(bundle, inside).items()})
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _metadata(bundle: Bundle, inside: list[str]) -> dict[str, object]:
    return {
        "maps": list(bundle.maps),
        "revision": bundle.revision,
        "magnification": bundle.magnification,
        "decode": asdict(bundle.decode),
        "preprocessing": asdict(bundle.preprocessing),
        "stride": bundle.network.stride,
        "inside": inside,
    }


def network_graph(network: Network) -> GraphProto:
    """Nodes and weights of the network alone: ``padded``, of sides that its stride divides, to ``probabilities``.

    torch's exporter settles once and for all which way an ``if`` on sizes goes, and the network pads only where it has
    to; so it gets sizes for which nothing is padded, and :func:`segmentation.onnx_steps.pad` comes before.

    Raises:
        BundleError: if the exporter does not know what the network does.
    """
    alone = copy.deepcopy(network).cpu().float().eval()
    alone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in torch's stubs
    stride, channels = network.stride, int(str(network.arguments["in_channels"]))
    sides = {0: torch.export.Dim("batch"), **{axis: stride * torch.export.Dim(f"cells_{axis}") for axis in (2, 3)}}
    try:
        with _quiet():
            program = torch.onnx.export(
                alone,
                (torch.zeros(2, channels, 2 * stride, 3 * stride),),
                input_names=[PADDED],
                output_names=[PROBABILITIES],
                opset_version=EXPORTER_OPSET,
                dynamic_shapes=(sides,),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        assert program is not None
        # The converter leaves out what the exporter notes of each node: lines of code, with paths of this machine.
        return version_converter.convert_version(program.model_proto, OPSET).graph
    except (RuntimeError, version_converter.ConvertError) as error:  # torch's own errors are all RuntimeErrors
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"This network cannot be written as ONNX ({reason}); export another bundle.") from error


def _name_nodes(graph: GraphProto) -> None:
    """Number the nodes in their order: the exporter's own numbers depend on what it wrote before."""
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _name_nodes(attribute.g)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says of itself from users: packages it would know, and its own use of what is outdated."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
