package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.qemu.QemuMachine;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The same driver looks at QEMU's device and at ours, and stops both. */
class QemuRegistersTest {
  private static final Ipv4Address ADDRESS = Ipv4Address.parse("192.0.2.2");
  private static final int CONFIG_MAC = 0;
  private static final int CONFIG_STATUS = 6;
  private static final int CONFIG_MTU = 10;
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** What {@code -netdev stream}, which has no header for such work, takes from QEMU's device. */
  private static final Set<String> OFFLOADS =
      Set.of(
          "VIRTIO_NET_F_CSUM",
          "VIRTIO_NET_F_GUEST_CSUM",
          "VIRTIO_NET_F_GUEST_TSO4",
          "VIRTIO_NET_F_GUEST_TSO6",
          "VIRTIO_NET_F_GUEST_ECN",
          "VIRTIO_NET_F_GUEST_UFO",
          "VIRTIO_NET_F_GUEST_USO4",
          "VIRTIO_NET_F_GUEST_USO6",
          "VIRTIO_NET_F_HOST_TSO4",
          "VIRTIO_NET_F_HOST_TSO6",
          "VIRTIO_NET_F_HOST_ECN",
          "VIRTIO_NET_F_HOST_UFO",
          "VIRTIO_NET_F_HOST_USO",
          "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",
          "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM",
          "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO",
          "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM");

  private static final int COMMON_CFG = 1;
  private static final int DEVICE_FEATURE_SELECT = 0x00;
  private static final int DEVICE_FEATURE = 0x04;
  private static final int NUM_QUEUES = 0x12;

  /** Where registers are. */
  private record Structure(int bar, long offset, long length) {}

  private final MachineConfig config = MachineConfig.of(PlatformKind.PC);

  @BeforeEach
  void requireQemu() {
    QemuHub.assumeInstalled();
    Requirements.assumeProgram("setpriv", "util-linux");
  }

  /**
   * What a driver sees of a device that it drives.
   *
   * @param identity vendor, device, revision, class and subsystem, as configuration space has them
   * @param structures type and length of each of the capabilities that lead to registers
   */
  private record Seen(
      List<Long> identity,
      Map<Integer, Long> structures,
      int numQueues,
      Features features,
      int receiveQueueSize,
      int transmitQueueSize,
      long mac,
      long status,
      int deviceStatus) {

    static Seen by(Firmware firmware) {
      VirtioDevice virtio = virtio(firmware);
      LongRef lowFeatures = new LongRef();
      ok(virtio.getDeviceFeatures(lowFeatures));
      IntRef deviceStatus = new IntRef();
      ok(virtio.getDeviceStatus(deviceStatus));
      PciIo pci = pci(firmware);
      Map<Integer, Structure> structures = structures(pci);
      Map<Integer, Long> lengths = new TreeMap<>();
      structures.forEach((type, structure) -> lengths.put(type, structure.length));
      Structure common = structures.get(COMMON_CFG);
      LongRef queues = new LongRef();
      ok(pci.memRead(PciIo.Width.UINT16, common.bar, common.offset + NUM_QUEUES, queues));
      return new Seen(
          List.of(config(pci, 0, 4), config(pci, 8, 4), config(pci, 0x2c, 4)),
          lengths,
          (int) queues.value,
          new Features(lowFeatures.value, word(pci, common, 2) | word(pci, common, 3) << 32),
          queueSize(virtio, 0),
          queueSize(virtio, 1),
          read(virtio, CONFIG_MAC, 4) | read(virtio, CONFIG_MAC + 4, 2) << 32,
          read(virtio, CONFIG_STATUS, 2),
          deviceStatus.value);
    }

    /** Beyond what the driver's protocol has room for. */
    private static long word(PciIo pci, Structure common, int select) {
      long at = common.offset + DEVICE_FEATURE_SELECT;
      ok(pci.memWrite(PciIo.Width.UINT32, common.bar, at, select));
      LongRef word = new LongRef();
      ok(pci.memRead(PciIo.Width.UINT32, common.bar, common.offset + DEVICE_FEATURE, word));
      return word.value;
    }

    private static PciIo pci(Firmware firmware) {
      Ref<List<Handle>> handles = new Ref<>();
      ok(firmware.bootServices().locateHandleBuffer(VirtioDevice.PROTOCOL, handles));
      Ref<PciIo> found = new Ref<>();
      ok(firmware.bootServices().handleProtocol(handles.value.getFirst(), PciIo.PROTOCOL, found));
      return found.value;
    }

    private static long config(PciIo pci, int offset, int bytes) {
      LongRef value = new LongRef();
      PciIo.Width width =
          switch (bytes) {
            case 1 -> PciIo.Width.UINT8;
            case 2 -> PciIo.Width.UINT16;
            default -> PciIo.Width.UINT32;
          };
      ok(pci.pciRead(width, offset, value));
      return value.value;
    }

    /** Each virtio capability by its type (virtio v1.4, 4.1.4). */
    private static Map<Integer, Structure> structures(PciIo pci) {
      Map<Integer, Structure> found = new TreeMap<>();
      int at = (int) config(pci, 0x34, 1);
      for (int i = 0; i < 48 && at != 0; i++) {
        if (config(pci, at, 1) == 9) {
          found.put(
              (int) config(pci, at + 3, 1),
              new Structure(
                  (int) config(pci, at + 4, 1), config(pci, at + 8, 4), config(pci, at + 12, 4)));
        }
        at = (int) config(pci, at + 1, 1);
      }
      return found;
    }

    private static int queueSize(VirtioDevice virtio, int queue) {
      ok(virtio.setQueueSel(queue));
      IntRef size = new IntRef();
      ok(virtio.getQueueNumMax(size));
      return size.value;
    }
  }

  @Test
  void whatADriverSeesOfQemusDeviceAndOfOursDiffersInWhatIsNamed() {
    Seen qemus;
    Seen ours;
    try (NetBackend wire = sink();
        GuestMachine machine = qemu(config, wire)) {
      qemus = machine.guest().ask(Seen::by);
    }
    try (NetBackend wire = sink();
        Machine machine = Machine.start(config, wire, ADDRESS)) {
      ours = machine.guest().ask(Seen::by);
    }
    assertEquals(ours.identity, qemus.identity);
    assertEquals(ours.structures.keySet(), qemus.structures.keySet());
    assertEquals(ours.structures, qemus.structures);
    assertEquals(ours.numQueues, qemus.numQueues);
    assertEquals(ours.receiveQueueSize, qemus.receiveQueueSize);
    assertEquals(ours.transmitQueueSize, qemus.transmitQueueSize);
    assertEquals(ours.mac, qemus.mac);
    assertEquals(ours.status, qemus.status);
    assertEquals(0x0f, qemus.deviceStatus);
    assertEquals(ours.deviceStatus, qemus.deviceStatus);

    assertEquals(List.of(), without(names(qemus), names(ours)), "QEMU's alone");
    assertEquals(List.of(), without(without(names(ours), names(qemus)), OFFLOADS), "ours alone");
    assertTrue(names(qemus).contains("VIRTIO_F_VERSION_1"));
    assertEquals(0x1e, ours.features.high());
  }

  @Test
  void theMtuIsWhatWasAskedFor() {
    MachineConfig jumbo =
        new MachineConfig(
            config.platform(),
            MachineConfig.Slot.ROOT_PORT,
            config.mac(),
            OptionalInt.of(4321),
            config.bounceSlots(),
            config.seed());
    try (NetBackend wire = sink();
        GuestMachine machine = qemu(jumbo, wire)) {
      assertEquals(
          4321, machine.guest().<Long>ask(firmware -> read(virtio(firmware), CONFIG_MTU, 2)));
      assertEquals(
          4321, machine.guest().<Integer>ask(firmware -> firmware.network().mode().maxPacketSize));
    }
  }

  /** Shutdown resets the device; Initialize brings it up again. */
  @Test
  void shutdownLeavesQemusDeviceReset() {
    try (NetBackend wire = sink();
        GuestMachine machine = qemu(config, wire)) {
      List<Integer> status =
          machine
              .guest()
              .ask(
                  firmware -> {
                    SimpleNetwork network = firmware.network();
                    List<Integer> seen = new ArrayList<>(List.of(deviceStatus(firmware)));
                    ok(network.shutdown());
                    seen.add(deviceStatus(firmware));
                    ok(network.initialize(0, 0));
                    seen.add(deviceStatus(firmware));
                    ok(network.reset(false));
                    seen.add(deviceStatus(firmware));
                    ok(network.shutdown());
                    ok(network.stop());
                    seen.add(deviceStatus(firmware));
                    return seen;
                  });
      assertEquals(List.of(0x0f, 0, 0x0f, 0x0f, 0), status);
      assertEquals(0, machine.report().dma().open());
    }
  }

  @Test
  void afterExitBootServicesQemusDeviceIsReset() {
    try (NetBackend wire = sink();
        QemuMachine machine = QemuMachine.start(config, wire, ADDRESS, Optional.empty())) {
      VirtioDevice virtio = machine.guest().ask(QemuRegistersTest::virtio);
      assertFalse(machine.exitBootServices().isError());
      machine.guest().ended().join();
      // The guest's thread has ended: the socket is this one's.
      IntRef status = new IntRef();
      ok(virtio.getDeviceStatus(status));
      assertEquals(0, status.value);
    }
  }

  /** Neither one that ran nor one that did not start. */
  @Test
  void aMachineThatIsOffLeavesNoDescriptorAndNoProcess() {
    MachineConfig refused =
        new MachineConfig(
            config.platform(),
            config.slot(),
            config.mac(),
            OptionalInt.of(70_000),
            config.bounceSlots(),
            config.seed());
    startAndStop(refused);
    int before = descriptors();
    for (int i = 0; i < 3; i++) {
      startAndStop(refused);
    }
    long start = System.nanoTime();
    // The wire's event loop closes what it has on its own thread.
    while (descriptors() > before) {
      assertTrue(
          System.nanoTime() - start < DEADLINE_NANOS, () -> before + " and now " + descriptors());
      Thread.onSpinWait();
    }
    assertFalse(
        ProcessHandle.current()
            .children()
            .anyMatch(child -> child.info().command().orElse("").contains("qemu")));
  }

  private void startAndStop(MachineConfig refused) {
    try (NetBackend wire = sink();
        GuestMachine machine = qemu(config, wire)) {
      assertTrue(machine.trouble().isEmpty());
    }
    try (NetBackend wire = sink()) {
      LabException why = assertThrows(LabException.class, () -> qemu(refused, wire));
      assertTrue(why.getMessage().contains("host_mtu"), why::getMessage);
    }
  }

  private static int descriptors() {
    return new File("/proc/self/fd").list().length;
  }

  private static NetBackend sink() {
    return BackendSpec.parse("sink").open();
  }

  private static GuestMachine qemu(MachineConfig config, NetBackend wire) {
    return QemuMachine.start(config, wire, ADDRESS, Optional.empty());
  }

  private static VirtioDevice virtio(Firmware firmware) {
    Ref<VirtioDevice> found = new Ref<>();
    ok(firmware.bootServices().locateProtocol(VirtioDevice.PROTOCOL, found));
    return found.value;
  }

  private static int deviceStatus(Firmware firmware) {
    IntRef status = new IntRef();
    ok(virtio(firmware).getDeviceStatus(status));
    return status.value;
  }

  private static long read(VirtioDevice virtio, int offset, int bytes) {
    LongRef value = new LongRef();
    ok(virtio.readDevice(offset, bytes, value));
    return value.value;
  }

  private static void ok(EfiStatus status) {
    assertEquals(EfiStatus.SUCCESS, status);
  }

  private static Set<String> names(Seen seen) {
    return new TreeSet<>(FeatureBits.names(seen.features));
  }

  private static List<String> without(Iterable<String> some, Set<String> others) {
    List<String> rest = new ArrayList<>();
    some.forEach(
        each -> {
          if (!others.contains(each)) {
            rest.add(each);
          }
        });
    return rest;
  }
}
