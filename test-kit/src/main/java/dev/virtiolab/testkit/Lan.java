package dev.virtiolab.testkit;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.bridge.BridgeLoop;
import dev.virtiolab.net.bridge.LearningBridge;
import java.util.ArrayList;
import java.util.List;

/** The switch of one lab: a port for the test, and one for each guest that has nothing else. */
final class Lan implements AutoCloseable {
  static final int ETHERNET_MTU = 1500;

  /** Header, and a VLAN tag. */
  private static final int OVERHEAD_BYTES = 18;

  /**
   * Frames that fit between a port and the switch, each way: a thread that gets no processor for a
   * second costs a test no frame that comes each millisecond.
   */
  private static final int FRAMES = 1024;

  /** Stands for a port of whichever lab the guest is in: known by being this one. */
  static final Wiring WIRING =
      guest -> {
        throw new IllegalStateException("only a lab plugs " + guest.name() + " into its switch");
      };

  private final int maxFrame;
  private final List<NetBackend> far = new ArrayList<>();
  private final List<NetBackend> near = new ArrayList<>();
  private final TestPort testPort;
  private BridgeLoop loop;

  /**
   * @param mtu the largest of the guests', in bytes
   */
  Lan(int mtu) {
    maxFrame = Math.max(mtu, ETHERNET_MTU) + OVERHEAD_BYTES;
    testPort = new TestPort(plug());
  }

  /** The near end of one more port; before {@link #start}. Whoever has it may close it, too. */
  NetBackend plug() {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES, maxFrame);
    far.add(wire.right());
    near.add(wire.left());
    return wire.left();
  }

  void start() {
    loop = BridgeLoop.start(new LearningBridge(far));
  }

  TestPort testPort() {
    return testPort;
  }

  /** Stops the switch; nobody may be using its ports. */
  @Override
  public void close() {
    testPort.close();
    near.forEach(NetBackend::close);
    if (loop != null) {
      loop.close();
    } else {
      far.forEach(NetBackend::close);
    }
  }
}
