package dev.virtiolab.pci.qtest;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.UnixStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * The client's side of QEMU's qtest protocol: lines of ASCII, one request and one answer at a time.
 *
 * <pre>
 *   inb|inw|inl PORT                        OK 0xVALUE
 *   outb|outw|outl PORT VALUE               OK
 *   readb|readw|readl|readq ADDRESS         OK 0xVALUE
 *   writeb|writew|writel|writeq ADDRESS VALUE   OK
 *   anything that is not understood         FAIL REASON
 *   at any time, once it was asked for      IRQ raise|lower NUMBER
 * </pre>
 *
 * <p>QEMU is not trusted: a line has at most {@value #LONGEST_LINE} bytes, a value is read digit by
 * digit and has to fit the width that was asked for, and an answer has a deadline. After the first
 * thing that is wrong nothing more is sent, and every call throws the same again: there is no
 * telling any more which answer belongs to which request.
 *
 * <p>Nothing is allocated for an access. One thread uses it at a time; the counters may be read by
 * any.
 */
public final class QtestClient implements AutoCloseable {
  /** How long an answer may take unless another time is given. */
  public static final Duration PATIENCE = Duration.ofSeconds(10);

  /** Bytes of a line, its end not counted. QEMU's own have 21, a refusal some 60. */
  static final int LONGEST_LINE = 256;

  private static final int BUFFER_BYTES = 4096;
  private static final int DIGITS = 16;
  private static final String HEX = "0123456789abcdef";

  private static final byte[][] IN = {ascii("inb "), ascii("inw "), ascii("inl ")};
  private static final byte[][] OUT = {ascii("outb "), ascii("outw "), ascii("outl ")};
  private static final byte[][] READ = {
    ascii("readb "), ascii("readw "), ascii("readl "), ascii("readq ")
  };
  private static final byte[][] WRITE = {
    ascii("writeb "), ascii("writew "), ascii("writel "), ascii("writeq ")
  };
  private static final byte[] ENDIANNESS = ascii("endianness\n");

  private static final byte[] OK = ascii("OK");
  private static final byte[] OK_VALUE = ascii("OK 0x");
  private static final byte[] OK_LITTLE = ascii("OK little");
  private static final byte[] RAISE = ascii("IRQ raise ");
  private static final byte[] LOWER = ascii("IRQ lower ");
  private static final byte[] FAIL = ascii("FAIL");

  private final UnixStream stream;
  private final long patienceNanos;
  private final Poll readable = new Poll(1);
  private final Poll writable = new Poll(1);
  private final PassedFds passed = new PassedFds(0); // there is nothing that it could give us
  private final MemorySegment request = Arena.ofAuto().allocate(LONGEST_LINE);
  private final MemorySegment received = Arena.ofAuto().allocate(BUFFER_BYTES);

  private int requestBytes;

  /** What was received and not looked at lies in between. */
  private int start;

  private int end;

  /** The line that {@link #nextLine} found: its first byte, and one past its last. */
  private int line;

  private int lineEnd;

  private QtestException broken;
  private volatile long reads;
  private volatile long writes;
  private volatile long interrupts;

  /**
   * A client of whoever is at the other end of {@code stream}, which is closed with it.
   *
   * @param patience how long an answer may take
   */
  public QtestClient(UnixStream stream, Duration patience) {
    this.stream = stream;
    patienceNanos = patience.toNanos();
    readable.add(stream.fd());
    writable.addWritable(stream.fd());
  }

  // ---- what can be asked

  /**
   * Asks for the machine's byte order, which it can answer as soon as it is there.
   *
   * @throws QtestException if it is not little-endian, or anything else is wrong
   */
  public void greet() {
    begin(ENDIANNESS);
    send();
    awaitAnswer();
    if (!isLine(OK_LITTLE)) {
      throw fail("it says of its byte order: " + lineForPeople());
    }
  }

  /**
   * Reads an I/O port.
   *
   * @param port 0 to FFFFh
   * @param width 1, 2 or 4 bytes
   */
  public long in(int port, int width) {
    return read(IN, port, width);
  }

  /** Writes an I/O port; see {@link #in}. */
  public void out(int port, int width, long value) {
    write(OUT, port, width, value);
  }

  /**
   * Reads guest-physical memory, or what decodes there.
   *
   * @param width 1, 2, 4 or 8 bytes
   */
  public long read(long address, int width) {
    return read(READ, address, width);
  }

  /** Writes guest-physical memory; see {@link #read}. */
  public void write(long address, int width, long value) {
    write(WRITE, address, width, value);
  }

  private long read(byte[][] verbs, long address, int width) {
    begin(verbs[Integer.numberOfTrailingZeros(width)]);
    appendHex(address);
    append((byte) '\n');
    send();
    awaitAnswer();
    long value = valueOf(width);
    reads++; // one thread writes it
    return value;
  }

  private void write(byte[][] verbs, long address, int width, long value) {
    begin(verbs[Integer.numberOfTrailingZeros(width)]);
    appendHex(address);
    append((byte) ' ');
    appendHex(value & ConfigSpace.allOnes(width));
    append((byte) '\n');
    send();
    awaitAnswer();
    if (!isLine(OK)) {
      throw fail("it answers a write with " + lineForPeople());
    }
    writes++;
  }

  // ---- a request

  private void begin(byte[] verb) {
    if (broken != null) {
      throw broken;
    }
    MemorySegment.copy(verb, 0, request, ValueLayout.JAVA_BYTE, 0, verb.length);
    requestBytes = verb.length;
  }

  private void append(byte one) {
    request.set(ValueLayout.JAVA_BYTE, requestBytes++, one);
  }

  private void appendHex(long value) {
    append((byte) '0');
    append((byte) 'x');
    int digits = Math.max(1, DIGITS - Long.numberOfLeadingZeros(value) / 4);
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      append((byte) HEX.charAt((int) (value >>> shift & 0xf)));
    }
  }

  private void send() {
    long began = System.nanoTime();
    int sent = 0;
    while (sent < requestBytes) {
      int result = stream.send(request, sent, requestBytes - sent);
      if (result > 0) {
        sent += result;
      } else if (result == -Errno.EAGAIN) {
        await(writable, began);
      } else {
        throw fail("it has gone away");
      }
    }
  }

  // ---- an answer

  /** Finds the line that answers; interrupts that come before it are counted. */
  private void awaitAnswer() {
    long began = System.nanoTime();
    nextLine(began);
    while (isInterrupt()) {
      interrupts++;
      if (System.nanoTime() - began > patienceNanos) {
        throw silent();
      }
      nextLine(began);
    }
    if (starts(FAIL)) {
      throw fail("it refuses a request: " + lineForPeople());
    }
  }

  private void nextLine(long began) {
    int looked = start;
    while (true) {
      for (; looked < end; looked++) {
        if (received.get(ValueLayout.JAVA_BYTE, looked) == '\n') {
          line = start;
          lineEnd = looked;
          start = looked + 1;
          return;
        }
        if (looked - start == LONGEST_LINE) {
          throw fail("it sends a line of more than " + LONGEST_LINE + " bytes");
        }
      }
      looked -= moveToFront();
      receive(began);
    }
  }

  /** Makes room behind what is there, less than a line; returns by how much it was moved. */
  private int moveToFront() {
    int by = start;
    MemorySegment.copy(received, start, received, 0, end - start);
    start = 0;
    end -= by;
    return by;
  }

  private void receive(long began) {
    while (true) {
      int result = stream.receive(received, end, BUFFER_BYTES - end, passed);
      if (result > 0) {
        end += result;
        return;
      }
      if (result != -Errno.EAGAIN) {
        throw fail(end == start ? "it has gone away" : "it went away in the middle of a line");
      }
      await(readable, began);
    }
  }

  private void await(Poll poll, long began) {
    long left = patienceNanos - (System.nanoTime() - began);
    if (left <= 0 || poll.await(left) == 0) {
      throw silent();
    }
  }

  // ---- what a line says

  private boolean isInterrupt() {
    return (starts(RAISE) || starts(LOWER)) && isNumber(RAISE.length);
  }

  private boolean isNumber(int from) {
    int at = line + from;
    // 256 lines at most: three digits.
    if (at == lineEnd || lineEnd - at > 3) {
      return false;
    }
    for (; at < lineEnd; at++) {
      byte digit = received.get(ValueLayout.JAVA_BYTE, at);
      if (digit < '0' || digit > '9') {
        return false;
      }
    }
    return true;
  }

  private long valueOf(int width) {
    int digits = lineEnd - line - OK_VALUE.length;
    if (!starts(OK_VALUE) || digits < 1 || digits > DIGITS) {
      throw fail("it answers a read with " + lineForPeople());
    }
    long value = 0;
    for (int at = line + OK_VALUE.length; at < lineEnd; at++) {
      int digit = HEX.indexOf(received.get(ValueLayout.JAVA_BYTE, at));
      if (digit < 0) {
        throw fail("it answers a read with " + lineForPeople());
      }
      value = value << 4 | digit;
    }
    if ((value & ~ConfigSpace.allOnes(width)) != 0) {
      throw fail("it answers a read of " + width + " bytes with " + lineForPeople());
    }
    return value;
  }

  private boolean isLine(byte[] words) {
    return lineEnd - line == words.length && starts(words);
  }

  private boolean starts(byte[] words) {
    if (lineEnd - line < words.length) {
      return false;
    }
    for (int i = 0; i < words.length; i++) {
      if (received.get(ValueLayout.JAVA_BYTE, line + i) != words[i]) {
        return false;
      }
    }
    return true;
  }

  /** In quotation marks, and without what a terminal would obey. */
  private String lineForPeople() {
    StringBuilder text = new StringBuilder("\"");
    for (int at = line; at < lineEnd; at++) {
      int one = received.get(ValueLayout.JAVA_BYTE, at) & 0xff;
      text.append(one >= ' ' && one <= '~' ? (char) one : '?');
    }
    return text.append('"').toString();
  }

  private QtestException silent() {
    return fail("no answer in " + patienceNanos / 1_000_000 + " ms");
  }

  private QtestException fail(String message) {
    broken = new QtestException(message);
    return broken;
  }

  // ---- what was counted; from any thread

  /** Registers read so far. */
  public long reads() {
    return reads;
  }

  /** Registers written so far. */
  public long writes() {
    return writes;
  }

  /** Lines that told of an interrupt; none unless somebody asked for them. */
  public long interrupts() {
    return interrupts;
  }

  /** Closes the socket; nobody may be using it. A second call does nothing. */
  @Override
  public void close() {
    stream.close();
    readable.close();
    writable.close();
  }

  private static byte[] ascii(String words) {
    return words.getBytes(StandardCharsets.US_ASCII);
  }
}
