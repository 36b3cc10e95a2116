package dev.virtiolab.lab.throughput;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.TapBackend;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What crossed on the way from client to server, as far as it is this process's, and what was lost
 * on it where.
 *
 * @param client the TAP in the client's namespace; empty where the client is elsewhere
 * @param server the TAP in the server's namespace; empty where the server is elsewhere
 * @param peer the wire to where the other one is; empty where both are here
 * @param relay what the guest's relay did
 */
public record PathReport(
    Optional<End> client, Optional<End> server, Optional<Peer> peer, Relaying relay) {

  /**
   * One end.
   *
   * @param address of the kernel there
   * @param tap the interface's name
   * @param toHost frames handed to the namespace's kernel
   * @param fromHost frames taken from it
   * @param dropped frames that the TAP was given and the kernel did not take, or that were none
   * @param droppedByHost frames that the kernel dropped since its queue, the interface's
   *     txqueuelen, was full: how TCP learns what the path carries
   */
  public record End(
      String address, String tap, long toHost, long fromHost, long dropped, long droppedByHost) {

    static End of(String address, TapBackend tap, long droppedByHost) {
      BackendCounters counters = tap.counters();
      return new End(
          address,
          tap.name(),
          counters.framesOut(),
          counters.framesIn(),
          counters.droppedOut() + counters.droppedIn(),
          droppedByHost);
    }
  }

  /**
   * The wire to another process.
   *
   * @param wire as on the command line
   * @param toPeer frames handed to it
   * @param fromPeer frames taken from it
   * @param dropped frames that it could not move
   */
  public record Peer(String wire, long toPeer, long fromPeer, long dropped) {
    static Peer of(String wire, BackendCounters counters) {
      return new Peer(
          wire,
          counters.framesOut(),
          counters.framesIn(),
          counters.droppedOut() + counters.droppedIn());
    }
  }

  /**
   * What the guest did between its network card and the TAP behind it.
   *
   * @param fromCard frames from the card to the TAP
   * @param toCard frames from the TAP to the card
   * @param dropped frames longer than the card sends
   */
  public record Relaying(long fromCard, long toCard, long dropped) {}

  /** Both are here: the client on the card's wire, the server behind the guest. */
  static PathReport across(End client, End server, Relaying relay) {
    return new PathReport(Optional.of(client), Optional.of(server), Optional.empty(), relay);
  }

  /** The client is behind the guest. */
  static PathReport ofClient(End client, Peer peer, Relaying relay) {
    return new PathReport(Optional.of(client), Optional.empty(), Optional.of(peer), relay);
  }

  /** The server is behind the guest. */
  static PathReport ofServer(End server, Peer peer, Relaying relay) {
    return new PathReport(Optional.empty(), Optional.of(server), Optional.of(peer), relay);
  }

  /** What was lost between the queues: 0 unless something is wrong. */
  public long lost() {
    return relay.dropped
        + ends().mapToLong(End::dropped).sum()
        + peer.map(Peer::dropped).orElse(0L);
  }

  private Stream<End> ends() {
    return Stream.of(client, server).flatMap(Optional::stream);
  }

  /** The end behind the guest: where there are two, the server's. */
  private End behindGuest() {
    return server.or(() -> client).orElseThrow();
  }

  /** For a person. */
  public String describe() {
    End behind = behindGuest();
    StringBuilder text = new StringBuilder(String.format("%n--- %s%n", way()));
    text.append(
        String.format(
            Locale.ROOT,
            "relay   %,d frames from the NIC to %s, %,d back, %,d dropped on the way%n",
            relay.fromCard,
            behind.tap,
            relay.toCard,
            lost()));
    peer.ifPresent(
        wire ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "wire    %,d frames to the other side, %,d from it, %,d dropped%n",
                    wire.toPeer,
                    wire.fromPeer,
                    wire.dropped)));
    String queues =
        ends()
            .map(end -> String.format(Locale.ROOT, "at %s for %,d", end.tap, end.droppedByHost))
            .reduce((first, second) -> first + " frames, " + second)
            .orElseThrow();
    String unit = peer.isPresent() ? " frames" : "";
    return text.append("queues  full ").append(queues).append(unit) + ": dropped by the kernel";
  }

  private String way() {
    if (peer.isEmpty()) {
      End near = client.orElseThrow();
      End far = server.orElseThrow();
      return "client %s - %s - NIC - Simple Network Protocol - %s - %s server"
          .formatted(near.address, near.tap, far.tap, far.address);
    }
    End behind = behindGuest();
    return "%s %s - %s - Simple Network Protocol - NIC - %s"
        .formatted(
            client.isPresent() ? "client" : "server", behind.address, behind.tap, peer.get().wire);
  }
}
