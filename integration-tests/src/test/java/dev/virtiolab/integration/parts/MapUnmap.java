package dev.virtiolab.integration.parts;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.HostClock;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.SinkBackend;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * PciIo.Map and PciIo.Unmap of one buffer of the network card's, as its driver calls them for each
 * frame that it sends.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MapUnmap {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final String WITHOUT_SLOTS = "-no-slots";

  /**
   * The platform; on sev the bounce buffer comes from a reserved slot, or has its C-bits flipped.
   */
  @Param({"pc", "vtd", "noncoherent", "sev", "sev" + WITHOUT_SLOTS})
  private String platform;

  @Param({"64", "1514"})
  private int bytes;

  private SinkBackend wire;
  private Mainboard board;
  private PciIo pciIo;
  private long buffer;
  private final LongRef length = new LongRef();
  private final LongRef deviceAddress = new LongRef();
  private final Ref<DmaMapping> mapping = new Ref<>();

  /** For JMH. */
  public MapUnmap() {}

  /** Boots a machine. */
  @Setup
  public void boot() {
    boolean slots = !platform.endsWith(WITHOUT_SLOTS);
    MachineConfig usual = MachineConfig.of(PlatformKind.parse(platform.replace(WITHOUT_SLOTS, "")));
    MachineConfig config =
        new MachineConfig(
            usual.platform(),
            usual.slot(),
            usual.mac(),
            usual.mtu(),
            slots ? BounceSlots.OVMF : BounceSlots.NONE,
            OptionalLong.of(1));
    wire = new SinkBackend();
    board = new Mainboard(config, wire);
    Firmware firmware = new Firmware(board.toBoard(new HostClock()), GUEST, config.bounceSlots());
    BootServices bootServices = firmware.bootServices();
    pciIo = networkCard(bootServices);
    LongRef pages = new LongRef();
    check(
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, pages));
    buffer = pages.value;
    board.platform().cpuMemory().fill(buffer, bytes, (byte) 0x5a);
  }

  private static PciIo networkCard(BootServices bootServices) {
    Ref<List<Handle>> handles = new Ref<>();
    check(bootServices.locateHandleBuffer(VirtioDevice.PROTOCOL, handles));
    Ref<PciIo> found = new Ref<>();
    check(bootServices.handleProtocol(handles.value.getFirst(), PciIo.PROTOCOL, found));
    return found.value;
  }

  /** One mapping, there and back. */
  @Benchmark
  public long mapAndUnmap() {
    length.value = bytes;
    check(pciIo.map(DmaOperation.BUS_MASTER_READ, buffer, length, deviceAddress, mapping));
    check(pciIo.unmap(mapping.value));
    return deviceAddress.value;
  }

  /** Switches the machine off. */
  @TearDown
  public void switchOff() {
    board.close();
    wire.close();
  }

  private static void check(EfiStatus status) {
    if (status.isError()) {
      throw new IllegalStateException(status.toString());
    }
  }
}
