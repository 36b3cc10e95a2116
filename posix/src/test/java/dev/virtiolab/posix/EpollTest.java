package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** epoll(7): what is watched, reported once, and taken out again. */
class EpollTest {
  private final int[] tags = new int[4];

  @Test
  void eachSignalIsReportedOnceAndTheSetIsReadableMeanwhile() {
    try (Epoll set = Epoll.create();
        EventFd one = EventFd.create();
        EventFd two = EventFd.create();
        Poll poll = new Poll(1)) {
      poll.add(set.fd());
      set.addEdge(one.fd(), 1);
      set.addEdge(two.fd(), 7);
      assertEquals(0, poll.await(0));
      assertEquals(0, set.take(tags));
      two.signal();
      assertEquals(1, poll.await(0));
      assertEquals(1, set.take(tags));
      assertEquals(7, tags[0]);
      // Nobody read it: it is not reported again before it is signalled again.
      assertEquals(0, poll.await(0));
      assertEquals(0, set.take(tags));
      two.signal();
      one.signal();
      assertEquals(2, set.take(tags));
      assertEquals(8, tags[0] + tags[1]);
    }
  }

  @Test
  void whatWasSignalledBeforeIsReported() {
    try (Epoll set = Epoll.create();
        EventFd one = EventFd.create()) {
      one.signal();
      set.addEdge(one.fd(), 3);
      assertEquals(1, set.take(tags));
      assertEquals(3, tags[0]);
    }
  }

  @Test
  void whatWasTakenOutIsNotReportedThoughItIsStillOpenElsewhere() {
    try (Epoll set = Epoll.create();
        EventFd one = EventFd.create()) {
      set.addEdge(one.fd(), 3);
      set.remove(one.fd());
      one.signal();
      assertEquals(0, set.take(tags));
      PosixException again = assertThrows(PosixException.class, () -> set.remove(one.fd()));
      assertEquals(Errno.ENOENT, again.errno());
    }
  }

  @Test
  void moreThanThereIsRoomForComesTheNextTime() {
    try (Epoll set = Epoll.create();
        EventFd one = EventFd.create();
        EventFd two = EventFd.create()) {
      set.addEdge(one.fd(), 1);
      set.addEdge(two.fd(), 2);
      one.signal();
      two.signal();
      int[] single = new int[1];
      assertEquals(1, set.take(single));
      int first = single[0];
      assertEquals(1, set.take(single));
      assertEquals(3, first + single[0]);
    }
  }

  @Test
  void aFileCannotBeWaitedFor() {
    try (Epoll set = Epoll.create();
        MemFd file = MemFd.create("epoll-test", 1)) {
      assertThrows(PosixException.class, () -> set.addEdge(file.fd(), 1));
      assertTrue(set.fd() >= 0);
    }
  }
}
