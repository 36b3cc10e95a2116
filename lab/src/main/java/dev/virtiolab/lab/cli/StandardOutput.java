package dev.virtiolab.lab.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/**
 * Standard output, or any other stream to whoever reads what is printed. A reader that has gone
 * away, as {@code head} does when it has seen enough, is no error: the rest is for nobody.
 */
final class StandardOutput extends OutputStream {
  private static final String READER_GONE = "Broken pipe";

  private final OutputStream sink;
  private boolean readerGone;

  StandardOutput() {
    this(new FileOutputStream(FileDescriptor.out));
  }

  StandardOutput(OutputStream sink) {
    this.sink = sink;
  }

  @Override
  public void write(int oneByte) throws IOException {
    write(new byte[] {(byte) oneByte}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    if (readerGone) {
      return;
    }
    try {
      sink.write(bytes, offset, length);
    } catch (IOException e) {
      if (!READER_GONE.equals(e.getMessage())) {
        throw e;
      }
      readerGone = true;
    }
  }

  @Override
  public void flush() throws IOException {
    sink.flush();
  }
}
