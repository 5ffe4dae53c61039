// How to connect: options that every client of a spikeserve server wants, and calls as promises.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { SPIKESERVE_TOKEN: token, SPIKESERVE_CA: ca, SPIKESERVE_CERT: cert, SPIKESERVE_KEY: key } = process.env;

const options = {
  "grpc.max_receive_message_length": 72 << 20, // 4 MB unless it is told; the server answers with up to 64
  "grpc.max_send_message_length": 72 << 20,
  "grpc.keepalive_time_ms": 30000, // the server ends connections that ask more often than every 10 s
  "grpc.service_config": readFileSync(here("../service-config.json"), "utf8"),
};

// A client for a service of a .proto file, as connect("localhost:8001", "spikeserve/v1/network.proto",
// "spikeserve.v1.NetworkService"). A file with root certificates in SPIKESERVE_CA switches TLS on.
export function connect(address, proto, service) {
  const definition = protoLoader.loadSync(proto, {
    includeDirs: [here("../../../../proto")],
    keepCase: true,
    longs: Number, // int64 as numbers, exact up to 2^53
    enums: String,
    oneofs: true,
  });
  const read = (path) => (path ? readFileSync(path) : null);
  const credentials = ca ? grpc.credentials.createSsl(read(ca), read(key), read(cert)) : grpc.credentials.createInsecure();
  const name = service.split(".");
  const Client = name.reduce((at, part) => at[part], grpc.loadPackageDefinition(definition));
  return new Client(address, credentials, options);
}

// What a call carries: the token, and the network by name, so that a balancer can route by it.
export function metadata(network) {
  const carried = new grpc.Metadata();
  carried.set("spikeserve-network", network);
  if (token) carried.set("authorization", `Bearer ${token}`);
  return carried;
}

// Calls a unary method, for as long as 60 s; without a deadline a call waits forever.
export function call(client, method, request, carried) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 60000;
    client[method](request, carried, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}
