package dev.virtiolab.pci.config;

/**
 * One register, or some bits of one, and how a write from the bus treats them. A register with bits
 * of two kinds has two rules.
 *
 * @param name the specification's name, for messages and dumps
 * @param offset first byte of the register
 * @param width 1, 2 or 4 bytes
 * @param kind what a write does to the bits of {@code mask}
 * @param mask the bits that this rule is about
 */
public record RegisterRule(String name, int offset, int width, AccessKind kind, long mask) {

  /**
   * @throws IllegalArgumentException if the register is not aligned, or the mask wider than it
   */
  public RegisterRule {
    boolean aligned = (width == 1 || width == 2 || width == 4) && offset % width == 0;
    if (offset < 0 || !aligned || mask >>> width * 8 != 0) {
      throw new IllegalArgumentException(
          "impossible register: name=" + name + " offset=" + offset + " width=" + width);
    }
  }
}
