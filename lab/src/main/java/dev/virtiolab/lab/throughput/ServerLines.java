package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What an iperf3 server prints, passed on; its lines say whom it serves. */
final class ServerLines extends FilterOutputStream {
  private static final Pattern ACCEPTED = Pattern.compile("^Accepted connection from ([\\d.]+),");
  private static final String LISTENING = "Server listening";

  /** Of a line what tells it from others. */
  private static final int KEPT_CHARACTERS = 80;

  private final StringBuilder line = new StringBuilder();
  private volatile Optional<Ipv4Address> client = Optional.empty();

  ServerLines(OutputStream screen) {
    super(screen);
  }

  /** Whom it serves now; empty while it waits for the next one. Any thread. */
  Optional<Ipv4Address> client() {
    return client;
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    String text = new String(bytes, offset, length, StandardCharsets.ISO_8859_1);
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == '\n') {
        understand();
        line.setLength(0);
      } else if (line.length() < KEPT_CHARACTERS) {
        line.append(text.charAt(i));
      }
    }
    out.write(bytes, offset, length);
  }

  @Override
  public void write(int octet) throws IOException {
    write(new byte[] {(byte) octet}, 0, 1);
  }

  private void understand() {
    Matcher accepted = ACCEPTED.matcher(line);
    if (accepted.find()) {
      client = address(accepted.group(1));
    } else if (line.indexOf(LISTENING) == 0) {
      client = Optional.empty();
    }
  }

  private static Optional<Ipv4Address> address(String digits) {
    try {
      return Optional.of(Ipv4Address.parse(digits));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
