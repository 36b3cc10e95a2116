package dev.virtiolab.testkit;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Boots a guest before each test and switches it off afterwards. The test holds the far end of the
 * guest's wire, which is in memory: neither privilege nor network is needed.
 *
 * <pre>{@code
 * @RegisterExtension
 * final GuestExtension guest =
 *     new GuestExtension(MachineConfig.of(PlatformKind.SEV), Ipv4Address.parse("192.0.2.2"));
 * }</pre>
 */
public final class GuestExtension implements BeforeEachCallback, AfterEachCallback {
  private static final int FRAMES_ON_THE_WIRE = 256;
  private static final int LARGEST_FRAME = 1514;

  private final MachineConfig config;
  private final Ipv4Address address;
  private LoopbackBackend.Pair wire;
  private Machine machine;

  /**
   * @param address what the guest answers to
   */
  public GuestExtension(MachineConfig config, Ipv4Address address) {
    this.config = config;
    this.address = address;
  }

  /** The running machine; during a test. */
  public Machine machine() {
    if (machine == null) {
      throw new IllegalStateException("no test is running");
    }
    return machine;
  }

  /** The far end of the guest's wire; during a test. What is committed here the guest receives. */
  public NetBackend wire() {
    if (wire == null) {
      throw new IllegalStateException("no test is running");
    }
    return wire.right();
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    machine = Machine.start(config, wire.left(), address);
  }

  @Override
  public void afterEach(ExtensionContext context) {
    if (machine != null) {
      machine.close();
      machine = null;
    }
    if (wire != null) {
      wire.left().close();
      wire.right().close();
      wire = null;
    }
  }
}
