package dev.virtiolab.pci.host;

import static dev.virtiolab.pci.config.Type1Layout.BRIDGE_CONTROL;
import static dev.virtiolab.pci.config.Type1Layout.BRIDGE_CONTROL_SECONDARY_BUS_RESET;
import static dev.virtiolab.pci.config.Type1Layout.MEMORY_BASE;
import static dev.virtiolab.pci.config.Type1Layout.MEMORY_LIMIT;
import static dev.virtiolab.pci.config.Type1Layout.PREFETCHABLE_64;
import static dev.virtiolab.pci.config.Type1Layout.PREFETCHABLE_BASE;
import static dev.virtiolab.pci.config.Type1Layout.PREFETCHABLE_BASE_UPPER;
import static dev.virtiolab.pci.config.Type1Layout.PREFETCHABLE_LIMIT;
import static dev.virtiolab.pci.config.Type1Layout.PREFETCHABLE_LIMIT_UPPER;
import static dev.virtiolab.pci.config.Type1Layout.SECONDARY_BUS;
import static dev.virtiolab.pci.config.Type1Layout.SUBORDINATE_BUS;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.function.FunctionIdentity;
import dev.virtiolab.pci.function.HeaderType;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.pci.function.ResetKind;

/**
 * A PCI Express root port: a bridge with one slot behind it, 1b36:000c as QEMU's {@code
 * pcie-root-port}.
 *
 * <p>Memory accesses go down while Memory Space Enable is set and the address is in the memory or
 * the prefetchable window; accesses and messages of the device go up while Bus Master Enable is
 * set. Both windows come up closed, base above limit. The slot can neither be hot-plugged nor
 * powered; I/O is not forwarded.
 *
 * <p>While Secondary Bus Reset is set, nothing behind the port answers; setting it resets the
 * device.
 */
public final class RootPort extends PciFunction {
  private static final FunctionIdentity IDENTITY =
      new FunctionIdentity(0x1b36, 0x000c, 0, 0x060400, 0, 0, 1);
  private static final int EXPRESS_CAPABILITY = 0x40;
  private static final long MEBIBYTE = 1 << 20;

  private final PciBus secondary = new PciBus(this, 1, this::decodeChanged);
  private volatile Forwarding forwarding = Forwarding.NOTHING;

  /** What the registers let through, as one immutable value for readers without the lock. */
  private record Forwarding(
      int secondaryBus,
      int subordinateBus,
      boolean inReset,
      long memoryBase,
      long memoryLast,
      long prefetchableBase,
      long prefetchableLast) {
    static final Forwarding NOTHING = new Forwarding(0, 0, false, 1, 0, 1, 0);
  }

  /** A port with nothing in its slot. */
  public RootPort() {
    super(
        IDENTITY,
        HeaderType.BRIDGE,
        ConfigSpace.EXPRESS_BYTES,
        (address, data) -> {},
        InterruptPin.UNCONNECTED);
    ConfigSpace config = config();
    config.initialize(MEMORY_BASE, 2, 0xfff0);
    config.initialize(PREFETCHABLE_BASE, 2, 0xfff0 | PREFETCHABLE_64);
    config.initialize(PREFETCHABLE_LIMIT, 2, PREFETCHABLE_64);
    addExpress(EXPRESS_CAPABILITY);
  }

  /** The bus behind the port, with one slot: device 0. */
  public PciBus secondary() {
    return secondary;
  }

  /** Number of the bus behind the port; 0 until the firmware has given it one. */
  public int secondaryBus() {
    return forwarding.secondaryBus;
  }

  /** Whether configuration accesses to {@code bus} pass the port. */
  boolean leadsTo(int bus) {
    Forwarding now = forwarding;
    return !now.inReset && bus > 0 && bus >= now.secondaryBus && bus <= now.subordinateBus;
  }

  /** Whether memory accesses to the whole of {@code [first, last]} pass the port. */
  boolean forwards(long first, long last) {
    Forwarding now = forwarding;
    return memoryEnabled()
        && !now.inReset
        && (first >= now.memoryBase && last <= now.memoryLast
            || first >= now.prefetchableBase && last <= now.prefetchableLast);
  }

  @Override
  protected void onGatesChanged() {
    PciFunction device = secondary.device(0);
    if (device != null) {
      device.upstreamGateMoved();
    }
    decodeChanged();
  }

  @Override
  protected void onConfigWritten(int offset, int width) {
    forwardAsWritten();
  }

  @Override
  protected void onReset(ResetKind kind) {
    forwardAsWritten();
    resetSecondary(kind == ResetKind.POWER_ON ? kind : ResetKind.BUS);
  }

  private void forwardAsWritten() {
    ConfigSpace config = config();
    Forwarding before = forwarding;
    boolean reset = (config.load(BRIDGE_CONTROL, 2) & BRIDGE_CONTROL_SECONDARY_BUS_RESET) != 0;
    Forwarding after =
        new Forwarding(
            (int) config.load(SECONDARY_BUS, 1),
            (int) config.load(SUBORDINATE_BUS, 1),
            reset,
            config.load(MEMORY_BASE, 2) >>> 4 << 20,
            lastOf(config.load(MEMORY_LIMIT, 2) >>> 4 << 20),
            prefetchable(config, PREFETCHABLE_BASE, PREFETCHABLE_BASE_UPPER),
            lastOf(prefetchable(config, PREFETCHABLE_LIMIT, PREFETCHABLE_LIMIT_UPPER)));
    if (after.equals(before)) {
      return;
    }
    forwarding = after;
    if (reset && !before.inReset) {
      resetSecondary(ResetKind.BUS);
    }
    decodeChanged();
  }

  private static long prefetchable(ConfigSpace config, int low, int upper) {
    return config.load(upper, 4) << 32 | config.load(low, 2) >>> 4 << 20;
  }

  /** A limit register names the last mebibyte of its window. */
  private static long lastOf(long limit) {
    return limit + MEBIBYTE - 1;
  }

  private void resetSecondary(ResetKind kind) {
    PciFunction device = secondary.device(0);
    if (device != null) {
      device.reset(kind);
    }
  }
}
