package dev.virtiolab.firmware.stack.tcp;

/**
 * Arithmetic on sequence numbers: RFC 9293, 3.4 "Sequence Numbers". They run free in 32 bits; two
 * that are compared lie less than 2^31 apart, since no window is larger than 2^30, so that the sign
 * of their difference says which is first.
 */
final class Sequence {
  private Sequence() {}

  static boolean before(int a, int b) {
    return a - b < 0;
  }

  static boolean after(int a, int b) {
    return a - b > 0;
  }

  static int max(int a, int b) {
    return after(a, b) ? a : b;
  }

  static int min(int a, int b) {
    return before(a, b) ? a : b;
  }
}
