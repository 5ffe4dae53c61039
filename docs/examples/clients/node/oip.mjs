// Loads a model, classifies 64 images and follows a run, by the Open Inference Protocol.
//   node oip.mjs ADDRESS MODEL FILE.spk IMAGES-idx3-ubyte.gz
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { call, connect, metadata } from "./connection.mjs";

const [address, model, file, images] = process.argv.slice(2);
const server = connect(address, "inference/grpc_service.proto", "inference.GRPCInferenceService");

const parameters = { "file:1/network.spk": { bytes_param: readFileSync(file) } };
await call(server, "RepositoryModelLoad", { model_name: model, parameters }, metadata(model));
const { inputs: [input] } = await call(server, "ModelMetadata", { name: model }, metadata(model));

const pixels = gunzipSync(readFileSync(images)).subarray(16, 16 + 64 * 28 * 28); // behind the header
const request = {
  model_name: model,
  inputs: [{ name: input.name, datatype: "UINT8", shape: [64, 28, 28] }],
  raw_input_contents: [pixels],
  outputs: [{ name: "classes" }],
  parameters: { steps: { int64_param: 16 } },
};
const classes = (answer) => {
  const raw = answer.raw_output_contents[0]; // INT64, little-endian
  return Array.from({ length: raw.length / 8 }, (_, i) => Number(raw.readBigInt64LE(8 * i)));
};
console.log("classes:", ...classes(await call(server, "ModelInfer", request, metadata(model))));

const stream = server.ModelStreamInfer(metadata(model));
stream.write({ ...request, parameters: { ...request.parameters, report_every: { int64_param: 4 } } });
stream.end();
for await (const { error_message: error, infer_response: answer } of stream) {
  if (error) throw new Error(error);
  const final = answer.parameters.triton_final_response.bool_param;
  const step = final ? "result" : `step ${answer.parameters.steps_done.int64_param}`;
  console.log(`${step}:`, ...classes(answer));
}
