package dev.virtiolab.net.netty;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What kind of stream.
 *
 * @param listens whether this end waits for the other, or goes to it
 * @param tls the folder of keys and certificates, named as QEMU names them ({@link TlsFolder});
 *     empty: frames go as they are
 * @param reconnect the longest pause before a client tries again; zero: it tries once
 * @param patience how long a frame that has begun, or a TLS handshake, may take
 * @param seed what the pauses of a client vary by; empty: by chance
 */
public record StreamConfig(
    boolean listens,
    StreamAddress address,
    Optional<Path> tls,
    Duration reconnect,
    Duration patience,
    OptionalLong seed) {

  /** The longest pause of a client, unless it is told otherwise. */
  public static final Duration DEFAULT_RECONNECT = Duration.ofSeconds(5);

  /** The patience, unless it is told otherwise. */
  public static final Duration DEFAULT_PATIENCE = Duration.ofSeconds(10);

  /** Waits at {@code address}. */
  public static StreamConfig listen(StreamAddress address) {
    return of(true, address);
  }

  /** Goes to {@code address}. */
  public static StreamConfig connect(StreamAddress address) {
    return of(false, address);
  }

  private static StreamConfig of(boolean listens, StreamAddress address) {
    return new StreamConfig(
        listens,
        address,
        Optional.empty(),
        DEFAULT_RECONNECT,
        DEFAULT_PATIENCE,
        OptionalLong.empty());
  }

  /** The same, by TLS. */
  public StreamConfig withTls(Path folder) {
    return new StreamConfig(listens, address, Optional.of(folder), reconnect, patience, seed);
  }

  /** The same with another longest pause. */
  public StreamConfig withReconnect(Duration pause) {
    return new StreamConfig(listens, address, tls, pause, patience, seed);
  }

  /** The same with another patience. */
  public StreamConfig withPatience(Duration time) {
    return new StreamConfig(listens, address, tls, reconnect, time, seed);
  }

  /** The same with pauses that follow from {@code number}. */
  public StreamConfig withSeed(long number) {
    return new StreamConfig(listens, address, tls, reconnect, patience, OptionalLong.of(number));
  }

  /** As on the command line, without its options. */
  @Override
  public String toString() {
    return "stream:" + (listens ? "listen:" : "") + address;
  }
}
