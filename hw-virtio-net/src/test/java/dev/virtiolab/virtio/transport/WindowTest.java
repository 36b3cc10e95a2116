package dev.virtiolab.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.virtio.fixture.TestNic;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Virtio v1.4, 4.1.4.9 "PCI configuration access capability", where the recording is silent. */
class WindowTest {
  private static final int CAP = 0x84;
  private static final int DATA = CAP + 16;

  private final TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  @Test
  void onlyTheRegisterBarIsBehindTheWindow() {
    nic.select(1);
    aim(4, 0x16, 2);
    assertEquals(1, nic.function.configRead(DATA, 4));
    for (int bar : new int[] {0, 1, 2, 3, 5, 6, 7, 0xff}) {
      nic.function.configWrite(DATA, 4, 0);
      aim(bar, 0x14, 1);
      nic.function.configWrite(DATA, 1, 3);
      assertEquals(0, nic.status(), "bar " + bar);
      assertEquals(3, nic.function.configRead(DATA, 1), "bar " + bar);
      aim(4, 0x3fff, 1);
    }
  }

  @Test
  void neighboursOfTheDataAreNoAccess() {
    aim(4, 0x14, 1);
    nic.function.configWrite(DATA, 1, 1);
    assertEquals(1, nic.status());
    // The registers in front of the data, MSI-X behind it.
    nic.function.configWrite(DATA - 4, 4, 1);
    nic.function.configWrite(DATA + 4, 4, 0);
    nic.status(0);
    nic.function.configRead(DATA - 4, 4);
    nic.function.configRead(DATA + 4, 4);
    assertEquals(0, nic.status());
    // Any byte of the data is the data.
    nic.function.configWrite(DATA + 3, 1, 0);
    assertEquals(1, nic.status());
  }

  @Test
  void kicksGoThroughTheWindow() {
    nic.start(TestNic.BASIC);
    aim(4, TestNic.NOTIFY + 4, 2);
    nic.function.configWrite(DATA, 2, 1);
    assertEquals(1, nic.device.counters().kicks(1));
  }

  private void aim(int bar, int offset, int length) {
    nic.function.configWrite(CAP + 4, 1, bar);
    nic.function.configWrite(CAP + 8, 4, offset);
    nic.function.configWrite(CAP + 12, 4, length);
  }
}
