package dev.virtiolab.pci.function;

import static dev.virtiolab.pci.config.AccessKind.READ_WRITE;
import static dev.virtiolab.pci.config.HeaderLayout.BASE_ADDRESS;
import static dev.virtiolab.pci.config.HeaderLayout.CAPABILITIES_POINTER;
import static dev.virtiolab.pci.config.HeaderLayout.CLASS_CODE;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_BUS_MASTER;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_INTX_DISABLE;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_IO;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_MEMORY;
import static dev.virtiolab.pci.config.HeaderLayout.DEVICE_ID;
import static dev.virtiolab.pci.config.HeaderLayout.HEADER_END;
import static dev.virtiolab.pci.config.HeaderLayout.HEADER_TYPE;
import static dev.virtiolab.pci.config.HeaderLayout.INTERRUPT_PIN;
import static dev.virtiolab.pci.config.HeaderLayout.REVISION_ID;
import static dev.virtiolab.pci.config.HeaderLayout.STATUS;
import static dev.virtiolab.pci.config.HeaderLayout.STATUS_CAPABILITIES;
import static dev.virtiolab.pci.config.HeaderLayout.VENDOR_ID;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.HeaderRules;
import dev.virtiolab.pci.config.RegisterRule;
import dev.virtiolab.pci.config.Type0Layout;
import dev.virtiolab.pci.memory.BusMemory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One PCI function. A device extends it, adds BARs and capabilities in its constructor, and
 * overrides {@link #onReset}.
 *
 * <p>Locking and threads: see the package's description.
 */
public abstract class PciFunction {
  private final FunctionIdentity identity;
  private final HeaderType headerType;
  private final MessageTarget messages;
  private final ConfigSpace config;

  /** Fair: a device takes it for batch after batch, and a register access gets in between two. */
  private final ReentrantLock lock = new ReentrantLock(true);

  private final Intx intx;
  private final Bar[] barsByIndex;
  private final List<Bar> bars = new ArrayList<>();
  private final List<HookedRange> hooks = new ArrayList<>();
  private final List<BusMaster> busMasters = new CopyOnWriteArrayList<>();
  private MsiX msix;
  private boolean isPlugged;
  private PowerManagement power;

  private volatile boolean memoryEnabled;
  private volatile boolean mastering;
  private volatile PciFunction upstream;
  private volatile Runnable decodeListener = () -> {};

  /** Bytes of configuration space that a capability watches over. */
  private record HookedRange(int offset, int bytes, ConfigHook hook) {
    boolean touches(int at, int width) {
      return at < offset + bytes && offset < at + width;
    }
  }

  /** An endpoint of {@code configBytes} bytes of configuration space; see the other constructor. */
  protected PciFunction(
      FunctionIdentity identity, int configBytes, MessageTarget messages, InterruptPin pin) {
    this(identity, HeaderType.ENDPOINT, configBytes, messages, pin);
  }

  /**
   * A function as it comes up: nothing enabled, no BAR, no capability.
   *
   * @param configBytes {@link ConfigSpace#CONVENTIONAL_BYTES} or {@link ConfigSpace#EXPRESS_BYTES}
   * @param messages where MSI-X messages go
   * @param pin the wire of the interrupt pin
   */
  @SuppressWarnings("this-escape") // Intx only keeps the reference.
  protected PciFunction(
      FunctionIdentity identity,
      HeaderType headerType,
      int configBytes,
      MessageTarget messages,
      InterruptPin pin) {
    this.identity = identity;
    this.headerType = headerType;
    this.messages = messages;
    this.config = new ConfigSpace(configBytes);
    this.intx = new Intx(this, pin);
    this.barsByIndex = new Bar[headerType.bars()];
    config.initialize(VENDOR_ID, 2, identity.vendorId());
    config.initialize(DEVICE_ID, 2, identity.deviceId());
    config.initialize(REVISION_ID, 1, identity.revision());
    config.initialize(CLASS_CODE, 1, identity.classCode() & 0xff);
    config.initialize(CLASS_CODE + 1, 2, identity.classCode() >>> 8);
    config.initialize(HEADER_TYPE, 1, headerType.code());
    config.initialize(INTERRUPT_PIN, 1, identity.interruptPin());
    config.declare(HeaderRules.COMMON);
    switch (headerType) {
      case ENDPOINT -> {
        config.initialize(Type0Layout.SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendorId());
        config.initialize(Type0Layout.SUBSYSTEM_ID, 2, identity.subsystemId());
      }
      case BRIDGE -> config.declare(HeaderRules.TYPE_1);
    }
  }

  // ---- what it is

  public final FunctionIdentity identity() {
    return identity;
  }

  public final HeaderType headerType() {
    return headerType;
  }

  /** Its BARs, in the order in which they were added; complete once the function is constructed. */
  public final List<Bar> bars() {
    return Collections.unmodifiableList(bars);
  }

  /** How many MSI-X vectors it has; 0 without that capability. */
  public final int msixVectors() {
    return msix == null ? 0 : msix.vectors();
  }

  /** The lock that serialises register accesses; the device's loop may share it. */
  public final ReentrantLock lock() {
    return lock;
  }

  public final Intx intx() {
    return intx;
  }

  /** The registers themselves; hold {@link #lock()}. */
  protected final ConfigSpace config() {
    return config;
  }

  // ---- building

  /**
   * Adds a base address register.
   *
   * @param index 0 to 5 (a bridge: 0 to 1); a 64-bit BAR needs the next index too
   * @param bytes a power of two: of memory at least 16, and 2 GiB at most if the BAR is 32 bits
   *     wide; of ports 4 to 256
   * @throws IllegalArgumentException if the index is taken or missing, or the size is impossible
   */
  protected final Bar addBar(int index, BarType type, long bytes, BarHandler handler) {
    int last = type.is64() ? index + 1 : index;
    if (index < 0 || last >= barsByIndex.length) {
      throw new IllegalArgumentException("no room for " + type + " at BAR index " + index);
    }
    if (barsByIndex[index] != null || barsByIndex[last] != null) {
      throw new IllegalArgumentException("BAR index " + index + " is taken");
    }
    if (Long.bitCount(bytes) != 1 || bytes < type.leastBytes() || bytes > type.mostBytes()) {
      throw new IllegalArgumentException(
          "a " + type + " BAR cannot have 0x" + Long.toHexString(bytes) + " bytes");
    }
    Bar bar = new Bar(index, type, bytes, handler);
    int offset = BASE_ADDRESS + 4 * index;
    long writable = -bytes;
    config.initialize(offset, 4, type.flags());
    config.declare(new RegisterRule("BAR" + index, offset, 4, READ_WRITE, writable & 0xffff_ffffL));
    if (type.is64()) {
      config.declare(
          new RegisterRule("BAR" + index + " upper", offset + 4, 4, READ_WRITE, writable >>> 32));
    }
    barsByIndex[index] = bar;
    barsByIndex[last] = bar;
    bars.add(bar);
    return bar;
  }

  /**
   * Adds a capability at the head of the list (PCI Local Bus 3.0, 6.7 "Capabilities List"): the one
   * that is added last is found first. Its bytes are read-only until {@link #config()} declares
   * otherwise.
   *
   * @param id what it is
   * @param offset where, from 0x40 on, a multiple of 4
   * @param body what follows the ID and the next pointer
   * @param hook called around accesses to its bytes
   * @throws IllegalArgumentException if it does not fit, or overlaps another one
   */
  protected final void addCapability(int id, int offset, byte[] body, ConfigHook hook) {
    int bytes = 2 + body.length;
    if (offset < HEADER_END
        || offset % 4 != 0
        || offset + bytes > ConfigSpace.CONVENTIONAL_BYTES
        || hooks.stream().anyMatch(other -> other.touches(offset, bytes))) {
      throw new IllegalArgumentException(
          String.format("capability %02x of %d bytes does not fit at %02x", id, bytes, offset));
    }
    config.initialize(offset, 1, id);
    config.initialize(offset + 1, 1, config.load(CAPABILITIES_POINTER, 1));
    for (int i = 0; i < body.length; i++) {
      config.initialize(offset + 2 + i, 1, body[i]);
    }
    config.initialize(CAPABILITIES_POINTER, 1, offset);
    config.initialize(STATUS, 2, config.load(STATUS, 2) | STATUS_CAPABILITIES);
    hooks.add(new HookedRange(offset, bytes, hook));
  }

  /**
   * Adds MSI-X: its capability, and a 32-bit memory BAR that holds nothing but its table and
   * pending bits.
   *
   * @param vectors 1 to 2048
   * @param tableOffset in the BAR, a multiple of 8
   * @param pendingOffset in the BAR, a multiple of 8
   * @throws IllegalArgumentException if that does not fit
   */
  protected final MsiX addMsiX(
      int capabilityOffset,
      int vectors,
      int barIndex,
      long barBytes,
      int tableOffset,
      int pendingOffset) {
    int tableEnd = tableOffset + vectors * MsiXLayout.ENTRY_BYTES;
    int pendingEnd = pendingOffset + (vectors + 63) / 64 * 8;
    boolean apart = tableEnd <= pendingOffset || pendingEnd <= tableOffset;
    if (msix != null
        || vectors < 1
        || vectors > 2048
        || tableOffset < 0
        || pendingOffset < 0
        || ((tableOffset | pendingOffset) & 7) != 0
        || !apart
        || Math.max(tableEnd, pendingEnd) > barBytes) {
      throw new IllegalArgumentException(
          "MSI-X does not fit: vectors="
              + vectors
              + " table="
              + tableOffset
              + " pending="
              + pendingOffset
              + " bar="
              + barBytes);
    }
    MsiX made = new MsiX(this, messages, capabilityOffset, vectors, tableOffset, pendingOffset);
    addBar(barIndex, BarType.MEMORY_32, barBytes, made);
    addCapability(
        MsiXLayout.CAPABILITY_ID,
        capabilityOffset,
        new byte[MsiXLayout.CAPABILITY_BYTES - 2],
        made);
    int control = capabilityOffset + MsiXLayout.MESSAGE_CONTROL;
    config.initialize(control, 2, vectors - 1);
    config.initialize(capabilityOffset + MsiXLayout.TABLE, 4, tableOffset | barIndex);
    config.initialize(capabilityOffset + MsiXLayout.PENDING, 4, pendingOffset | barIndex);
    config.declare(
        new RegisterRule(
            "MSI-X message control",
            control,
            2,
            READ_WRITE,
            MsiXLayout.CONTROL_ENABLE | MsiXLayout.CONTROL_FUNCTION_MASK));
    msix = made;
    return made;
  }

  /** Adds the power management capability: D0 and D3hot. */
  protected final PowerManagement addPowerManagement(int offset, boolean noSoftReset) {
    power = new PowerManagement(this, offset, noSoftReset);
    return power;
  }

  /** Adds the PCI Express capability: an endpoint's with function-level reset, or a root port's. */
  protected final void addExpress(int offset) {
    ExpressCapability.addTo(this, offset, headerType == HeaderType.ENDPOINT);
  }

  /**
   * The function as a master of {@code platform}'s memory. A function may have several, one for
   * each way it is told to see memory.
   */
  protected final BusMaster busMaster(BusMemory platform) {
    BusMaster made = new BusMaster(this, platform);
    busMasters.add(made);
    return made;
  }

  /**
   * Tells {@code listener} of each access of this function that is refused from now on, instead of
   * whom it told before. Any thread.
   */
  public final void observeDmaFaults(DmaFaultObserver listener) {
    for (BusMaster master : busMasters) {
      master.observe(listener);
    }
  }

  // ---- what a device overrides

  /** After the registers went back to where they were; the lock is held. */
  protected void onReset(ResetKind kind) {}

  /**
   * After a write to the registers that gate things: memory enable, bus master enable, power state,
   * here or in the bridge above. The gates already hold their new values; the lock of the function
   * whose registers were written is held.
   */
  protected void onGatesChanged() {}

  // ---- configuration accesses

  /** Reads configuration space as the bus does; see {@link ConfigSpace} for odd accesses. */
  public final long configRead(int offset, int width) {
    lock.lock();
    try {
      if (config.answers(offset, width)) {
        for (HookedRange range : hooks) {
          if (range.touches(offset, width)) {
            range.hook.beforeRead(offset, width);
          }
        }
      }
      return config.read(offset, width);
    } finally {
      lock.unlock();
    }
  }

  /** Writes configuration space as the bus does; what that changes has changed on return. */
  public final void configWrite(int offset, int width, long value) {
    if (!config.answers(offset, width)) {
      return;
    }
    lock.lock();
    try {
      config.write(offset, width, value);
      for (HookedRange range : hooks) {
        if (range.touches(offset, width)) {
          range.hook.afterWrite(offset, width);
        }
      }
      updateGates();
      onConfigWritten(offset, width);
    } finally {
      lock.unlock();
    }
  }

  /** After any configuration write that was answered; the lock is held. For bridges. */
  protected void onConfigWritten(int offset, int width) {}

  /** A copy of the whole configuration space, without the side effects of reading it. */
  public final byte[] configDump() {
    lock.lock();
    try {
      return config.toBytes();
    } finally {
      lock.unlock();
    }
  }

  // ---- BAR accesses

  /**
   * Reads a BAR whether or not it decodes, as a capability that looks into BARs or a server that
   * maps them itself does. A BAR that does not exist reads as all ones.
   *
   * @param index 0 to 5; the upper half of a 64-bit BAR is no BAR of its own
   */
  public final long barRead(int index, long offset, int width) {
    Bar bar = bar(index);
    return bar == null ? ConfigSpace.allOnes(width) : bar.read(offset, width);
  }

  /** Writes likewise; a write to a BAR that does not exist is lost. */
  public final void barWrite(int index, long offset, int width, long value) {
    Bar bar = bar(index);
    if (bar != null) {
      bar.write(offset, width, value);
    }
  }

  private Bar bar(int index) {
    Bar bar = index >= 0 && index < barsByIndex.length ? barsByIndex[index] : null;
    return bar != null && bar.index() == index ? bar : null;
  }

  // ---- gates

  /** Whether the function decodes its memory BARs: Memory Space Enable set, and in D0. */
  public final boolean memoryEnabled() {
    return memoryEnabled;
  }

  /**
   * Whether the function may master the bus: Bus Master Enable set and in D0, here and in each
   * bridge above (PCI-to-PCI Bridge Architecture 1.2, 3.2.5.3 "Command Register"). Volatile reads,
   * no lock.
   */
  public final boolean busMasterEnabled() {
    PciFunction bridge = upstream;
    return mastering && (bridge == null || bridge.busMasterEnabled());
  }

  /** D0 for a function without power management. */
  public final PowerState powerState() {
    return power == null ? PowerState.D0 : power.state();
  }

  /** Under the lock. */
  boolean mayAssertIntx() {
    return (config.load(COMMAND, 2) & COMMAND_INTX_DISABLE) == 0
        && (msix == null || !msix.enabled())
        && powerState() == PowerState.D0;
  }

  /** Under the lock: makes what the registers say take effect, wherever it differs. */
  private void updateGates() {
    long command = config.load(COMMAND, 2);
    boolean powered = powerState() == PowerState.D0;
    boolean memory = powered && (command & COMMAND_MEMORY) != 0;
    boolean ports = powered && (command & COMMAND_IO) != 0;
    boolean master = powered && (command & COMMAND_BUS_MASTER) != 0;
    boolean changed = memory != memoryEnabled || master != mastering;
    memoryEnabled = memory;
    if (master != mastering) {
      mastering = master;
      busMasterGateMoved();
    }
    boolean moved = false;
    for (Bar bar : bars) {
      boolean enabled = bar.type().isIo() ? ports : memory;
      moved |= bar.decodeAt(enabled ? addressOf(bar) : Bar.UNMAPPED);
    }
    intx.update();
    if (moved) {
      decodeChanged();
    }
    if (changed) {
      onGatesChanged();
    }
  }

  private long addressOf(Bar bar) {
    int offset = BASE_ADDRESS + 4 * bar.index();
    return config.load(offset, bar.type().is64() ? 8 : 4) & ~bar.type().flagBits();
  }

  /** What this function's masters resolved before may no longer hold. */
  private void busMasterGateMoved() {
    for (BusMaster master : busMasters) {
      master.generation().advance();
    }
  }

  /** The bus master enable of the bridge above changed. Takes no lock. */
  public final void upstreamGateMoved() {
    busMasterGateMoved();
    onGatesChanged();
  }

  // ---- for the bus it is plugged into

  /** Tells the bus above that addresses may be decoded elsewhere; hold {@link #lock()}. */
  protected final void decodeChanged() {
    decodeListener.run();
  }

  /**
   * Plugs the function in.
   *
   * @param bridge whose enables gate this function too; null on a root bus
   * @param onDecodeChange called, with this function's lock held, after a BAR moved
   * @throws IllegalStateException if it is plugged in already
   */
  public final void plugged(PciFunction bridge, Runnable onDecodeChange) {
    lock.lock();
    try {
      if (isPlugged) {
        throw new IllegalStateException(identity + " is plugged in already");
      }
      isPlugged = true;
      upstream = bridge;
      decodeListener = onDecodeChange;
    } finally {
      lock.unlock();
    }
  }

  /** Puts every register back to where it came up, then lets the device do so too. */
  public final void reset(ResetKind kind) {
    lock.lock();
    try {
      config.reset();
      if (power != null) {
        power.reset();
      }
      if (msix != null) {
        msix.reset();
      }
      intx.reset();
      updateGates();
      onReset(kind);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public String toString() {
    return identity.toString();
  }
}
