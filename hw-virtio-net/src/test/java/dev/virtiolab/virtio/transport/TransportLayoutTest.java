package dev.virtiolab.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/** Offsets against the structs as the specification writes them down. */
class TransportLayoutTest {
  /** Virtio v1.4, 4.1.4.3: field, bits, access; addresses in halves (4.1.3). */
  private static final String COMMON_CFG =
      """
      device_feature_select 32 rw
      device_feature 32 ro
      driver_feature_select 32 rw
      driver_feature 32 rw
      config_msix_vector 16 rw
      num_queues 16 ro
      device_status 8 rw
      config_generation 8 ro
      queue_select 16 rw
      queue_size 16 rw
      queue_msix_vector 16 rw
      queue_enable 16 rw
      queue_notify_off 16 ro
      queue_desc_low 32 rw
      queue_desc_high 32 rw
      queue_driver_low 32 rw
      queue_driver_high 32 rw
      queue_device_low 32 rw
      queue_device_high 32 rw
      queue_notif_config_data 16 ro
      queue_reset 16 rw
      """;

  @Test
  void commonConfigurationIsTheSpecificationsStruct() {
    List<String> rows = new ArrayList<>();
    int offset = 0;
    for (CommonRegister register : CommonRegister.values()) {
      assertEquals(offset, register.offset(), register.name());
      offset += register.bytes();
      rows.add(
          register.name().toLowerCase(Locale.ROOT)
              + " "
              + 8 * register.bytes()
              + (register.writable() ? " rw" : " ro"));
    }
    assertEquals(COMMON_CFG.strip(), String.join("\n", rows));
    assertEquals(0x3c, offset);
  }

  /** Virtio v1.4, 4.1.4.10: bits of each field in the order of the table. */
  @Test
  void legacyStructureIsTheSpecificationsTable() {
    int[] bits = {32, 32, 32, 16, 16, 16, 8, 8, 16, 16};
    int[] offsets = {
      LegacyLayout.DEVICE_FEATURES,
      LegacyLayout.DRIVER_FEATURES,
      LegacyLayout.QUEUE_ADDRESS,
      LegacyLayout.QUEUE_SIZE,
      LegacyLayout.QUEUE_SELECT,
      LegacyLayout.QUEUE_NOTIFY,
      LegacyLayout.DEVICE_STATUS,
      LegacyLayout.ISR_STATUS,
      LegacyLayout.CONFIG_MSIX_VECTOR,
      LegacyLayout.QUEUE_MSIX_VECTOR
    };
    int at = 0;
    for (int i = 0; i < bits.length; i++) {
      assertEquals(at, offsets[i], "field " + i);
      at += bits[i] / 8;
    }
    assertEquals(24, at);
    assertEquals(24, LegacyLayout.CONFIG_WITH_MSIX);
    assertEquals(20, LegacyLayout.CONFIG_WITHOUT_MSIX);
    assertEquals(4096, 1 << LegacyLayout.PAGE_SHIFT);
  }

  /** 2.7.2: each part where virtq_size and struct virtq have it, for every size. */
  @Test
  void legacyQueueLiesAsItsLayoutSays() {
    for (int size = 1; size <= 32768; size *= 2) {
      QueueRegisters queue = new QueueRegisters(size);
      queue.place(0x10_0000);
      long avail = 0x10_0000 + 16L * size;
      long used = avail + 2L * (3 + size);
      while (used % 4096 != 0) {
        used++;
      }
      assertEquals(0x10_0000, queue.descriptorArea());
      assertEquals(avail, queue.driverArea());
      assertEquals(used, queue.deviceArea());
    }
  }

  @Test
  void everyOffsetDecodesToTheRegisterThatBeginsThereOrToNone() {
    for (int offset = 0; offset < 0x1000; offset++) {
      CommonRegister register = CommonRegister.at(offset);
      if (register != null) {
        assertEquals(offset, register.offset());
      }
    }
  }

  @Test
  void capabilityIsTheSpecificationsStruct() {
    // u8 vndr, next, len, type, bar, id, padding[2]; le32 offset, length; le32 more.
    assertEquals(0, VirtioPciCapLayout.CAP_VNDR);
    assertEquals(1, VirtioPciCapLayout.CAP_NEXT);
    assertEquals(2, VirtioPciCapLayout.CAP_LEN);
    assertEquals(3, VirtioPciCapLayout.CFG_TYPE);
    assertEquals(4, VirtioPciCapLayout.BAR);
    assertEquals(5, VirtioPciCapLayout.ID);
    assertEquals(6, VirtioPciCapLayout.PADDING);
    assertEquals(8, VirtioPciCapLayout.OFFSET);
    assertEquals(12, VirtioPciCapLayout.LENGTH);
    assertEquals(16, VirtioPciCapLayout.NOTIFY_OFF_MULTIPLIER);
    assertEquals(16, VirtioPciCapLayout.PCI_CFG_DATA);
    assertEquals(16, VirtioPciCapLayout.BYTES);
    assertEquals(20, VirtioPciCapLayout.EXTENDED_BYTES);
  }
}
