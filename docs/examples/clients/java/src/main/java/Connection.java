import com.google.gson.Gson;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** How to connect: what every client of a spikeserve server wants. */
final class Connection {
  private Connection() {}

  /** A channel to HOST:PORT, dns:///HOST:PORT or unix:///PATH. */
  @SuppressWarnings("unchecked")
  static ManagedChannel open(String address) throws IOException {
    try (var config = new InputStreamReader(Connection.class.getResourceAsStream("/service-config.json"))) {
      return Grpc.newChannelBuilder(address, credentials())
          .maxInboundMessageSize(72 << 20) // 4 MB unless it is told; the server answers with up to 64
          .keepAliveTime(30, TimeUnit.SECONDS) // the server ends connections that ask more than every 10 s
          .defaultServiceConfig(new Gson().fromJson(config, Map.class))
          .build();
    }
  }

  /** A file with root certificates in SPIKESERVE_CA switches TLS on. */
  private static ChannelCredentials credentials() throws IOException {
    String ca = System.getenv("SPIKESERVE_CA");
    String certificate = System.getenv("SPIKESERVE_CERT");
    if (ca == null) {
      return InsecureChannelCredentials.create();
    }
    var tls = TlsChannelCredentials.newBuilder().trustManager(new File(ca));
    if (certificate != null) {
      tls.keyManager(new File(certificate), new File(System.getenv("SPIKESERVE_KEY")));
    }
    return tls.build();
  }

  /** What calls carry: the token, and the network by name, so that a balancer can route by it. */
  static ClientInterceptor headers(String network) {
    var headers = new Metadata();
    headers.put(Metadata.Key.of("spikeserve-network", Metadata.ASCII_STRING_MARSHALLER), network);
    String token = System.getenv("SPIKESERVE_TOKEN");
    if (token != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }
    return MetadataUtils.newAttachHeadersInterceptor(headers);
  }
}
