package dev.virtiolab.virtio.feature;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class DeviceStatusTest {
  /** Every field value a driver can leave behind, every write, both answers of the device. */
  @Test
  void everyTransitionFollowsTheTable() {
    for (int from = 0; from < 256; from++) {
      for (int written = 1; written < 256; written++) {
        for (boolean accepted : new boolean[] {false, true}) {
          DeviceStatus status = at(from);
          assertEquals(
              (written & 8) != 0 && (from & 8) == 0, status.proposesFeatures(written), "proposes");
          status.write(written, accepted);
          // Stated bit by bit, not by masks.
          int expected = written;
          if ((written & 8) != 0 && (from & 8) == 0 && !accepted) {
            expected -= 8;
          }
          if ((from & 64) != 0 && (written & 64) == 0) {
            expected += 64;
          }
          assertEquals(expected, status.bits(), "from=" + from + " written=" + written);
        }
      }
    }
  }

  @Test
  void onlyFeaturesOkAndDriverOkTogetherAreLive() {
    for (int bits = 0; bits < 256; bits++) {
      boolean live = (bits & 8) != 0 && (bits & 4) != 0 && (bits & 64) == 0 && (bits & 128) == 0;
      assertEquals(live, at(bits).live(), "bits=" + bits);
    }
  }

  /** 3.1.2: a legacy driver has no FEATURES_OK, and may use the device before DRIVER_OK. */
  @Test
  void legacyDriverNeedsDriverOkOrOneKick() {
    for (int bits = 0; bits < 256; bits++) {
      boolean stopped = (bits & 64) != 0 || (bits & 128) != 0;
      DeviceStatus status = at(bits);
      status.useLegacy(false);
      assertEquals((bits & 4) != 0 && !stopped, status.live(), "bits=" + bits);
      status.useLegacy(true);
      assertEquals(!stopped, status.live(), "by a kick, bits=" + bits);
      status.useLegacy(false);
      assertEquals(!stopped, status.live(), "it has kicked, bits=" + bits);
      status.reset();
      status.write(7, false);
      assertEquals(false, status.live(), "the next driver's DRIVER_OK alone");
    }
  }

  @Test
  void driverCannotWriteDeviceNeedsResetAway() {
    DeviceStatus status = at(0xf);
    status.needsReset();
    status.write(0xf, true);
    assertEquals(0x4f, status.bits());
    status.reset();
    assertEquals(0, status.bits());
  }

  private static DeviceStatus at(int bits) {
    DeviceStatus status = new DeviceStatus();
    if (bits != 0) {
      status.write(bits, true);
    }
    return status;
  }
}
