"""A collector of OTLP over gRPC, with OpenTelemetry's own messages.

Prints its address, then a line of JSON for each span. Ends when its input does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services


def values(attributes: Iterable[Any]) -> dict[str, Any]:
    """Attributes as a dict of plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def shown(span: Any, resource: dict[str, Any]) -> dict[str, Any]:
    """A span as JSON can hold it."""
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": values(span.attributes),
        "events": [
            {"name": event.name, "time": event.time_unix_nano, "attributes": values(event.attributes)}
            for event in span.events
        ],
        "status": span.status.code,
        "message": span.status.message,
        "resource": resource,
    }


class Collector(services.TraceServiceServicer):  # type: ignore[misc]
    """Takes all spans."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802, the protocol's name
        for group in request.resource_spans:
            resource = values(group.resource.attributes)
            for scope in group.scope_spans:
                for span in scope.spans:
                    print(json.dumps(shown(span, resource)), flush=True)
        return messages.ExportTraceServiceResponse()


server = grpc.server(ThreadPoolExecutor(2))
services.add_TraceServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"127.0.0.1:{port}", flush=True)
sys.stdin.read()
server.stop(0)
