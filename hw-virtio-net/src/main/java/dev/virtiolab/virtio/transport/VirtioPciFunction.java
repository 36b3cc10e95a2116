package dev.virtiolab.virtio.transport;

import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.PCI_CFG_DATA;
import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.VIRTIO_PCI_CAP_COMMON_CFG;
import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.VIRTIO_PCI_CAP_DEVICE_CFG;
import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.VIRTIO_PCI_CAP_ISR_CFG;
import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.VIRTIO_PCI_CAP_NOTIFY_CFG;
import static dev.virtiolab.virtio.transport.VirtioPciCapLayout.VIRTIO_PCI_CAP_PCI_CFG;

import dev.virtiolab.pci.config.AccessKind;
import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.RegisterRule;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.function.BarType;
import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.function.ConfigHook;
import dev.virtiolab.pci.function.FunctionIdentity;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.MessageTarget;
import dev.virtiolab.pci.function.MsiX;
import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A virtio device as a PCI function (virtio v1.4, 4.1 "Virtio Over PCI Bus"), as QEMU presents it:
 * MSI-X in BAR 1, the four structures of the package's picture in BAR 4, and the legacy interface,
 * if it has one, in BAR 0. Where it differs from QEMU, docs/adr/0002-where-we-differ-from-qemu.md
 * says why.
 *
 * <p>An access to BAR 4 is taken apart into naturally aligned ones of at most 4 bytes, lowest
 * first. The function's lock is the device's: registers and batches of frames exclude each other.
 * Only the notify structure takes none.
 */
public final class VirtioPciFunction extends PciFunction {
  /** The BAR that holds the virtio structures. */
  public static final int REGISTER_BAR = 4;

  /** The BAR that holds the legacy interface. */
  public static final int LEGACY_BAR = 0;

  private static final int VENDOR_ID = 0x1af4;
  private static final int FIRST_DEVICE_ID = 0x1040;
  private static final int REVISION = 1;

  /** QEMU's: "reflect the vendor of the environment" (4.1.2.1). */
  private static final int SUBSYSTEM_VENDOR_ID = 0x1af4;

  private static final int SUBSYSTEM_ID = 0x1100;
  private static final int INTA = 1;

  // BAR 4
  static final long COMMON_OFFSET = 0x0000;
  private static final long STATUS_OFFSET = COMMON_OFFSET + CommonConfigLayout.DEVICE_STATUS;
  static final long ISR_OFFSET = 0x1000;
  static final long DEVICE_OFFSET = 0x2000;
  static final long NOTIFY_OFFSET = 0x3000;
  private static final int STRUCTURE_BYTES = 0x1000;
  private static final long REGISTER_BAR_BYTES = 0x4000;
  private static final int NOTIFY_OFF_MULTIPLIER = 4;

  // BAR 1
  private static final int MSIX_BAR = 1;
  private static final long MSIX_BAR_BYTES = 0x1000;
  private static final int MSIX_PENDING_OFFSET = 0x800;

  // ISR status (4.1.4.5 "ISR status capability")
  private static final int ISR_QUEUE = 1;

  /**
   * QEMU sets the queue bit with it: a driver then looks at its queues too, which does no harm, and
   * a driver that shares the line and looks at one bit only is not surprised.
   */
  private static final int ISR_CONFIG = 2 | ISR_QUEUE;

  private final VirtioDevice device;
  private final DeviceMemory memory;
  private final CommonConfig common;
  private final MsiX msix;
  private final DeviceKind kind;
  private final boolean express;
  private int isr;

  private VirtioPciFunction(
      DeviceKind kind,
      VirtioDevice device,
      boolean express,
      BusMemory platform,
      BusMemory physical,
      MessageTarget messages,
      InterruptPin pin) {
    super(
        identity(kind, device),
        express ? ConfigSpace.EXPRESS_BYTES : ConfigSpace.CONVENTIONAL_BYTES,
        messages,
        pin);
    if (kind.isLegacy() && device.offeredFeatures().has(FeatureBits.VIRTIO_F_ACCESS_PLATFORM)) {
      throw new IllegalArgumentException(
          "VIRTIO_F_ACCESS_PLATFORM with a legacy interface, which has no such bit");
    }
    if (express && !kind.isModern()) {
      throw new IllegalArgumentException("a legacy device is no PCI Express function");
    }
    this.device = device;
    this.kind = kind;
    this.express = express;
    memory = new DeviceMemory(busMaster(platform), busMaster(physical));
    // One for each queue, and one for the configuration: what QEMU gives it, too.
    int vectors = device.queues() + 1;
    common = new CommonConfig(device, new RegisterEffects(), vectors);
    int next = 0x40;
    if (express) {
      addExpress(0x40);
      addPowerManagement(0x7c, false);
      next = 0x84;
    }
    if (kind.isModern()) {
      next = addStructure(next, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET);
      next = addStructure(next, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET);
      next = addStructure(next, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFFSET);
      next = addStructure(next, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET);
      next = addWindow(next);
    }
    if (kind.isLegacy()) {
      addBar(
          LEGACY_BAR,
          BarType.IO,
          LegacyRegisters.barBytes(device.configBytes()),
          new LegacyRegisters(common, new LegacyPorts()));
    }
    msix = addMsiX(next, vectors, MSIX_BAR, MSIX_BAR_BYTES, 0, MSIX_PENDING_OFFSET);
    if (kind.isModern()) {
      addBar(
          REGISTER_BAR,
          BarType.MEMORY_64_PREFETCHABLE,
          REGISTER_BAR_BYTES,
          new RegisterBarHandler());
    }
    device.plugIn(new Transport());
  }

  /**
   * "Transitional devices MUST have a PCI Revision ID of 0" and their Subsystem Device ID is the
   * Virtio Device ID (4.1.2.3 "Legacy Interfaces: A Note on PCI Device Discovery").
   */
  private static FunctionIdentity identity(DeviceKind kind, VirtioDevice device) {
    boolean legacy = kind.isLegacy();
    return new FunctionIdentity(
        VENDOR_ID,
        legacy ? device.legacy().pciDeviceId() : FIRST_DEVICE_ID + device.deviceId(),
        legacy ? 0 : REVISION,
        device.pciClass(),
        SUBSYSTEM_VENDOR_ID,
        legacy ? device.deviceId() : SUBSYSTEM_ID,
        INTA);
  }

  /**
   * The function for a conventional root bus: 256 bytes of configuration space.
   *
   * @param device what it is; plugged in here, once
   * @param platform memory as VIRTIO_F_ACCESS_PLATFORM has the device see it: through the
   *     platform's translation
   * @param physical memory as the device sees it without that feature: by physical address; of the
   *     same memory, with the same generation
   * @param messages where MSI-X messages go
   * @param pin the wire of INTA#
   * @throws IllegalArgumentException if the two views are not of one memory
   */
  public static VirtioPciFunction conventional(
      VirtioDevice device,
      BusMemory platform,
      BusMemory physical,
      MessageTarget messages,
      InterruptPin pin) {
    return of(DeviceKind.MODERN, false, device, platform, physical, messages, pin);
  }

  /**
   * The function for a slot behind a root port: with the PCI Express capability, function-level
   * reset and power management. Otherwise as {@link #conventional}.
   */
  public static VirtioPciFunction express(
      VirtioDevice device,
      BusMemory platform,
      BusMemory physical,
      MessageTarget messages,
      InterruptPin pin) {
    return of(DeviceKind.MODERN, true, device, platform, physical, messages, pin);
  }

  /**
   * Either of the two, of any kind. Where there is a legacy interface, {@code platform} is never
   * asked.
   *
   * @param kind which interfaces it has; a legacy device is a conventional function
   * @param express whether it is for a slot behind a root port
   * @throws IllegalArgumentException if there cannot be such a function: a legacy interface with
   *     VIRTIO_F_ACCESS_PLATFORM offered, or a legacy device as a PCI Express function; otherwise
   *     as {@link #conventional}
   */
  public static VirtioPciFunction of(
      DeviceKind kind,
      boolean express,
      VirtioDevice device,
      BusMemory platform,
      BusMemory physical,
      MessageTarget messages,
      InterruptPin pin) {
    return new VirtioPciFunction(kind, device, express, platform, physical, messages, pin);
  }

  /** Which interfaces it has. */
  public DeviceKind kind() {
    return kind;
  }

  /** Whether this is the function for a slot behind a root port. */
  public boolean isExpress() {
    return express;
  }

  /** The device status field, as the driver would read it; any thread. */
  public int deviceStatus() {
    lock().lock();
    try {
      return common.status().bits();
    } finally {
      lock().unlock();
    }
  }

  /** The features that hold, none before FEATURES_OK; any thread. */
  public Features negotiatedFeatures() {
    lock().lock();
    try {
      return common.negotiation().negotiated();
    } finally {
      lock().unlock();
    }
  }

  /**
   * What the driver told the device about a queue, as it stands now; any thread. Looking changes
   * nothing: {@code queue_select} stays where the driver left it.
   *
   * @param queue 0 to the number of the device's queues, exclusive
   * @throws IndexOutOfBoundsException if the device has no such queue
   */
  public QueueAddresses queueAddresses(int queue) {
    lock().lock();
    try {
      return common.queueAddresses(queue);
    } finally {
      lock().unlock();
    }
  }

  /**
   * The way by which the device itself reaches memory now: what is read or written by it goes where
   * the device's own access would go, is refused and counted like one, and fills the same caches.
   * Through the platform where VIRTIO_F_ACCESS_PLATFORM holds, by physical address else; so ask
   * again after a reset and after a negotiation. Any thread, each with windows of its own.
   */
  public BusMaster deviceMemory() {
    lock().lock();
    try {
      return memory.chosen();
    } finally {
      lock().unlock();
    }
  }

  /** How many queues there are, for a driver that has written what this one has. */
  int queues() {
    return device.queues(common.negotiation().wanted());
  }

  /** Bytes of the device-specific configuration. */
  int configBytes() {
    return device.configBytes();
  }

  /** The device's MSI-X, for whoever counts messages. */
  public MsiX msix() {
    return msix;
  }

  @Override
  protected void onReset(ResetKind kind) {
    resetDevice();
  }

  @Override
  protected void onGatesChanged() {
    device.wake();
  }

  // ---- capabilities

  /** Adds the capability that says where a structure is; returns where the next may begin. */
  private int addStructure(int at, int type, long structureOffset) {
    boolean notify = type == VIRTIO_PCI_CAP_NOTIFY_CFG;
    int bytes = notify ? VirtioPciCapLayout.EXTENDED_BYTES : VirtioPciCapLayout.BYTES;
    addVendorCapability(at, bytes, type, ConfigHook.NONE);
    config().initialize(at + VirtioPciCapLayout.BAR, 1, REGISTER_BAR);
    config().initialize(at + VirtioPciCapLayout.OFFSET, 4, structureOffset);
    config().initialize(at + VirtioPciCapLayout.LENGTH, 4, STRUCTURE_BYTES);
    if (notify) {
      config().initialize(at + VirtioPciCapLayout.NOTIFY_OFF_MULTIPLIER, 4, NOTIFY_OFF_MULTIPLIER);
    }
    return at + bytes;
  }

  /**
   * Adds the window into BAR 4 for who cannot reach it otherwise; returns where the next may be.
   */
  private int addWindow(int at) {
    int bytes = VirtioPciCapLayout.EXTENDED_BYTES;
    addVendorCapability(at, bytes, VIRTIO_PCI_CAP_PCI_CFG, new Window(at));
    writable("pci_cfg bar", at + VirtioPciCapLayout.BAR, 1);
    writable("pci_cfg offset", at + VirtioPciCapLayout.OFFSET, 4);
    writable("pci_cfg length", at + VirtioPciCapLayout.LENGTH, 4);
    writable("pci_cfg_data", at + PCI_CFG_DATA, 4);
    return at + bytes;
  }

  private void addVendorCapability(int at, int bytes, int type, ConfigHook hook) {
    byte[] body = new byte[bytes - VirtioPciCapLayout.CAP_LEN];
    body[0] = (byte) bytes;
    body[VirtioPciCapLayout.CFG_TYPE - VirtioPciCapLayout.CAP_LEN] = (byte) type;
    addCapability(VirtioPciCapLayout.VENDOR_SPECIFIC, at, body, hook);
  }

  private void writable(String name, int offset, int bytes) {
    long mask = (1L << 8 * bytes) - 1;
    config().declare(new RegisterRule(name, offset, bytes, AccessKind.READ_WRITE, mask));
  }

  /**
   * VIRTIO_PCI_CAP_PCI_CFG (virtio v1.4, 4.1.4.9 "PCI configuration access capability"): touching
   * {@code pci_cfg_data} accesses {@code cap.length} bytes of {@code cap.bar} at {@code
   * cap.offset}, whatever the width of the configuration access, and whether or not the BAR
   * decodes.
   *
   * <p>What the driver must not do has these answers: an offset that is not a multiple of the
   * length is rounded down; a length other than 1, 2 and 4, a BAR other than BAR 4 and an offset
   * beyond it are no access, and {@code pci_cfg_data} keeps what it holds.
   */
  private final class Window implements ConfigHook {
    private final int at;

    Window(int at) {
      this.at = at;
    }

    @Override
    public void beforeRead(int offset, int width) {
      int length = accessBytes(offset, width);
      if (length != 0) {
        config().store(at + PCI_CFG_DATA, length, readRegisters(target(length), length));
      }
    }

    @Override
    public void afterWrite(int offset, int width) {
      int length = accessBytes(offset, width);
      if (length != 0) {
        writeRegisters(target(length), length, config().load(at + PCI_CFG_DATA, length));
      }
    }

    /** Bytes to access behind the window; 0 for no access. */
    private int accessBytes(int offset, int width) {
      if (offset + width <= at + PCI_CFG_DATA || offset >= at + PCI_CFG_DATA + 4) {
        return 0;
      }
      long length = config().load(at + VirtioPciCapLayout.LENGTH, 4);
      boolean possible = length == 1 || length == 2 || length == 4;
      boolean here = config().load(at + VirtioPciCapLayout.BAR, 1) == REGISTER_BAR;
      return possible && here && target((int) length) < REGISTER_BAR_BYTES ? (int) length : 0;
    }

    private long target(int length) {
      return config().load(at + VirtioPciCapLayout.OFFSET, 4) & -length;
    }
  }

  // ---- BAR 4

  private final class RegisterBarHandler implements BarHandler {
    @Override
    public long read(long offset, int width) {
      return readRegisters(offset, width);
    }

    @Override
    public void write(long offset, int width, long value) {
      writeRegisters(offset, width, value);
    }

    @Override
    public boolean mayWait(long offset, int width, boolean write) {
      return write ? offset < NOTIFY_OFFSET : !isPolled(offset, width);
    }
  }

  /**
   * What a driver polls while it waits for frames takes no lock, and so does not wait for a batch
   * of them: reading it has no effect, and each field is one value.
   */
  private static boolean isPolled(long offset, int width) {
    return offset == STATUS_OFFSET && width == 1 || offset >= DEVICE_OFFSET;
  }

  private long readRegisters(long offset, int width) {
    if (offset >= NOTIFY_OFFSET) {
      return 0;
    }
    if (isPolled(offset, width)) {
      return offset == STATUS_OFFSET ? common.status().bits() : readPieces(offset, width);
    }
    lock().lock();
    try {
      return readPieces(offset, width);
    } finally {
      lock().unlock();
    }
  }

  private long readPieces(long offset, int width) {
    long value = 0;
    for (int done = 0; done < width; ) {
      int bytes = piece(offset + done, width - done);
      long part = readRegister(offset + done, bytes) & ConfigSpace.allOnes(bytes);
      value |= part << 8 * done;
      done += bytes;
    }
    return value;
  }

  private void writeRegisters(long offset, int width, long value) {
    if (offset >= NOTIFY_OFFSET) {
      for (int done = 0; done < width; ) {
        notifyQueue(offset + done);
        done += piece(offset + done, width - done);
      }
      return;
    }
    lock().lock();
    try {
      for (int done = 0; done < width; ) {
        int bytes = piece(offset + done, width - done);
        writeRegister(offset + done, bytes, value >>> 8 * done & ConfigSpace.allOnes(bytes));
        done += bytes;
      }
    } finally {
      lock().unlock();
    }
  }

  /**
   * Bytes of the largest naturally aligned access at {@code offset}: 1, 2 or 4, within what is
   * left.
   */
  static int piece(long offset, int left) {
    int aligned = (int) Long.lowestOneBit(offset | 4);
    return Math.min(aligned, Integer.highestOneBit(left));
  }

  private long readRegister(long offset, int bytes) {
    if (offset < ISR_OFFSET) {
      return common.read((int) (offset - COMMON_OFFSET));
    }
    if (offset < DEVICE_OFFSET) {
      return offset == ISR_OFFSET ? takeIsr() : 0;
    }
    return readDeviceConfig((int) (offset - DEVICE_OFFSET), bytes);
  }

  private void writeRegister(long offset, int bytes, long value) {
    if (offset < ISR_OFFSET) {
      common.write((int) (offset - COMMON_OFFSET), value);
    } else if (offset >= DEVICE_OFFSET) {
      writeDeviceConfig((int) (offset - DEVICE_OFFSET), bytes, value);
    }
  }

  /** Reading ISR status clears it and takes the interrupt back (4.1.4.5). */
  private int takeIsr() {
    int taken = isr;
    isr = 0;
    intx().lower();
    return taken;
  }

  /** Where the configuration ends it reads as all ones, an access that straddles the end wholly. */
  private long readDeviceConfig(int offset, int bytes) {
    if (offset + bytes > device.configBytes()) {
      return ConfigSpace.allOnes(bytes);
    }
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) device.configByte(offset + i) << 8 * i;
    }
    return value;
  }

  private void writeDeviceConfig(int offset, int bytes, long value) {
    if (offset + bytes > device.configBytes()) {
      return;
    }
    for (int i = 0; i < bytes; i++) {
      device.writeConfigByte(offset + i, (int) (value >>> 8 * i) & 0xff);
    }
  }

  /**
   * A kick. The address alone says which queue, as on QEMU: what is written, and how wide, does not
   * matter. No lock: a driver never waits for a batch of frames.
   */
  private void notifyQueue(long offset) {
    kick((offset - NOTIFY_OFFSET) / NOTIFY_OFF_MULTIPLIER);
  }

  private void kick(long queue) {
    if (queue < device.queues()) {
      device.kick((int) queue);
    }
  }

  // ---- BAR 0

  private final class LegacyPorts implements LegacyRegisters.Ports {
    @Override
    public ReentrantLock lock() {
      return VirtioPciFunction.this.lock();
    }

    @Override
    public boolean msixEnabled() {
      return msix.enabled();
    }

    @Override
    public int takeIsr() {
      return VirtioPciFunction.this.takeIsr();
    }

    @Override
    public long readConfig(int offset, int bytes) {
      return readDeviceConfig(offset, bytes);
    }

    @Override
    public void writeConfig(int offset, int bytes, long value) {
      writeDeviceConfig(offset, bytes, value);
    }

    @Override
    public void kick(long queue) {
      VirtioPciFunction.this.kick(queue);
    }
  }

  // ---- what the registers cause, and what the device asks

  private void resetDevice() {
    common.reset();
    isr = 0;
    intx().lower();
    device.reset();
    memory.choose(false);
  }

  private void configInterrupt() {
    if (common.status().driverOk()) {
      interrupt(ISR_CONFIG, common.configVector());
    }
  }

  private void interrupt(int isrBits, int vector) {
    // Also with MSI-X, as QEMU does: the specification asks for it for configuration changes.
    isr |= isrBits;
    if (msix.enabled()) {
      msix.signal(vector);
    } else {
      intx().raise();
    }
  }

  private void breakDown() {
    common.status().needsReset();
    configInterrupt();
  }

  private final class RegisterEffects implements CommonConfig.Effects {
    @Override
    public void resetDevice() {
      VirtioPciFunction.this.resetDevice();
    }

    @Override
    public void featuresAgreed(Features features) {
      memory.choose(features.has(FeatureBits.VIRTIO_F_ACCESS_PLATFORM));
      device.featuresAgreed(features);
    }

    @Override
    public void needsReset() {
      breakDown();
    }
  }

  private final class Transport implements VirtioTransport {
    @Override
    public ReentrantLock lock() {
      return VirtioPciFunction.this.lock();
    }

    @Override
    public BusMemory memory() {
      return memory;
    }

    @Override
    public boolean live() {
      return common.status().live();
    }

    @Override
    public void queueInterrupt(int queue) {
      interrupt(ISR_QUEUE, common.queueVector(queue));
    }

    @Override
    public boolean takeRetried() {
      return memory.chosen().takeRetried();
    }

    @Override
    public void configChanged() {
      common.configChanged();
      configInterrupt();
    }

    @Override
    public void needsReset() {
      breakDown();
    }
  }
}
