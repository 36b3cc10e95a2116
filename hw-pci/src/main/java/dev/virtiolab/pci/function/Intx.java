package dev.virtiolab.pci.function;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.HeaderLayout;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A function's interrupt pin: the Interrupt Status bit says what the device wants, the level what
 * the wire carries after the command register's Interrupt Disable, an enabled MSI-X and the power
 * state had their say (PCI Local Bus 3.0, 6.2.2 to 6.2.3 and 6.8.3.3).
 */
public final class Intx {
  private final PciFunction function;
  private final InterruptPin pin;
  private final AtomicLong delivered = new AtomicLong();
  private boolean requested;
  private volatile boolean asserted;

  Intx(PciFunction function, InterruptPin pin) {
    this.function = function;
    this.pin = pin;
  }

  /** The device wants attention, until {@link #lower}. Raising twice is raising once. */
  public void raise() {
    request(true);
  }

  /** The device was attended to. */
  public void lower() {
    request(false);
  }

  /** Level of the wire. */
  public boolean asserted() {
    return asserted;
  }

  /** How often the wire went from idle to asserted. */
  public long delivered() {
    return delivered.get();
  }

  private void request(boolean wanted) {
    function.lock().lock();
    try {
      requested = wanted;
      update();
    } finally {
      function.lock().unlock();
    }
  }

  /** Under the lock: shows status bit and level as they are now. */
  void update() {
    ConfigSpace config = function.config();
    long status = config.load(HeaderLayout.STATUS, 2);
    config.store(
        HeaderLayout.STATUS,
        2,
        requested
            ? status | HeaderLayout.STATUS_INTERRUPT
            : status & ~HeaderLayout.STATUS_INTERRUPT);
    boolean level = requested && function.mayAssertIntx();
    if (level != asserted) {
      asserted = level;
      if (level) {
        delivered.incrementAndGet();
      }
      pin.level(level);
    }
  }

  /** Under the lock: forgets what the device wanted. */
  void reset() {
    requested = false;
    update();
  }
}
