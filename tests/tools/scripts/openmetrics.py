"""Reads a page of metrics by the parser of Prometheus' own client; an error where it breaks the format.

python openmetrics.py openmetrics|prometheus < {"text": PAGE}
"""

from __future__ import annotations

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

arguments = json.load(sys.stdin)
parse = text_string_to_metric_families if sys.argv[1] == "openmetrics" else prometheus_families
samples = []
types = {}
for family in parse(arguments["text"]):
    types[family.name] = family.type
    for sample in family.samples:
        exemplar = sample.exemplar
        samples.append(
            {
                "name": sample.name,
                "labels": sample.labels,
                "value": sample.value,
                "exemplar": exemplar and {"labels": exemplar.labels, "value": exemplar.value},
            }
        )
json.dump({"types": types, "samples": samples}, sys.stdout)
