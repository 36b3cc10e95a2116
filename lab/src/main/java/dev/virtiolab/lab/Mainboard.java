package dev.virtiolab.lab;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.Platforms;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.iommu.sev.launch.Launch;
import dev.virtiolab.iommu.sev.launch.LaunchImage;
import dev.virtiolab.iommu.sev.launch.LaunchMeasurement;
import dev.virtiolab.iommu.sev.launch.LaunchSession;
import dev.virtiolab.iommu.sev.launch.SevApi;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.MessageTarget;
import dev.virtiolab.pci.host.HostBridge;
import dev.virtiolab.pci.host.HostLayout;
import dev.virtiolab.pci.host.PciBus;
import dev.virtiolab.pci.host.RootPort;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RawDram;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.transport.DeviceKind;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;

/**
 * The hardware, put together and switched on, with nobody running yet: memory, platform, host
 * bridge and NICs, and in memory what the firmware starts from.
 *
 * <pre>
 *   0000_0000  RAM               hand-off at 0080_0000, firmware at 0090_0000
 *   b000_0000  ECAM               ports from 6000 on for BARs
 *   c000_0000  32-bit BARs
 *   fed9_0000  DMA remapping unit, on vtd
 *  1_0000_0000 RAM
 *  above       64-bit BARs
 * </pre>
 *
 * <p>The first NIC is where the configuration says, the second is 00:05.0, the third 00:06.0, and
 * so on, past the root port if there is one.
 */
public final class Mainboard implements AutoCloseable {
  private static final long MIB = 1L << 20;

  /** Where the firmware is, on every board. */
  public static final Range FIRMWARE = new Range(0x0090_0000L, MIB);

  /** The I/O ports that BARs get. */
  public static final Range PORTS =
      new Range(HostLayout.PORTS_BASE, HostLayout.PORTS_LIMIT - HostLayout.PORTS_BASE);

  private static final int ROOT_BUS_SLOTS = 32;
  private static final int ROOT_BUS_SLOT = 4;
  private static final int ROOT_PORT_SLOT = 0x1c;
  private static final PciAddress ON_ROOT_BUS = new PciAddress(0, ROOT_BUS_SLOT, 0);
  private static final PciAddress BEHIND_ROOT_PORT = new PciAddress(1, 0, 0);

  /** Stands between a NIC and memory, to watch or to change what the NIC sees. */
  @FunctionalInterface
  public interface Probe {
    /** Nobody is between. */
    Probe NONE = (nic, memory) -> memory;

    /**
     * Makes of what the platform shows a NIC what the NIC sees. Asked twice for each NIC, while the
     * board is put together: for memory as the platform translates it, and by physical address.
     *
     * @param nic where it is once the firmware has numbered the buses
     * @return of the same generation as {@code memory}
     */
    BusMemory between(PciAddress nic, BusMemory memory);
  }

  /**
   * A NIC on the board.
   *
   * @param address where it is once the firmware has numbered the buses
   */
  public record Nic(VirtioNet device, VirtioPciFunction function, PciAddress address) {}

  private final PhysicalMemory memory;
  private final Platform platform;
  private final HostBridge hostBridge;
  private final List<Nic> nics;
  private final Optional<LaunchMeasurement> measurement;

  /**
   * A board with one NIC.
   *
   * @param wire what the NIC is plugged into; stays the caller's to close, after the board
   */
  public Mainboard(MachineConfig config, NetBackend wire) {
    this(config, List.of(wire), Probe.NONE);
  }

  /**
   * As the other constructor, with a probe between the NIC and memory.
   *
   * @param probe makes of what the platform shows the NIC, translated or not, what the NIC sees
   */
  public Mainboard(MachineConfig config, NetBackend wire, UnaryOperator<BusMemory> probe) {
    this(config, List.of(wire), (nic, memory) -> probe.apply(memory));
  }

  /**
   * A board with a NIC on each wire. They are alike but for their {@linkplain
   * MachineConfig#mac(int) Ethernet addresses}.
   *
   * @param wires what the NICs are plugged into, at most {@link #capacity}; they stay the caller's
   *     to close, after the board
   * @param probe between each NIC and memory
   * @throws IllegalArgumentException if there is no wire, or the board has not room enough
   * @throws dev.virtiolab.pci.memory.InvalidMemoryException if it cannot have that much RAM
   */
  public Mainboard(MachineConfig config, List<NetBackend> wires, Probe probe) {
    int capacity = capacity(config.slot());
    if (wires.isEmpty() || wires.size() > capacity) {
      throw new IllegalArgumentException(
          "a board has 1 to %d NICs with the first in slot %s, not %d"
              .formatted(capacity, config.slot().word(), wires.size()));
    }
    RandomGenerator entropy = config.entropy();
    memory = PhysicalMemory.allocate(config.lowRamBytes(), config.highRamBytes());
    platform = Platforms.create(config.platform(), memory, entropy);
    hostBridge = new HostBridge(memory, memory.limit() + platform.dmaOffset());
    if (platform instanceof VtdPlatform vtd) {
      hostBridge.attach(HostLayout.REMAPPING_BASE, HostLayout.REMAPPING_BYTES, vtd.registers());
    }
    nics = plugNics(config, wires, probe);
    hostBridge.powerOn();
    measurement = load(entropy);
  }

  /** Where a NIC in {@code slot} is, once the firmware has numbered the buses. */
  public static PciAddress addressOf(MachineConfig.Slot slot) {
    return switch (slot) {
      case ROOT_BUS -> ON_ROOT_BUS;
      case ROOT_PORT -> BEHIND_ROOT_PORT;
    };
  }

  /** How many NICs a board has room for whose first is in {@code slot}. */
  public static int capacity(MachineConfig.Slot slot) {
    int others = ROOT_BUS_SLOTS - (ROOT_BUS_SLOT + 1);
    return switch (slot) {
      case ROOT_BUS -> 1 + others;
      case ROOT_PORT -> 1 + others - 1; // the port takes a slot, too
    };
  }

  private List<Nic> plugNics(MachineConfig config, List<NetBackend> wires, Probe probe) {
    List<Nic> plugged = new ArrayList<>();
    int slot = ROOT_BUS_SLOT;
    for (NetBackend wire : wires) {
      VirtioNet device = new VirtioNet(nicConfig(config, plugged.size(), wire.mtu()), wire);
      if (plugged.isEmpty() && config.slot() == MachineConfig.Slot.ROOT_PORT) {
        RootPort port = new RootPort();
        hostBridge.rootBus().plug(ROOT_PORT_SLOT, port);
        plugged.add(plug(config.nicKind(), device, port.secondary(), BEHIND_ROOT_PORT, probe));
      } else {
        PciAddress address = new PciAddress(0, slot, 0);
        plugged.add(plug(config.nicKind(), device, hostBridge.rootBus(), address, probe));
      }
      do {
        slot++;
      } while (slot < ROOT_BUS_SLOTS && hostBridge.rootBus().device(slot) != null);
    }
    return List.copyOf(plugged);
  }

  /**
   * @param wireMtu what the wire takes, if that is less than a NIC sends by itself
   */
  private VirtioNet.Config nicConfig(MachineConfig config, int number, OptionalInt wireMtu) {
    MacAddress address = config.mac(number);
    byte[] mac = new byte[6];
    for (int i = 0; i < mac.length; i++) {
      mac[i] = address.octet(i);
    }
    boolean translated = platform.requiresAccessPlatform();
    OptionalInt mtu = config.mtu().isPresent() ? config.mtu() : wireMtu;
    return new VirtioNet.Config(mac, mtu, translated, translated)
        .withFeatures(config.nicFeatures());
  }

  /** Plugs a NIC in: a PCI Express function behind the root port, else a conventional one. */
  private Nic plug(DeviceKind kind, VirtioNet device, PciBus bus, PciAddress address, Probe probe) {
    BusMemory translated = probe.between(address, platform.busMemory(address.requesterId()));
    BusMemory physical = probe.between(address, platform.physicalBusMemory());
    // The firmware polls: interrupts are counted where they are raised, and end here.
    MessageTarget messages = (to, data) -> {};
    InterruptPin pin = InterruptPin.UNCONNECTED;
    boolean express = bus != hostBridge.rootBus();
    VirtioPciFunction function =
        VirtioPciFunction.of(kind, express, device, translated, physical, messages, pin);
    bus.plug(address.device(), function);
    return new Nic(device, function, address);
  }

  // ---- what the firmware starts from

  /**
   * Puts the hand-off into memory: behind a header and measured where memory is encrypted, else
   * just written. Nobody reads the header without a launch, nor waits for the digest in it.
   */
  private Optional<LaunchMeasurement> load(RandomGenerator entropy) {
    LaunchImage.Block handOff = handOff();
    if (platform instanceof SevPlatform sev) {
      Launch launch = Launch.start(sev, SevApi.CURRENT, LaunchSession.generate(entropy));
      launch.load(new LaunchImage(FIRMWARE.base(), FirmwareImage.digest(), List.of(handOff)));
      LaunchMeasurement measured = launch.measure(entropy);
      launch.finish();
      return Optional.of(measured);
    }
    store(handOff);
    return Optional.empty();
  }

  /** Puts a block into DRAM, as a loader outside the guest does: past the CPU and its cache. */
  private void store(LaunchImage.Block block) {
    MemorySegment bytes = MemorySegment.ofArray(block.bytes());
    RawDram dram = platform.dram();
    for (long done = 0; done < bytes.byteSize(); done += PhysicalMemory.PAGE_BYTES) {
      long inPage = Math.min(PhysicalMemory.PAGE_BYTES, bytes.byteSize() - done);
      dram.write(dram.systemPhysical(block.address() + done), bytes, done, inPage);
    }
  }

  private LaunchImage.Block handOff() {
    HandOff handOff =
        new HandOff(
            memory.regions().stream()
                .map(region -> new Range(region.base(), region.segment().byteSize()))
                .toList(),
            FIRMWARE,
            new Range(HostLayout.ECAM_BASE, HostLayout.ECAM_BYTES),
            new Range(
                HostLayout.WINDOW_32_BASE, HostLayout.WINDOW_32_LIMIT - HostLayout.WINDOW_32_BASE),
            new Range(
                hostBridge.window64Base(), hostBridge.window64Limit() - hostBridge.window64Base()),
            inbound(),
            remapping(),
            Optional.of(PORTS));
    byte[] bytes = new byte[(int) handOff.pages().length()];
    handOff.write(MemorySegment.ofArray(bytes));
    return new LaunchImage.Block(HandOffLayout.ADDRESS, bytes);
  }

  /** Where bus masters find memory, if that has to be said. */
  private Optional<Range> inbound() {
    long offset = platform.dmaOffset();
    return offset == 0 ? Optional.empty() : Optional.of(new Range(offset, memory.limit()));
  }

  /** Where the DMA remapping unit is, on a board that has one. */
  private Optional<Range> remapping() {
    return platform instanceof VtdPlatform
        ? Optional.of(new Range(HostLayout.REMAPPING_BASE, HostLayout.REMAPPING_BYTES))
        : Optional.empty();
  }

  // ---- what is on it

  /** What the guest's CPU finds. */
  public Board toBoard(CpuClock clock) {
    return new Board(
        platform.cpuMemory(), hostBridge, clock, platform.pageAttributes(), platform.cpuCache());
  }

  public Platform platform() {
    return platform;
  }

  public HostBridge hostBridge() {
    return hostBridge;
  }

  /**
   * Every NIC, in the order of the wires. The firmware finds them in the order of the bus, which is
   * another one where the first is behind the root port.
   */
  public List<Nic> nics() {
    return nics;
  }

  /** The first NIC's device. */
  public VirtioNet nic() {
    return nics.getFirst().device();
  }

  /** The first NIC's function. */
  public VirtioPciFunction nicFunction() {
    return nics.getFirst().function();
  }

  /** Where the first NIC is once the firmware has numbered the buses. */
  public PciAddress nicAddress() {
    return nics.getFirst().address();
  }

  /** The feature bits that driver and first device agreed on, by name. */
  public List<String> negotiatedFeatures() {
    return FeatureBits.names(nicFunction().negotiatedFeatures());
  }

  /** What the launch was measured to be, where memory is encrypted. */
  public Optional<LaunchMeasurement> measurement() {
    return measurement;
  }

  /** Frees memory; nobody may be running on the board. */
  @Override
  public void close() {
    platform.close();
    memory.close();
  }
}
