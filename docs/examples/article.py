"""The 784-128-10 example: a Keras network with ReLU, run as spikes for 0.1 s, mean over time, argmax.

    python docs/examples/article.py model.keras images.npy labels.npy

Images are [n, 28, 28] in 0..1. Synapse 0.005 s, probe 0.01 s, 100 steps of 0.001 s. What makes it work is
`scale_firing_rates=100`: without it the neurons fire about once per 0.1 s, and most classes are lost. The
outputs are logits of a filtered probe: compare them with each other, not with Keras'.
"""

import sys

import numpy as np

import spikeserve

if len(sys.argv) != 4:
    sys.exit("usage: article.py model.keras images.npy labels.npy")
model, images, labels = sys.argv[1], np.load(sys.argv[2]), np.load(sys.argv[3])

network = spikeserve.convert(
    model,
    preset="nengo_dl",
    swap_activations={"relu": "SpikingRectifiedLinear"},
    synapse=0.005,
    probe_synapse=0.01,
    scale_firing_rates=100,
)
with spikeserve.serve(backend="cpu") as server, spikeserve.Client(server.address) as client:
    client.load("article", network)
    result = client.simulate("article", images, steps=100, dt=0.001)

predictions = result.outputs.argmax(axis=1)  # outputs are the mean over time; the same as result.classes
print(f"accuracy {np.mean(predictions == labels):.4f}, {result.stats[0].mean_rate_hz:.1f} Hz")
