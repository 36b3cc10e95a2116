/**
 * UEFI as its users see it: status codes, boot services and protocols, by the names and with the
 * status codes of the UEFI Specification 2.10. Interfaces and values only; the code behind them is
 * in the packages beside this one.
 *
 * <p>The firmware has one thread. An output parameter is a {@link dev.virtiolab.firmware.uefi.Ref},
 * {@link dev.virtiolab.firmware.uefi.LongRef} or {@link dev.virtiolab.firmware.uefi.IntRef} that
 * the caller owns and may use again, so that a call per packet allocates nothing. {@code null}
 * stands for the NULL that the specification speaks of, where it does. A buffer that a device may
 * reach is a guest-physical address, a {@code long}.
 */
package dev.virtiolab.firmware.uefi;
