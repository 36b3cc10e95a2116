package dev.virtiolab.firmware.uefi;

/** The Mapping value of Map and Unmap: opaque to everybody but who made it. */
public interface DmaMapping {}
