package dev.virtiolab.net;

import dev.virtiolab.net.netty.StreamAddress;
import dev.virtiolab.net.netty.StreamConfig;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Reads what follows {@code stream:}.
 *
 * <pre>
 *   [listen:]HOST:PORT        TCP; an IPv6 address in brackets; port 0: any that is free (listen)
 *   [listen:]unix:PATH        a unix socket
 *   ,tls=DIR                  with the keys and certificates of that folder
 *   ,reconnect=SECONDS        the longest pause before trying again; 0: try once (not with listen)
 *   ,timeout=SECONDS          how long a frame that has begun may take
 * </pre>
 */
final class StreamSpec {
  private static final String LISTEN = "listen:";
  private static final String UNIX = "unix:";
  private static final int MAX_PORT = 65_535;

  /** A day: whoever waits longer means something else. */
  private static final double MAX_SECONDS = 86_400;

  private final String text;

  private StreamSpec(String text) {
    this.text = text;
  }

  /**
   * @param text the whole, for the message
   * @throws BackendSpecException if it cannot be read
   */
  static StreamConfig parse(String text, String argument) {
    return new StreamSpec(text).config(argument);
  }

  private StreamConfig config(String argument) {
    String[] words = argument.split(",", -1);
    boolean listens = words[0].startsWith(LISTEN);
    StreamAddress address =
        address(listens ? words[0].substring(LISTEN.length()) : words[0], listens);
    StreamConfig config = listens ? StreamConfig.listen(address) : StreamConfig.connect(address);
    for (int i = 1; i < words.length; i++) {
      config = option(config, words[i]);
    }
    return config;
  }

  private StreamConfig option(StreamConfig config, String word) {
    int equals = word.indexOf('=');
    String name = equals < 0 ? word : word.substring(0, equals);
    String value = equals < 0 ? "" : word.substring(equals + 1);
    return switch (name) {
      case "tls" -> {
        if (value.isEmpty()) {
          throw refuse("tls names a folder: tls=DIR");
        }
        yield config.withTls(path(value));
      }
      case "reconnect" -> {
        if (config.listens()) {
          throw refuse("reconnect is for the end that connects");
        }
        yield config.withReconnect(seconds(name, value));
      }
      case "timeout" -> {
        Duration patience = seconds(name, value);
        if (patience.isZero()) {
          throw refuse("timeout is more than 0 seconds");
        }
        yield config.withPatience(patience);
      }
      default ->
          throw refuse(
              "no option '" + word + "': there are tls=DIR, reconnect=SECONDS and timeout=SECONDS");
    };
  }

  private StreamAddress address(String word, boolean listens) {
    if (word.startsWith(UNIX)) {
      String path = word.substring(UNIX.length());
      if (path.isEmpty()) {
        throw refuse("unix: is followed by a path");
      }
      try {
        return new StreamAddress.Unix(path(path));
      } catch (IllegalArgumentException e) {
        throw refuse(e.getMessage());
      }
    }
    int colon = word.lastIndexOf(':');
    String host = colon < 0 ? "" : word.substring(0, colon);
    if (host.isEmpty()) {
      throw refuse("it needs HOST:PORT or unix:PATH");
    }
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
      if (host.indexOf(':') < 0) {
        throw refuse("in brackets there is an IPv6 address");
      }
    } else if (host.indexOf(':') >= 0) {
      throw refuse("an IPv6 address is written in brackets: [::1]:PORT");
    }
    int port = port(word.substring(colon + 1));
    if (port == 0 && !listens) {
      throw refuse("nobody can be reached at port 0");
    }
    return new StreamAddress.Tcp(host, port);
  }

  private int port(String word) {
    // Five digits at most, and no sign.
    if (!word.matches("[0-9]{1,5}") || Integer.parseInt(word) > MAX_PORT) {
      throw refuse("a port is from 0 to " + MAX_PORT + ", not '" + word + "'");
    }
    return Integer.parseInt(word);
  }

  private Duration seconds(String name, String word) {
    if (!word.matches("[0-9]{1,6}(\\.[0-9]{1,3})?") || Double.parseDouble(word) > MAX_SECONDS) {
      throw refuse(name + " is a number of seconds, from 0 to 86400, not '" + word + "'");
    }
    return Duration.ofMillis(Math.round(Double.parseDouble(word) * 1000));
  }

  private Path path(String word) {
    try {
      return Path.of(word);
    } catch (InvalidPathException e) {
      throw refuse("no path: " + e.getMessage());
    }
  }

  private BackendSpecException refuse(String reason) {
    return new BackendSpecException(text, reason);
  }
}
