import com.google.protobuf.ByteString;
import inference.GRPCInferenceServiceGrpc;
import inference.GrpcService.InferParameter;
import inference.GrpcService.ModelInferRequest;
import inference.GrpcService.ModelInferRequest.InferInputTensor;
import inference.GrpcService.ModelInferRequest.InferRequestedOutputTensor;
import inference.GrpcService.ModelInferResponse;
import inference.GrpcService.ModelMetadataRequest;
import inference.GrpcService.ModelRepositoryParameter;
import inference.GrpcService.RepositoryModelLoadRequest;
import java.io.FileInputStream;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/** Loads a model, classifies 64 images and follows a run, by the Open Inference Protocol. */
public final class OpenInference {
  /** Arguments: ADDRESS MODEL FILE.spk IMAGES-idx3-ubyte.gz. */
  public static void main(String[] arguments) throws Exception {
    String model = arguments[1];
    var channel = Connection.open(arguments[0]);
    var server = GRPCInferenceServiceGrpc.newBlockingV2Stub(channel)
        .withInterceptors(Connection.headers(model)).withDeadlineAfter(60, TimeUnit.SECONDS);

    var file = ModelRepositoryParameter.newBuilder()
        .setBytesParam(ByteString.copyFrom(Files.readAllBytes(Path.of(arguments[2]))));
    server.repositoryModelLoad(RepositoryModelLoadRequest.newBuilder().setModelName(model)
        .putParameters("file:1/network.spk", file.build()).build());
    var metadata = server.modelMetadata(ModelMetadataRequest.newBuilder().setName(model).build());

    byte[] pixels = new byte[64 * 28 * 28];
    try (var images = new GZIPInputStream(new FileInputStream(arguments[3]))) {
      images.skipNBytes(16); // the header
      images.readNBytes(pixels, 0, pixels.length);
    }
    var input = InferInputTensor.newBuilder().setName(metadata.getInputs(0).getName())
        .setDatatype("UINT8").addAllShape(List.of(64L, 28L, 28L));
    var request = ModelInferRequest.newBuilder().setModelName(model).addInputs(input)
        .addRawInputContents(ByteString.copyFrom(pixels))
        .addOutputs(InferRequestedOutputTensor.newBuilder().setName("classes"))
        .putParameters("steps", number(16));
    Native.print("classes", classes(server.modelInfer(request.build())));

    var stream = server.modelStreamInfer();
    stream.write(request.putParameters("report_every", number(4)).build());
    stream.halfClose();
    for (var event = stream.read(); event != null; event = stream.read()) {
      if (!event.getErrorMessage().isEmpty()) {
        throw new IllegalStateException(event.getErrorMessage());
      }
      var answer = event.getInferResponse();
      var parameters = answer.getParametersMap();
      boolean last = parameters.get("triton_final_response").getBoolParam();
      Native.print(last ? "result" : "step " + parameters.get("steps_done").getInt64Param(), classes(answer));
    }
    channel.shutdownNow();
  }

  private static InferParameter number(long value) {
    return InferParameter.newBuilder().setInt64Param(value).build();
  }

  /** The only output, INT64. */
  private static List<Long> classes(ModelInferResponse answer) {
    var raw = answer.getRawOutputContents(0).asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
    return IntStream.range(0, raw.limit()).mapToObj(raw::get).toList();
  }
}
