package dev.virtiolab.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.LegacyDriver;
import dev.virtiolab.virtio.fixture.TestNic;
import dev.virtiolab.virtio.net.VirtioNet;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What somebody who is not the driver can learn of a device, and do in its place. */
class LookingFromOutsideTest {
  private static final long TRANSLATED = TestNic.BASIC | FeatureBits.VIRTIO_F_ACCESS_PLATFORM;
  private static final long BUFFER = 0x8_0000;

  @Test
  void queueAddressesAreWhatTheDriverWrote() {
    try (TestNic nic = TestNic.conventional()) {
      nic.negotiate(TestNic.BASIC);
      assertEquals(
          new QueueAddresses(false, (int) nic.read(0x18, 2), 0, 0, 0),
          nic.function.queueAddresses(1));
      DriverRing ring = nic.setUp(1, 64, false);
      QueueAddresses expected =
          new QueueAddresses(true, 64, ring.descriptorArea(), ring.driverArea(), ring.deviceArea());
      assertEquals(expected, nic.function.queueAddresses(1));
      assertEquals(false, nic.function.queueAddresses(0).enabled());
      nic.status(0);
      assertEquals(false, nic.function.queueAddresses(1).enabled());
      assertEquals(0, nic.function.queueAddresses(1).descriptorArea());
    }
  }

  @Test
  void addressesAreAll64BitsOfThem() {
    try (TestNic nic = TestNic.conventional()) {
      nic.select(1);
      nic.write(0x20, 8, 0x1234_5678_9abc_d000L);
      nic.write(0x28, 8, 0x2345_6789_abcd_e000L);
      nic.write(0x30, 8, 0x3456_789a_bcde_f000L);
      QueueAddresses addresses = nic.function.queueAddresses(1);
      assertEquals(0x1234_5678_9abc_d000L, addresses.descriptorArea());
      assertEquals(0x2345_6789_abcd_e000L, addresses.driverArea());
      assertEquals(0x3456_789a_bcde_f000L, addresses.deviceArea());
    }
  }

  @Test
  void lookingAtAQueueSelectsNone() {
    try (TestNic nic = TestNic.conventional().start(TestNic.BASIC)) {
      nic.select(1);
      nic.function.queueAddresses(0);
      assertEquals(1, nic.read(TestNic.QUEUE_SELECT, 2));
    }
  }

  @Test
  void aQueueThatTheDeviceDoesNotHaveHasNoAddresses() {
    try (TestNic nic = TestNic.conventional()) {
      assertThrows(IndexOutOfBoundsException.class, () -> nic.function.queueAddresses(3));
      assertThrows(IndexOutOfBoundsException.class, () -> nic.function.queueAddresses(-1));
    }
  }

  @Test
  void addressesAreTakenTogetherUnderTheLock() throws Exception {
    try (TestNic nic = TestNic.conventional()) {
      nic.function.lock().lock();
      try {
        CompletableFuture<QueueAddresses> look =
            CompletableFuture.supplyAsync(() -> nic.function.queueAddresses(0));
        assertThrows(TimeoutException.class, () -> look.get(50, TimeUnit.MILLISECONDS));
      } finally {
        nic.function.lock().unlock();
      }
    }
  }

  /** Bus addresses of the platform are RAM's plus this; physical ones are RAM's. */
  private static final long OFFSET = 0x4000_0000L;

  private static BusMemory offset(PhysicalMemory memory) {
    return new BusMemory() {
      @Override
      public MappingGeneration generation() {
        return memory.generation();
      }

      @Override
      public boolean resolve(long address, DmaAccess access, DmaWindow window) {
        return memory.busView().resolve(address - OFFSET, access, window)
            && window.resolved(
                window.segment(), OFFSET + window.base(), memory.generation().acquire());
      }
    };
  }

  private static TestNic translatedNic() {
    return TestNic.of(
        new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), true, false),
        LookingFromOutsideTest::offset);
  }

  private static DmaFault write(TestNic nic, long address) {
    byte[] bytes = {1, 2, 3, 4};
    return nic.function
        .deviceMemory()
        .write(address, MemorySegment.ofArray(bytes), 0, bytes.length, new DmaWindow());
  }

  @Test
  void deviceMemoryIsTheViewThatTheFeaturesChose() {
    try (TestNic nic = translatedNic()) {
      nic.negotiate(TestNic.BASIC);
      BusMaster physical = nic.function.deviceMemory();
      assertEquals(DmaFault.NONE, write(nic, BUFFER));
      assertEquals(DmaFault.NO_MEMORY, write(nic, OFFSET + BUFFER));
      nic.negotiate(TRANSLATED);
      assertEquals(DmaFault.NO_MEMORY, write(nic, BUFFER));
      assertEquals(DmaFault.NONE, write(nic, OFFSET + BUFFER));
      nic.status(0);
      assertSame(physical, nic.function.deviceMemory());
    }
  }

  @Test
  void deviceMemoryIsBehindBusMasterEnable() {
    try (TestNic nic = TestNic.conventional().start(TestNic.BASIC)) {
      assertTrue(nic.function.busMasterEnabled());
      assertEquals(DmaFault.NONE, write(nic, BUFFER));
      nic.function.configWrite(4, 2, 3);
      assertEquals(DmaFault.BUS_MASTER_DISABLED, write(nic, BUFFER));
      assertEquals(1, nic.function.deviceMemory().faults());
    }
  }

  /** A dump of the registers names every field of what there is, and changes none. */
  @ParameterizedTest
  @EnumSource
  void registerMapShowsTheInterfacesOfEachKind(DeviceKind kind) {
    try (TestNic nic = TestNic.of(kind)) {
      LegacyDriver driver = new LegacyDriver(nic);
      if (kind.isLegacy()) {
        driver.start(LegacyDriver.MAC_AND_STATUS);
        driver.write(LegacyDriver.QUEUE_SELECT, 2, 1);
        driver.send(TestNic.frame(60, 1));
        nic.device.poll(8);
      }
      List<RegisterMap.Register> registers = RegisterMap.of(nic.function);
      assertEquals(
          kind.isModern(), registers.stream().anyMatch(each -> each.structure().equals("common")));
      for (RegisterMap.Register each : registers) {
        assertEquals(each.structure().equals("legacy") ? 0 : 4, each.bar(), each.name());
      }
      List<RegisterMap.Register> ports =
          registers.stream().filter(each -> each.bar() == 0).toList();
      assertEquals(kind.isLegacy() ? 2 + 3 * 2 + 4 + 8 : 0, ports.size());
      if (kind.isLegacy()) {
        assertEquals(
            List.of(16L, 32L, 0L),
            ports.stream()
                .filter(each -> each.name().equals("queue_address"))
                .map(RegisterMap.Register::value)
                .toList());
        assertEquals(1, driver.read(LegacyDriver.QUEUE_SELECT, 2), "looking changes nothing");
        assertEquals(1, driver.isr());
      }
    }
  }
}
