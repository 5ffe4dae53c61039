"""Graphs within graphs, edges and the order of nodes."""

from __future__ import annotations

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.nir.graph import Edge, FlatGraph, NirGraph, NirNode

_SHOWN = 8  # nodes of a cycle in a message


def flatten(root: NirGraph, label: str) -> FlatGraph:
    """The nodes that the outputs need, in order; ConversionError for edges to nowhere or cycles.

    Inputs and outputs of graphs within the root stay as nodes that pass on what they read.
    """
    nodes: dict[str, NirNode] = {}
    edges: list[Edge] = []
    _collect(root, label, nodes, edges)
    unique = list(dict.fromkeys(edges))
    warnings = []
    if len(unique) < len(edges):
        warnings.append(f"{len(edges) - len(unique)} edges appear twice and count once")
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in unique:
        sources[target].append(source)
    inputs = [node.name for node in root.nodes.values() if isinstance(node, NirNode) and node.kind == "Input"]
    outputs = [
        node.name for node in root.nodes.values() if isinstance(node, NirNode) and node.kind == "Output"
    ]
    if not inputs or not outputs:
        raise ConversionError(f"{label}: the graph has no {'Output' if inputs else 'Input'} node")
    order = _order(label, sources, outputs)
    _check_ends(label, nodes, sources, inputs, order)
    unused = [name for name in nodes if name not in set(order) and name not in inputs]
    if unused:
        warnings.append(f"no output depends on {', '.join(map(repr, unused[:_SHOWN]))}: left out")
    kept = [*[name for name in inputs if name not in order], *order]
    return FlatGraph([nodes[name] for name in kept], sources, inputs, outputs, warnings)


def _collect(graph: NirGraph, label: str, nodes: dict[str, NirNode], edges: list[Edge]) -> None:
    for node in graph.nodes.values():
        if isinstance(node, NirGraph):
            _collect(node, label, nodes, edges)
        else:
            nodes[node.name] = node
    for source, target in graph.edges:
        edges.append((_end(graph, source, "Output", label), _end(graph, target, "Input", label)))


def _end(graph: NirGraph, name: str, kind: str, label: str) -> str:
    """The node that an end of an edge stands for: of a graph its only Input or Output."""
    where = f"{label}: an edge of {graph.name!r}" if graph.name else f"{label}: an edge"
    found = graph.nodes.get(name)
    if found is None:
        raise ConversionError(f"{where} names {name!r}, which is none of its nodes")
    if isinstance(found, NirNode):
        return found.name
    ports = [node.name for node in found.nodes.values() if isinstance(node, NirNode) and node.kind == kind]
    if len(ports) != 1:
        raise ConversionError(
            f"{where} names the graph {name!r}, which has {len(ports)} {kind} nodes, wanted 1; "
            "put its nodes into the graph around it"
        )
    return ports[0]


def _check_ends(
    label: str,
    nodes: dict[str, NirNode],
    sources: dict[str, list[str]],
    inputs: list[str],
    needed: list[str],
) -> None:
    fed = [name for name in inputs if sources[name]]
    if fed:
        raise ConversionError(f"{label}: an edge leads into the input {fed[0]!r}")
    loose = [name for name in needed if not sources[name] and name not in inputs]
    if loose:
        raise ConversionError(
            f"{label}: nothing leads into {', '.join(map(repr, loose[:_SHOWN]))}; connect an Input node"
        )
    tail = next((name for name, read in sources.items() for one in read if _is_sink(nodes[one])), None)
    if tail is not None:
        raise ConversionError(f"{label}: {tail!r} reads an Output of the whole graph")


def _is_sink(node: NirNode) -> bool:
    return node.kind == "Output" and "/" not in node.name


def _order(label: str, sources: dict[str, list[str]], outputs: list[str]) -> list[str]:
    """Depth first without recursion; a node that is met again before it is done closes a cycle."""
    order: list[str] = []
    done: dict[str, bool] = {}
    pending = [*reversed(outputs)]
    while pending:
        name = pending[-1]
        if done.get(name):
            pending.pop()
            continue
        if name in done:
            done[name] = True
            order.append(pending.pop())
            continue
        done[name] = False
        for source in reversed(sources[name]):
            if source in done and not done[source]:
                raise ConversionError(_cycle(label, source, pending, done))
            pending.append(source)
    return order


def _cycle(label: str, start: str, pending: list[str], done: dict[str, bool]) -> str:
    path = [name for name in dict.fromkeys(pending) if name in done and not done[name]]
    names = path[path.index(start) :]
    shown = " <- ".join(map(repr, [*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else []), start]))
    return (
        f"{label}: recurrent edges: {shown}; networks here are feed-forward: train without recurrence, or "
        "run the file in the tool that wrote it"
    )
