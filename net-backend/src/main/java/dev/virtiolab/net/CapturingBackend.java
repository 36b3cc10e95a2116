package dev.virtiolab.net;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Any back end, with a pcapng file of what crosses. Outbound is what the NIC sends, stamped when it
 * is committed; inbound what the NIC takes, stamped when it is released. Frames that were refused
 * or given back did not cross.
 *
 * <p>The traffic comes first: a file that cannot be written any more (a full disk) ends the capture
 * with one line in the log, and {@link #missed()} counts from there. What is in the file stays
 * readable.
 */
public final class CapturingBackend extends WatchedBackend {
  private static final System.Logger LOG = System.getLogger(CapturingBackend.class.getName());

  private final PcapngWriter writer;
  private final String file;

  /** Captured frames that are in memory only. */
  private int unwritten;

  private boolean stopped;
  private boolean closed;
  private volatile long captured;
  private volatile long missed;

  /** For tests: a channel that can fail. */
  CapturingBackend(NetBackend inner, SeekableByteChannel channel, String file) {
    super(inner);
    this.file = file;
    writer = new PcapngWriter(channel, "virtio-net");
    write();
  }

  /**
   * Captures what crosses {@code inner}, which is closed with this back end.
   *
   * @param file is made, or overwritten
   * @throws IOException where it cannot be
   */
  public static CapturingBackend open(NetBackend inner, Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
    return new CapturingBackend(inner, channel, file.toString());
  }

  /** Frames in the file, or soon there; readable from any thread. */
  public long captured() {
    return captured;
  }

  /**
   * Frames that crossed and are not in the file, because it could not be written; readable from any
   * thread.
   */
  public long missed() {
    return missed;
  }

  @Override
  public int peek() {
    int length = super.peek();
    if (length == 0 && writer.isDirty()) {
      // The device has nothing more to do and may sleep: a live reader sees all that has crossed.
      write();
    }
    return length;
  }

  /** Writes what is still in memory, and closes the file and the back end. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      write();
      try {
        writer.close();
      } catch (IOException e) {
        stop(e);
      }
      inner.close();
    }
  }

  @Override
  void crosses(MemorySegment memory, long offset, int length, int direction) {
    if (stopped) {
      missed = missed + 1;
      return;
    }
    try {
      if (!writer.hasRoom(length)) {
        writer.flush();
        unwritten = 0;
      }
      writer.packet(memory, offset, length, direction);
      captured = captured + 1;
      unwritten++;
    } catch (IOException e) {
      missed = missed + 1;
      stop(e);
    }
  }

  private void write() {
    if (!stopped) {
      try {
        writer.flush();
        unwritten = 0;
      } catch (IOException e) {
        stop(e);
      }
    }
  }

  private void stop(IOException reason) {
    if (!stopped) {
      stopped = true;
      captured = captured - unwritten;
      missed = missed + unwritten;
      unwritten = 0;
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: the capture ends here: {1}",
          file,
          reason.getMessage());
    }
  }
}
