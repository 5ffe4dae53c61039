import com.google.protobuf.ByteString;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import spikeserve.v1.Network.DataType;
import spikeserve.v1.Network.LoadNetworkHeader;
import spikeserve.v1.Network.LoadNetworkRequest;
import spikeserve.v1.NetworkServiceGrpc;
import spikeserve.v1.Simulation.Array;
import spikeserve.v1.Simulation.SimulateRequest;
import spikeserve.v1.Simulation.SimulateStreamRequest;
import spikeserve.v1.SimulationServiceGrpc;

/** Loads a network, classifies 64 images and follows a run, by spikeserve's own protocol. */
public final class Native {
  /** Arguments: ADDRESS NETWORK FILE.spk IMAGES-idx3-ubyte.gz. */
  public static void main(String[] arguments) throws Exception {
    String network = arguments[1];
    var channel = Connection.open(arguments[0]);
    var headers = Connection.headers(network);
    var networks = NetworkServiceGrpc.newBlockingV2Stub(channel).withInterceptors(headers);
    var simulations = SimulationServiceGrpc.newBlockingV2Stub(channel).withInterceptors(headers);

    byte[] spk = Files.readAllBytes(Path.of(arguments[2]));
    var sha256 = ByteString.copyFrom(MessageDigest.getInstance("SHA-256").digest(spk));
    var header = LoadNetworkHeader.newBuilder().setName(network).setTotalBytes(spk.length).setSha256(sha256);
    var upload = networks.withDeadlineAfter(600, TimeUnit.SECONDS).loadNetwork();
    upload.write(LoadNetworkRequest.newBuilder().setHeader(header).build());
    for (int at = 0; at < spk.length; at += 1 << 20) {
      var chunk = ByteString.copyFrom(spk, at, Math.min(1 << 20, spk.length - at));
      upload.write(LoadNetworkRequest.newBuilder().setChunk(chunk).build());
    }
    upload.halfClose();
    System.out.println("loaded: " + network + " version " + upload.read().getNetwork().getVersion());

    byte[] pixels = new byte[64 * 28 * 28];
    try (var images = new GZIPInputStream(new FileInputStream(arguments[3]))) {
      images.skipNBytes(16); // the header
      images.readNBytes(pixels, 0, pixels.length);
    }
    var input = Array.newBuilder().setDataType(DataType.DATA_TYPE_UINT8)
        .addAllShape(List.of(64L, 28L, 28L)).setData(ByteString.copyFrom(pixels));
    var request = SimulateRequest.newBuilder().setNetwork(network).setSteps(16).addInputs(input).build();
    var result = simulations.withDeadlineAfter(60, TimeUnit.SECONDS).simulate(request);
    print("classes", result.getClassification().getClassesList());

    var run = SimulateStreamRequest.newBuilder().setRequest(request).setReportEvery(4).build();
    var events = simulations.withDeadlineAfter(60, TimeUnit.SECONDS).simulateStream(run);
    for (var event = events.read(); event != null; event = events.read()) {
      if (event.hasProgress()) {
        var progress = event.getProgress();
        print("step " + progress.getStepsDone(), progress.getClassification().getClassesList());
      } else {
        print("result", event.getResult().getClassification().getClassesList());
      }
    }
    channel.shutdownNow();
  }

  static void print(String what, List<Long> classes) {
    System.out.println(what + ": " + String.join(" ", classes.stream().map(String::valueOf).toList()));
  }
}
