package dev.virtiolab.firmware.stack;

/**
 * What a guest's network stack is told when it is made.
 *
 * @param self its address, link and gateway
 * @param seed what initial sequence numbers and local ports of TCP follow from; who knows it can
 *     guess them
 */
public record StackConfig(Ipv4Interface self, long seed) {

  /** A host on a link with everyone, with the seed 0. */
  public static StackConfig of(Ipv4Address address) {
    return new StackConfig(Ipv4Interface.onLink(address), 0);
  }
}
