package dev.virtiolab.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.virtio.fixture.TestNic;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A driver that polls does not wait for a batch of frames, during which the lock is held. */
class PolledRegistersTest {
  private static final int NET_STATUS = TestNic.DEVICE + 6;
  private final TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  private static CompletableFuture<Long> onAnotherThread(LongSupplier read) {
    return CompletableFuture.supplyAsync(read::getAsLong);
  }

  @Test
  void statusAndConfigurationAreReadWhileTheDeviceIsBusy() throws Exception {
    nic.start(TestNic.BASIC);
    long status = nic.status();
    nic.function.lock().lock();
    try {
      assertEquals(status, onAnotherThread(nic::status).get(10, TimeUnit.SECONDS), "device_status");
      assertEquals(
          1, onAnotherThread(() -> nic.read(NET_STATUS, 2)).get(10, TimeUnit.SECONDS), "link");
      // Reading the interrupt status takes the interrupt back: that has to wait.
      CompletableFuture<Long> isr = onAnotherThread(nic::isr);
      assertThrows(TimeoutException.class, () -> isr.get(50, TimeUnit.MILLISECONDS));
    } finally {
      nic.function.lock().unlock();
    }
  }
}
