"""Loads a model, classifies 64 images and follows a run, by the Open Inference Protocol with tritonclient.

python python_oip.py ADDRESS MODEL FILE.spk IMAGES-idx3-ubyte.gz
"""

import gzip
import os
import queue
import sys

import numpy as np
import tritonclient.grpc as triton

address, model, file, images = sys.argv[1:]
token, ca, cert, key = (os.environ.get(f"SPIKESERVE_{name}") for name in ("TOKEN", "CA", "CERT", "KEY"))
headers = {"spikeserve-network": model} | ({"authorization": f"Bearer {token}"} if token else {})
client = triton.InferenceServerClient(
    address, ssl=ca is not None, root_certificates=ca, certificate_chain=cert, private_key=key
)
with open(file, "rb") as spk:
    client.load_model(model, headers, config="{}", files={"file:1/network.spk": spk.read()})

with gzip.open(images) as idx:
    pixels = np.frombuffer(idx.read(), np.uint8, 64 * 28 * 28, offset=16).reshape(64, 28, 28)
name = client.get_model_metadata(model, headers=headers).inputs[0].name
given = triton.InferInput(name, list(pixels.shape), "UINT8").set_data_from_numpy(pixels)
wanted = [triton.InferRequestedOutput("classes")]
settings = {"steps": 16}
answer = client.infer(model, [given], outputs=wanted, headers=headers, parameters=settings, client_timeout=60)
print("classes:", *answer.as_numpy("classes"))

events: queue.Queue[triton.InferResult | Exception] = queue.Queue()
client.start_stream(lambda result, error: events.put(error or result), headers=headers, stream_timeout=60)
client.async_stream_infer(model, [given], outputs=wanted, parameters=settings | {"report_every": 4})
final = False
while not final:
    event = events.get()
    if isinstance(event, Exception):
        raise event
    parameters = event.get_response().parameters
    final = parameters["triton_final_response"].bool_param
    title = "result" if final else f"step {parameters['steps_done'].int64_param}"
    print(f"{title}:", *event.as_numpy("classes"))
client.stop_stream()
client.close()  # at the end of the program it may wait forever
