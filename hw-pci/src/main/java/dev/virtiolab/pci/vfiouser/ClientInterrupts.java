package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.MessageTarget;
import dev.virtiolab.posix.EventFd;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Where a function's interrupts go that a client has: to eventfds that the client set.
 *
 * <p>INTA# is level-triggered and an eventfd is not: it masks itself when it is signalled, and is
 * looked at again when the client unmasks it (VFIO_IRQ_INFO_AUTOMASKED). For MSI-X the client keeps
 * table and masks; a vector that has no eventfd yet is remembered, and signalled when it gets one.
 *
 * <p>Every method is called with the function's lock held, but for those that say so.
 */
public final class ClientInterrupts implements MessageTarget, InterruptPin {
  private final AtomicLong signals = new AtomicLong();
  private final Pin pin = new Pin();
  private final Vector error = new Vector();
  private Vector[] vectors = {};

  /** Something that interrupts, and the eventfd that hears it. */
  private abstract class Line {
    private EventFd eventFd;

    /** Whether it is to be signalled now. */
    abstract boolean due();

    /** It was. */
    abstract void signalled();

    /** Whatever it waited for is forgotten. */
    abstract void reset();

    final void update() {
      if (eventFd != null && due()) {
        eventFd.signal();
        signals.incrementAndGet();
        signalled();
      }
    }

    final void assign(EventFd newFd) {
      if (eventFd != null) {
        eventFd.close();
      }
      eventFd = newFd;
      update();
    }

    final void relieve() {
      if (eventFd != null) {
        eventFd.relieve();
      }
    }

    final void trigger() {
      if (eventFd != null) {
        eventFd.signal();
      }
    }
  }

  private final class Pin extends Line {
    private boolean level;
    private boolean masked;

    /** Unmasks it when it is signalled; null where messages alone do. */
    private EventFd unmask;

    @Override
    boolean due() {
      return level && !masked;
    }

    @Override
    void signalled() {
      masked = true;
    }

    @Override
    void reset() {
      masked = false;
      unmaskBy(null);
    }

    void unmaskBy(EventFd newFd) {
      if (unmask != null) {
        unmask.close();
      }
      unmask = newFd;
    }
  }

  private final class Vector extends Line {
    private boolean pending;

    @Override
    boolean due() {
      return pending;
    }

    @Override
    void signalled() {
      pending = false;
    }

    @Override
    void reset() {
      pending = false;
    }
  }

  /** Interrupts that nobody hears, until a client comes. */
  public ClientInterrupts() {}

  /** How often the device made a client be signalled; any thread. */
  public long signals() {
    return signals.get();
  }

  /** Says how many MSI-X vectors the function has, once. */
  void vectors(int count) {
    vectors = new Vector[count];
    for (int i = 0; i < count; i++) {
      vectors[i] = new Vector();
    }
  }

  // ---- from the function

  @Override
  public void deliver(long address, int data) {
    throw new IllegalStateException("a message past the client, who keeps the table");
  }

  @Override
  public boolean takeOver(int vector) {
    vectors[vector].pending = true;
    vectors[vector].update();
    return true;
  }

  @Override
  public void level(boolean asserted) {
    pin.level = asserted;
    pin.update();
  }

  // ---- from the client, who asks for what there is

  /** How many interrupts an index has: 0 to the number of vectors. */
  int count(int index) {
    return switch (index) {
      case VfioUserLayout.INTX_IRQ, VfioUserLayout.ERR_IRQ -> 1;
      case VfioUserLayout.MSIX_IRQ -> vectors.length;
      default -> 0;
    };
  }

  /** What an index can do: VFIO_IRQ_INFO_... */
  static int capabilities(int index) {
    return index == VfioUserLayout.INTX_IRQ
        ? VfioUserLayout.IRQ_EVENTFD | VfioUserLayout.IRQ_MASKABLE | VfioUserLayout.IRQ_AUTOMASKED
        : VfioUserLayout.IRQ_EVENTFD;
  }

  /** Sets what is signalled, and owns it; null for nothing. */
  void assign(int index, int number, EventFd eventFd) {
    if (index == VfioUserLayout.INTX_IRQ) {
      pin.masked = false;
    }
    line(index, number).assign(eventFd);
  }

  /** Masks or unmasks the pin, which alone can be. */
  void maskPin(boolean masked) {
    pin.masked = masked;
    pin.update();
  }

  // ---- from the server

  /**
   * Has whoever waits in an eventfd go on that a client has made to block. The server's thread, by
   * which alone they change; without the lock, which the one that waits may hold.
   */
  void relieve() {
    for (int index = 0; index < VfioUserLayout.IRQS; index++) {
      for (int number = 0; number < count(index); number++) {
        line(index, number).relieve();
      }
    }
  }

  /**
   * Sets what unmasks the pin without a message, and owns it; null for nothing. A hypervisor's
   * kernel signals it when the guest has done with an interrupt.
   */
  void unmaskPinBy(EventFd eventFd) {
    pin.unmaskBy(eventFd);
  }

  /** What becomes readable when the pin is to be unmasked; -1 for nothing. The server's thread. */
  int unmaskFd() {
    return pin.unmask == null ? -1 : pin.unmask.fd();
  }

  /** Unmasks the pin if that was signalled. */
  void unmaskPinIfSignalled() {
    if (pin.unmask != null && pin.unmask.take()) {
      maskPin(false);
    }
  }

  /** The client wants to see the interrupt, whether or not the device has one. */
  void trigger(int index, int number) {
    line(index, number).trigger();
  }

  /** Nothing of an index is signalled any more, nor remembered. */
  void disable(int index) {
    for (int number = 0; number < count(index); number++) {
      Line line = line(index, number);
      line.assign(null);
      line.reset();
    }
  }

  /** The client is gone. */
  void disableAll() {
    for (int index = 0; index < VfioUserLayout.IRQS; index++) {
      disable(index);
    }
  }

  private Line line(int index, int number) {
    return switch (index) {
      case VfioUserLayout.INTX_IRQ -> pin;
      case VfioUserLayout.MSIX_IRQ -> vectors[number];
      case VfioUserLayout.ERR_IRQ -> error;
      default -> throw new IllegalArgumentException("interrupt index " + index);
    };
  }
}
