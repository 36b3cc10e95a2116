package dev.virtiolab.lab.throughput;

import java.util.Locale;

/**
 * What crossed on the way between the two namespaces, and what was lost on it where.
 *
 * @param client the TAP in the client's namespace, which the NIC is plugged into
 * @param server the TAP in the server's namespace, at the guest's relay
 * @param relay what the guest's relay did
 */
public record PathReport(End client, End server, Relaying relay) {

  /**
   * One end.
   *
   * @param tap the interface's name
   * @param toHost frames handed to the namespace's kernel
   * @param fromHost frames taken from it
   * @param dropped frames that the TAP was given and the kernel did not take, or that were none
   * @param droppedByHost frames that the kernel dropped since its queue, the interface's
   *     txqueuelen, was full: how TCP learns what the path carries
   */
  public record End(String tap, long toHost, long fromHost, long dropped, long droppedByHost) {}

  /**
   * What the guest did between its network card and the second TAP.
   *
   * @param fromCard frames from the card to the TAP
   * @param toCard frames from the TAP to the card
   * @param dropped frames longer than the card sends
   */
  public record Relaying(long fromCard, long toCard, long dropped) {}

  /** What was lost between the kernels' queues: 0 unless something is wrong. */
  public long lost() {
    return client.dropped + relay.dropped + server.dropped;
  }

  /** For a person. */
  public String describe() {
    return String.format(
            Locale.ROOT,
            "%n--- client %s - %s - NIC - Simple Network Protocol - %s - %s server%n",
            Crossing.CLIENT_ADDRESS,
            client.tap,
            server.tap,
            Crossing.SERVER_ADDRESS)
        + String.format(
            Locale.ROOT,
            "relay   %,d frames from the NIC to %s, %,d back, %,d dropped on the way%n",
            relay.fromCard,
            server.tap,
            relay.toCard,
            lost())
        + String.format(
            Locale.ROOT,
            "queues  full at %s for %,d frames, at %s for %,d: dropped by the kernel",
            client.tap,
            client.droppedByHost,
            server.tap,
            server.droppedByHost);
  }
}
