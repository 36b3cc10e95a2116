package dev.virtiolab.lab.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.net.SinkBackend;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.net.NetFeatures;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a served NIC offers is what it was told to. */
class ServedFeaturesTest {
  private static final int GET_FEATURES = 1;
  private static final int VERSION = 1;

  @TempDir private Path folder;

  /** By vhost-user: 64 bits, of which the tunnels' are none. */
  private long offered(Features features) throws IOException {
    String socket = folder.resolve("nic").toString();
    ServeConfig config =
        new ServeConfig(socket, MacAddress.parse("52:54:00:12:34:56"), OptionalInt.empty(), false)
            .withFeatures(features);
    try (SinkBackend wire = new SinkBackend();
        Service service = VhostUserService.open(config, List.of(wire), false);
        SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      ByteBuffer request = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
      client.write(request.putInt(GET_FEATURES).putInt(VERSION).putInt(0).flip());
      ByteBuffer reply = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
      while (reply.hasRemaining()) {
        assertTrue(client.read(reply) > 0, "the server has hung up");
      }
      assertEquals(8, reply.getInt(8));
      assertEquals(features.high(), service.nic().offeredFeatures().high());
      return reply.getLong(12);
    }
  }

  @Test
  void featuresAreThoseAskedFor() throws IOException {
    long usual = offered(NetFeatures.USUAL);
    assertTrue(FeatureBits.has(usual, FeatureBits.VIRTIO_NET_F_HOST_USO));
    long fewer =
        FeatureBits.VIRTIO_NET_F_MRG_RXBUF
            | FeatureBits.VIRTIO_NET_F_CSUM // and what needs it
            | FeatureBits.VIRTIO_NET_F_HOST_TSO4
            | FeatureBits.VIRTIO_NET_F_HOST_TSO6
            | FeatureBits.VIRTIO_NET_F_HOST_ECN
            | FeatureBits.VIRTIO_NET_F_HOST_UFO
            | FeatureBits.VIRTIO_NET_F_HOST_USO;
    Features without =
        NetFeatures.USUAL
            .without(FeatureBits.VIRTIO_NET_F_MRG_RXBUF)
            .without(FeatureBits.VIRTIO_NET_F_CSUM);
    assertEquals(usual & ~fewer, offered(NetFeatures.consistent(without)));
    Features withoutTunnels = Features.of(NetFeatures.USUAL.low());
    assertEquals(usual, offered(withoutTunnels));
  }
}
