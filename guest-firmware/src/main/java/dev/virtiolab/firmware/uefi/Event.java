package dev.virtiolab.firmware.uefi;

/** EFI_EVENT: opaque to everybody but the core that made it. */
public interface Event {}
