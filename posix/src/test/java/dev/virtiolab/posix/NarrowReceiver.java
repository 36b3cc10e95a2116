package dev.virtiolab.posix;

import java.io.FileInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A program that receives descriptors when it may open only a few more files. */
final class NarrowReceiver {
  private static final int SENT = 20;

  private NarrowReceiver() {}

  public static void main(String[] arguments) throws IOException {
    MemorySegment buffer = Arena.ofAuto().allocate(16);
    try (UnixListener listener = UnixListener.listen(arguments[0]);
        UnixStream client = UnixStream.connect(arguments[0]);
        UnixStream server = listener.accept();
        EventFd event = EventFd.create();
        PassedFds passed = new PassedFds(SENT)) {
      int[] fds = new int[SENT];
      Arrays.fill(fds, event.fd());
      client.send(buffer, 0, 1, fds);
      // Up to the limit, but for a few.
      List<FileInputStream> fillers = new ArrayList<>();
      try {
        while (true) {
          fillers.add(new FileInputStream("/dev/null"));
        }
      } catch (IOException e) {
        for (int i = 0; i < SENT / 2; i++) {
          fillers.removeLast().close();
        }
      }
      int bytes = server.receive(buffer, 0, 1, passed);
      int got = passed.count();
      boolean overflowed = passed.overflowed();
      passed.clear();
      int again = 0;
      try {
        while (again < SENT) {
          fillers.add(new FileInputStream("/dev/null"));
          again++;
        }
      } catch (IOException e) {
        // as many as there were before
      }
      boolean right = bytes == 1 && got == SENT / 2 && overflowed && again == SENT / 2;
      System.out.println(
          right
              ? "overflowed, nothing left"
              : "bytes=" + bytes + " got=" + got + " again=" + again + " " + overflowed);
      for (FileInputStream filler : fillers) {
        filler.close();
      }
    }
  }
}
