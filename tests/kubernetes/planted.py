"""Mistakes that somebody could make in a manifest; every check of manifests has to find them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import charts
from charts import Manifest


def _server(manifests: list[Manifest]) -> Manifest:
    spec: Manifest = charts.one(manifests, "Deployment")["spec"]
    return spec


def _misspelled_field(manifests: list[Manifest]) -> None:
    selector = _server(manifests)["selector"]
    selector["matchLabel"] = selector.pop("matchLabels")


def _wrong_type(manifests: list[Manifest]) -> None:
    _server(manifests)["replicas"] = "two"


def _port_by_name_where_numbers_are(manifests: list[Manifest]) -> None:
    (container,) = charts.servers(charts.of_kind(manifests, "Deployment"))[:1]
    container["readinessProbe"] = {"grpc": {"port": "grpc"}}


def _unknown_field_of_a_route(manifests: list[Manifest]) -> None:
    charts.one(manifests, "GRPCRoute")["spec"]["rules"][0]["backendRef"] = [{"name": "x", "port": 1}]


def _missing_field_of_a_scaled_object(manifests: list[Manifest]) -> None:
    del charts.one(manifests, "ScaledObject")["spec"]["triggers"][0]["metadata"]


PLANTED: dict[str, Callable[[list[Manifest]], None]] = {
    "a misspelled field": _misspelled_field,
    "a value of another type": _wrong_type,
    "a port by its name in a gRPC probe": _port_by_name_where_numbers_are,
    "an unknown field of a GRPCRoute": _unknown_field_of_a_route,
    "a missing field of a ScaledObject": _missing_field_of_a_scaled_object,
}


def planted(name: str) -> tuple[list[Manifest], int]:
    """The objects of the variant `bucket` with one mistake in them, and which of them has it."""
    right = charts.render("bucket")
    wrong = copy.deepcopy(right)
    PLANTED[name](wrong)
    (which,) = (i for i, (before, after) in enumerate(zip(right, wrong, strict=True)) if before != after)
    return wrong, which
