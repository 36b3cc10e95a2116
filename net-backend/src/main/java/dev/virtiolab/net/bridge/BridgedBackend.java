package dev.virtiolab.net.bridge;

import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * A NIC's plug in a switch whose other ports are back ends: what makes several wires one for a
 * device, which drives exactly one.
 *
 * <pre>
 *   NIC == plug ==(wire in memory)== port 0
 *                                    port 1 -- first of the others
 *                                    port 2 -- second, and so on
 * </pre>
 *
 * <p>The NIC waits for room in the wire to the switch; the switch waits for nobody. The link is up
 * while the switch runs, whatever the links of the other ports are.
 */
public final class BridgedBackend extends ForwardingBackend {
  /** The port that the NIC is plugged into. */
  public static final int NIC_PORT = 0;

  /** Frames on the wire between NIC and switch, each way. */
  private static final int FRAMES = 256;

  private final BridgeLoop loop;
  private final int maxFrame;
  private final OptionalInt mtu;

  private BridgedBackend(LoopbackBackend plug, BridgeLoop loop, int maxFrame, OptionalInt mtu) {
    super(plug);
    this.loop = loop;
    this.maxFrame = maxFrame;
    this.mtu = mtu;
  }

  /**
   * Joins {@code others} and a NIC.
   *
   * @param others at least one; closed with this back end
   */
  public static BridgedBackend join(List<? extends NetBackend> others) {
    int maxFrame = others.stream().mapToInt(NetBackend::maxFrameLength).max().orElseThrow();
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES, maxFrame);
    List<NetBackend> ports = new ArrayList<>();
    ports.add(wire.right());
    ports.addAll(others);
    OptionalInt mtu = others.stream().map(NetBackend::mtu).flatMapToInt(OptionalInt::stream).min();
    return new BridgedBackend(
        wire.left(), BridgeLoop.start(new LearningBridge(ports)), maxFrame, mtu);
  }

  /** The switch, for its counters: port 0 is the NIC's, the others follow in their order. */
  public LearningBridge bridge() {
    return loop.bridge();
  }

  @Override
  public int maxFrameLength() {
    return maxFrame;
  }

  /** Whether the switch runs. */
  @Override
  public boolean linkUp() {
    return loop.running();
  }

  /** The smallest of the ports': a switch cuts nothing up. */
  @Override
  public OptionalInt mtu() {
    return mtu;
  }

  /** Stops the switch, and closes every back end. */
  @Override
  public void close() {
    try {
      loop.close();
    } finally {
      inner.close();
    }
  }
}
