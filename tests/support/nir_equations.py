"""Steps through the equations of NIR nodes in float64, from their published definition alone.

Leaks by Euler's rule over dt, a spike is a 1 of the same step, IF adds r*x per step, filters hand on the
value that they had before the step. Shares nothing with the reader.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from nir_files import Array, G, N


def run(graph: G, inputs: Array, dt: float) -> list[dict[str, Array]]:
    """What every node makes in every step; `inputs` are [steps, shape...] of the only Input."""
    state: dict[str, Array] = {}
    order = _order(graph)
    steps = []
    for x in inputs.astype(np.float64):
        values: dict[str, Array] = {}
        for name in order:
            node = graph.nodes[name]
            assert isinstance(node, N)
            read = [values[a] for a, b in graph.edges if b == name]
            values[name] = _step(name, node, sum(read) if read else x, dt, state)
        steps.append(values)
    return steps


def _order(graph: G) -> list[str]:
    done: list[str] = []
    while len(done) < len(graph.nodes):
        done += [
            name
            for name in graph.nodes
            if name not in done and all(a in done for a, b in graph.edges if b == name)
        ]
    return done


def _step(name: str, node: N, x: Any, dt: float, state: dict[str, Array]) -> Array:
    p = {
        key: np.asarray(value, np.float64) for key, value in node.fields.items() if not isinstance(value, str)
    }
    match node.kind:
        case "Input" | "Output":
            return np.asarray(x)
        case "Affine" | "Linear":
            return np.asarray(x @ p["weight"].T + p.get("bias", 0.0))
        case "Scale":
            return np.asarray(p["scale"] * x)
        case "Conv2d":
            return _conv(x, p)
        case "SumPool2d" | "AvgPool2d":
            return _pool(x, p, node.kind)
        case "Flatten":
            return np.ascontiguousarray(x, np.float64).ravel()
        case "Threshold":
            return np.asarray(x > p["threshold"], np.float64)
        case "Delay":
            return _delayed(name, x, round(float(p["delay"].flat[0]) / dt), state)
        case "LI" | "CubaLI" | "I":
            return _integrate(name, node.kind, x, p, dt, state)
        case _:
            return _spike(name, node.kind, x, p, dt, state)


def _spike(name: str, kind: str, x: Array, p: dict[str, Array], dt: float, state: dict[str, Array]) -> Array:
    if kind == "IF":
        v = state.get(name, np.zeros(x.shape)) + p["r"] * x
    else:
        tau = p["tau"] if kind == "LIF" else p["tau_mem"]
        current = x if kind == "LIF" else _synapse(name, x, p, dt, state)
        before = state.get(name, p["v_leak"] + np.zeros(x.shape))
        v = before + dt / tau * (p["v_leak"] - before + p["r"] * current)
    spikes = v > p["v_threshold"]
    state[name] = np.where(spikes, p["v_reset"], v)
    fired: Array = spikes.astype(np.float64)
    return fired


def _synapse(name: str, x: Array, p: dict[str, Array], dt: float, state: dict[str, Array]) -> Array:
    before = state.get(f"{name}.i", np.zeros(x.shape))
    state[f"{name}.i"] = before + dt / p["tau_syn"] * (p["w_in"] * x - before)
    return before


def _integrate(
    name: str, kind: str, x: Array, p: dict[str, Array], dt: float, state: dict[str, Array]
) -> Array:
    """The voltage before the step: what an input makes of it shows a step later."""
    if kind == "I":
        v = state.get(name, np.zeros(x.shape))
        state[name] = v + p["r"] * x
        return v
    if kind == "CubaLI":  # two filters in a row hand on the value of the same step
        i = state.get(f"{name}.i", np.zeros(x.shape))
        state[f"{name}.i"] = i + dt / p["tau_syn"] * (p["w_in"] * x - i)
        x, tau = state[f"{name}.i"], p["tau_mem"]
    else:
        tau = p["tau"]
    v = state.get(name, p["v_leak"] + np.zeros(x.shape))
    state[name] = v + dt / tau * (p["v_leak"] - v + p["r"] * x)
    return v


def _delayed(name: str, x: Array, steps: int, state: dict[str, Array]) -> Array:
    line = state.get(name, np.zeros((steps, *x.shape)))
    line = np.concatenate([line, x[None]])
    state[name] = line[1:]
    return np.asarray(line[0])


def _pair(value: Array) -> tuple[int, int]:
    flat = np.asarray(value).ravel()
    return int(flat[0]), int(flat[-1])


def _conv(x: Array, p: dict[str, Array]) -> Array:
    weight, groups = p["weight"], int(p["groups"])
    (sy, sx), (py, px), (dy, dx) = (_pair(p[key]) for key in ("stride", "padding", "dilation"))
    out, inner, ky, kx = weight.shape
    x = np.pad(x, [(0, 0), (py, py), (px, px)])
    high = (x.shape[1] - (ky - 1) * dy - 1) // sy + 1
    wide = (x.shape[2] - (kx - 1) * dx - 1) // sx + 1
    result = np.zeros((out, high, wide)) + p["bias"].reshape(-1, 1, 1)
    for o in range(out):
        first = o // (out // groups) * inner
        for c, i, j in np.ndindex(inner, ky, kx):
            part = x[first + c, i * dy : i * dy + high * sy : sy, j * dx : j * dx + wide * sx : sx]
            result[o] += weight[o, c, i, j] * part[:high, :wide]
    return result


def _pool(x: Array, p: dict[str, Array], kind: str) -> Array:
    (ky, kx), (sy, sx), (py, px) = (_pair(p[key]) for key in ("kernel_size", "stride", "padding"))
    x = np.pad(x, [(0, 0), (py, py), (px, px)])
    high, wide = (x.shape[1] - ky) // sy + 1, (x.shape[2] - kx) // sx + 1
    total = np.zeros((len(x), high, wide))
    for c, i, j in np.ndindex(len(x), high, wide):
        total[c, i, j] = math.fsum(x[c, i * sy : i * sy + ky, j * sx : j * sx + kx].ravel().tolist())
    return total if kind == "SumPool2d" else total / (ky * kx)
