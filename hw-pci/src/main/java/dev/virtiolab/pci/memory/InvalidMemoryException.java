package dev.virtiolab.pci.memory;

/** Somebody asked for guest memory that cannot be. */
public final class InvalidMemoryException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final long base;
  private final long bytes;

  InvalidMemoryException(long base, long bytes, String rule) {
    super("impossible guest memory: base=0x%x bytes=0x%x: %s".formatted(base, bytes, rule));
    this.base = base;
    this.bytes = bytes;
  }

  /** First guest-physical address of what was asked for. */
  public long base() {
    return base;
  }

  /** Its size. */
  public long bytes() {
    return bytes;
  }
}
