// Loads a network, classifies 64 images and follows a run, by spikeserve's own protocol.
//   node native.mjs ADDRESS NETWORK FILE.spk IMAGES-idx3-ubyte.gz
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { call, connect, metadata } from "./connection.mjs";

const [address, network, file, images] = process.argv.slice(2);
const networks = connect(address, "spikeserve/v1/network.proto", "spikeserve.v1.NetworkService");
const simulations = connect(address, "spikeserve/v1/simulation.proto", "spikeserve.v1.SimulationService");

const spk = readFileSync(file);
const loaded = await new Promise((resolve, reject) => {
  const upload = networks.LoadNetwork(metadata(network), (error, answer) => (error ? reject(error) : resolve(answer)));
  const sha256 = createHash("sha256").update(spk).digest();
  upload.write({ header: { name: network, total_bytes: spk.length, sha256 } });
  for (let at = 0; at < spk.length; at += 1 << 20) upload.write({ chunk: spk.subarray(at, at + (1 << 20)) });
  upload.end();
});
console.log(`loaded: ${loaded.network.name} version ${loaded.network.version}`);

const data = gunzipSync(readFileSync(images)).subarray(16, 16 + 64 * 28 * 28); // behind the header
const inputs = [{ data_type: "DATA_TYPE_UINT8", shape: [64, 28, 28], data }];
const request = { network, steps: 16, inputs };
const result = await call(simulations, "Simulate", request, metadata(network));
console.log("classes:", ...result.classification.classes);

for await (const event of simulations.SimulateStream({ request, report_every: 4 }, metadata(network))) {
  const { progress, result } = event;
  if (progress) console.log(`step ${progress.steps_done}:`, ...progress.classification.classes);
  else console.log("result:", ...result.classification.classes);
}
