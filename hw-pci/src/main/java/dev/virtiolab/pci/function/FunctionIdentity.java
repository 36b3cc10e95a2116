package dev.virtiolab.pci.function;

/**
 * The read-only identification of a function (PCI Local Bus 3.0, 6.2.1 "Device Identification").
 *
 * @param vendorId 16 bits
 * @param deviceId 16 bits
 * @param revision 8 bits
 * @param classCode 24 bits: base class, subclass, programming interface
 * @param subsystemVendorId 16 bits; a bridge has none in its header
 * @param subsystemId 16 bits
 * @param interruptPin 0 for none, 1 for INTA to 4 for INTD
 */
public record FunctionIdentity(
    int vendorId,
    int deviceId,
    int revision,
    int classCode,
    int subsystemVendorId,
    int subsystemId,
    int interruptPin) {

  /**
   * @throws IllegalArgumentException if a number has too many bits
   */
  public FunctionIdentity {
    int sixteen = vendorId | deviceId | subsystemVendorId | subsystemId;
    if (sixteen >>> 16 != 0
        || revision >>> 8 != 0
        || classCode >>> 24 != 0
        || interruptPin < 0
        || interruptPin > 4) {
      throw new IllegalArgumentException("a number of the identity has too many bits");
    }
  }

  @Override
  public String toString() {
    return String.format("%04x:%04x", vendorId, deviceId);
  }
}
