package dev.virtiolab.pci.host;

import dev.virtiolab.pci.function.PciFunction;

/** The slots of one bus: up to 32 devices, each with a function 0. */
public final class PciBus {
  private final PciFunction bridge;
  private final PciFunction[] devices;
  private final Runnable onDecodeChange;

  /**
   * @param bridge what leads to this bus; null for the root bus
   * @param slots how many devices fit: 32, or 1 behind a PCI Express port
   * @param onDecodeChange told when a function on this bus decodes elsewhere
   */
  PciBus(PciFunction bridge, int slots, Runnable onDecodeChange) {
    this.bridge = bridge;
    this.devices = new PciFunction[slots];
    this.onDecodeChange = onDecodeChange;
  }

  /**
   * Plugs {@code function} in as {@code device}.0. To be done before the machine runs.
   *
   * @throws IllegalArgumentException if there is no such slot, or it is taken
   * @throws IllegalStateException if the function is plugged in elsewhere
   */
  public void plug(int device, PciFunction function) {
    if (device < 0 || device >= devices.length) {
      throw new IllegalArgumentException(
          "no slot for device " + device + "; this bus has " + devices.length);
    }
    if (devices[device] != null) {
      throw new IllegalArgumentException(
          "slot " + device + " is taken by " + devices[device] + "; choose another");
    }
    function.plugged(bridge, onDecodeChange);
    devices[device] = function;
    onDecodeChange.run();
  }

  /** Number of slots. */
  public int slots() {
    return devices.length;
  }

  /** What is plugged in as {@code device}, or null. */
  public PciFunction device(int device) {
    return device < devices.length ? devices[device] : null;
  }
}
