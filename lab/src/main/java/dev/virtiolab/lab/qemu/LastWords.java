package dev.virtiolab.lab.qemu;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/**
 * The end of what a process printed. It is read for as long as the process runs, so that it never
 * waits for a reader, and only so much is kept.
 */
final class LastWords {
  private static final int KEPT_BYTES = 4096;
  private static final int LONGEST = 300;

  private final byte[] kept = new byte[KEPT_BYTES];
  private final Thread reader;

  /** Of all that was printed; the last of them are kept, each at its number modulo the room. */
  private long bytes;

  /** Reads on a thread of its own. */
  LastWords(InputStream output) {
    reader = Thread.ofVirtual().name("last words").start(() -> read(output));
  }

  private void read(InputStream output) {
    byte[] buffer = new byte[KEPT_BYTES];
    try (output) {
      for (int n = output.read(buffer); n >= 0; n = output.read(buffer)) {
        keep(buffer, n);
      }
    } catch (IOException e) {
      // The process was ended by us: its words are of no interest any more.
    }
  }

  private synchronized void keep(byte[] buffer, int length) {
    for (int i = 0; i < length; i++) {
      kept[(int) (bytes++ % KEPT_BYTES)] = buffer[i];
    }
  }

  /** The last line that says something, for a process that has ended; empty if there was none. */
  String lastLine() {
    try {
      reader.join(TimeUnit.SECONDS.toMillis(1)); // what it printed last is still on its way
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return clean(text().lines().filter(line -> !line.isBlank()).reduce("", (a, b) -> b));
  }

  private synchronized String text() {
    int length = (int) Math.min(bytes, KEPT_BYTES);
    byte[] text = new byte[length];
    for (int i = 0; i < length; i++) {
      text[i] = kept[(int) ((bytes - length + i) % KEPT_BYTES)];
    }
    return new String(text, StandardCharsets.UTF_8);
  }

  /** Without what a terminal would obey, and not too long. */
  static String clean(String line) {
    String printable = line.strip().replaceAll("\\p{Cntrl}", "?");
    return printable.length() <= LONGEST ? printable : printable.substring(0, LONGEST) + "...";
  }
}
