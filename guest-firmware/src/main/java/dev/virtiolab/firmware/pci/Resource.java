package dev.virtiolab.firmware.pci;

/** A piece of address space that wants a place: a BAR, or a bridge's window. */
interface Resource {

  /** Bytes. */
  long size();

  /** A power of two. */
  long alignment();

  /** Puts it at {@code base}, a multiple of the alignment. */
  void place(long base);
}
