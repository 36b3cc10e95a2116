package dev.virtiolab.pci.function;

/**
 * Where a message-signalled interrupt goes: the system's side of a 4-byte memory write (PCI Local
 * Bus 3.0, 6.8.2 "MSI-X Capability and Table Structures").
 *
 * <p>Called on any thread, with the sending function's lock held: it must be quick, must not throw
 * and must not call back into the function. Address and data come from the guest: whether somebody
 * listens there is for the target to say.
 */
@FunctionalInterface
public interface MessageTarget {

  void deliver(long address, int data);

  /**
   * Asked first, for each signal of an enabled MSI-X: takes the whole vector over where table,
   * masks and pending bits are kept elsewhere, as a hypervisor does for a function that is handed
   * to it.
   *
   * @return whether it did; if not, what this function's own table says holds
   */
  default boolean takeOver(int vector) {
    return false;
  }
}
