package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.pci.fixture.PortsFunction;
import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.posix.UnixListener;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A region that is I/O ports; its client learns that from the BAR's register. */
class PortRegionTest {
  @TempDir Path folder;

  @Test
  void portsAreReadAndWrittenAsABusWould() {
    PortsFunction function = new PortsFunction();
    String path = folder.resolve("socket").toString();
    try (VfioUserServer server =
            VfioUserServer.start(
                UnixListener.listen(path),
                function,
                new ClientMemory(false),
                new ClientInterrupts());
        VfioUserClient client = VfioUserClient.open(path)) {
      assertEquals(PortsFunction.PORTS, client.regionInfo(0).u64(16));
      assertEquals(3, client.regionInfo(0).u32(4), "readable, writable");
      assertEquals(1, client.readLe(7, 0x10, 4), "an I/O BAR");

      // Whether or not the function decodes: that is the client's to say.
      assertEquals(0x12, client.readLe(0, 0x12, 1));
      assertEquals(0x0c_0000_0008L, client.readLe(0, 8, 8), "no bus has ports of 8 bytes");
      client.write(0, 0x13, (byte) 1, (byte) 2, (byte) 3);
      assertEquals(
          List.of("io r 12/1", "io r 08/4", "io r 0c/4", "io w 13/1=1", "io w 14/2=302"),
          function.accesses());
      assertEquals(0, server.counters().refused());
    }
  }
}
