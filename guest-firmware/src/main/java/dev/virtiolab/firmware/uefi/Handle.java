package dev.virtiolab.firmware.uefi;

/** EFI_HANDLE: opaque to everybody but the core that made it. */
public interface Handle {}
