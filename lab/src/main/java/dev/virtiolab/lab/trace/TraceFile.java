package dev.virtiolab.lab.trace;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Writes a timeline that Perfetto and chrome://tracing open: Trace Event Format, in the form of a
 * JSON array, in which the closing bracket may be missing. Events are gathered in a buffer, and the
 * file grows by whole events only, so that what is there at any time can be opened.
 *
 * <p>An event is written field by field, from {@link #begin} to {@link #end}, and nothing is
 * allocated for it. One thread at a time: whoever shares a file locks it.
 *
 * <p>The traffic comes first: a file that cannot be written any more (a full disk) ends the trace
 * with one line in the log, and {@link #missed()} counts from there.
 *
 * @see <a href="https://github.com/google/perfetto">Perfetto</a>, "Trace Event Format" (Chromium
 *     project): phases M (metadata), i (instant), X (complete), b and e (asynchronous)
 */
public final class TraceFile implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(TraceFile.class.getName());
  private static final int BUFFER_BYTES = 256 * 1024;

  /** No event is longer: its texts are cut, see {@link #MAX_TEXT}. */
  private static final int MAX_EVENT_BYTES = 8 * 1024;

  /** Characters of a text that are kept; each takes at most 6 bytes. */
  private static final int MAX_TEXT = 200;

  private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private final SeekableByteChannel channel;
  private final String file;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
  private final byte[] digits = new byte[20];

  private int eventsInBuffer;
  private long written;
  private long missed;
  private boolean inArguments;
  private boolean stopped;
  private boolean closed;

  /** For tests: a channel that can fail. */
  TraceFile(SeekableByteChannel channel, String file) {
    this.channel = channel;
    this.file = file;
    buffer.put((byte) '[');
  }

  /**
   * @param path is made, or overwritten
   * @throws IOException where it cannot be
   */
  public static TraceFile open(Path path) throws IOException {
    return new TraceFile(
        FileChannel.open(
            path,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE),
        path.toString());
  }

  /** Events in the file, or soon there. */
  public synchronized long written() {
    return written;
  }

  /** Events that happened and are not in the file, because it could not be written. */
  public synchronized long missed() {
    return missed;
  }

  /**
   * Begins an event; arguments may follow, then {@link #end}.
   *
   * @param phase as the format calls it
   * @param process number of the group of tracks
   * @param thread number of the track in its group
   * @param nanos on the trace's clock, not negative
   */
  TraceFile begin(char phase, String name, int process, int thread, long nanos) {
    if (buffer.remaining() < MAX_EVENT_BYTES) {
      flush();
    }
    ascii(written + missed == 0 ? "\n{\"ph\":\"" : ",\n{\"ph\":\"");
    buffer.put((byte) phase);
    ascii("\",\"pid\":");
    decimal(process);
    ascii(",\"tid\":");
    decimal(thread);
    ascii(",\"ts\":");
    micros(nanos);
    ascii(",\"name\":");
    quoted(name);
    inArguments = false;
    return this;
  }

  /** How long a complete event lasted. */
  TraceFile lasting(long nanos) {
    ascii(",\"dur\":");
    micros(nanos);
    return this;
  }

  /** What joins the two ends of an asynchronous event. */
  TraceFile joinedBy(String category, long id) {
    ascii(",\"cat\":");
    quoted(category);
    ascii(",\"id\":\"");
    hexadecimal(id);
    buffer.put((byte) '"');
    return this;
  }

  /** Marks an instant as its track's own, not its group's. */
  TraceFile ofTrack() {
    ascii(",\"s\":\"t\"");
    return this;
  }

  TraceFile number(String name, long value) {
    argument(name);
    decimal(value);
    return this;
  }

  /** As text, since JSON has no hexadecimal numbers and a reader of addresses wants no others. */
  TraceFile address(String name, long value) {
    argument(name);
    buffer.put((byte) '"');
    hexadecimal(value);
    buffer.put((byte) '"');
    return this;
  }

  TraceFile text(String name, String value) {
    argument(name);
    quoted(value);
    return this;
  }

  void end() {
    ascii(inArguments ? "}}" : "}");
    eventsInBuffer++;
    if (stopped) {
      buffer.clear();
      eventsInBuffer = 0;
      missed++;
    } else {
      written++;
    }
  }

  private void argument(String name) {
    ascii(inArguments ? "," : ",\"args\":{");
    inArguments = true;
    quoted(name);
    buffer.put((byte) ':');
  }

  // ---- JSON (RFC 8259)

  private void ascii(String text) {
    for (int i = 0; i < text.length(); i++) {
      buffer.put((byte) text.charAt(i));
    }
  }

  private void quoted(String text) {
    buffer.put((byte) '"');
    for (int i = 0; i < Math.min(text.length(), MAX_TEXT); i++) {
      char c = text.charAt(i);
      if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
        buffer.put((byte) c);
      } else {
        ascii("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) {
          buffer.put(HEX[c >>> shift & 0xf]);
        }
      }
    }
    buffer.put((byte) '"');
  }

  private void decimal(long value) {
    if (value < 0) {
      buffer.put((byte) '-');
    }
    int at = digits.length;
    long rest = value;
    do {
      // Math.abs of the digit, not of the value: that of Long.MIN_VALUE does not exist.
      digits[--at] = HEX[(int) Math.abs(rest % 10)];
      rest /= 10;
    } while (rest != 0);
    buffer.put(digits, at, digits.length - at);
  }

  private void hexadecimal(long value) {
    ascii("0x");
    int nibbles = Math.max(1, (Long.SIZE - Long.numberOfLeadingZeros(value) + 3) / 4);
    for (int shift = 4 * (nibbles - 1); shift >= 0; shift -= 4) {
      buffer.put(HEX[(int) (value >>> shift) & 0xf]);
    }
  }

  /** The format counts microseconds; the digits after the point are nanoseconds. */
  private void micros(long nanos) {
    decimal(nanos / 1000);
    buffer.put((byte) '.');
    int rest = (int) (nanos % 1000);
    buffer.put(HEX[rest / 100]).put(HEX[rest / 10 % 10]).put(HEX[rest % 10]);
  }

  // ---- the file

  /** Writes what was gathered. After a failure the file is cut back to whole events. */
  private void flush() {
    if (stopped) {
      buffer.clear();
      return;
    }
    try {
      long whole = channel.position();
      buffer.flip();
      try {
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
      } catch (IOException e) {
        channel.truncate(whole);
        throw e;
      }
    } catch (IOException e) {
      stop(e);
    } finally {
      buffer.clear();
      eventsInBuffer = 0;
    }
  }

  private void stop(IOException reason) {
    stopped = true;
    written -= eventsInBuffer;
    missed += eventsInBuffer;
    LOG.log(
        System.Logger.Level.WARNING, "{0}: the trace ends here: {1}", file, reason.getMessage());
  }

  /** Writes what is still in memory, closes the array and the file. */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    ascii("\n]\n");
    flush();
    boolean whole = !stopped;
    stopped = true;
    try {
      channel.close();
    } catch (IOException e) {
      if (whole) {
        stop(e);
      }
    }
  }
}
