"""Loads a network, classifies 64 images and follows a run, by spikeserve's own protocol.

python python_native.py ADDRESS NETWORK FILE.spk IMAGES-idx3-ubyte.gz
"""

import os
import sys

import spikeserve
from spikeserve.samples import read_array

address, network, file, images = sys.argv[1:]
token, ca = os.environ.get("SPIKESERVE_TOKEN"), os.environ.get("SPIKESERVE_CA")
with spikeserve.Client(address, timeout=60, token=token, root_cert=ca) as client:
    version = client.load(network, spikeserve.load_network(file))
    print(f"loaded: {network} version {version}")
    pixels = read_array(images)[:64]  # uint8, [64, 28, 28]
    print("classes:", *client.simulate(network, pixels, steps=16).classes)
    for event in client.stream(network, pixels, steps=16, report_every=4):
        title = f"step {event.steps_done}" if isinstance(event, spikeserve.Progress) else "result"
        print(f"{title}:", *event.classes)
