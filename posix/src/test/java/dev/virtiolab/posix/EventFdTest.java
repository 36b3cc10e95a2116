package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.StuckEventFd;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class EventFdTest {
  @Test
  void isReadableFromSignalToDrain() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(1)) {
      int index = poll.add(event.fd());
      assertEquals(0, poll.await(0));
      event.signal();
      event.signal();
      assertEquals(1, poll.await(0));
      assertTrue(poll.readable(index));
      assertTrue(event.drain());
      assertEquals(0, poll.await(0));
    }
  }

  @Test
  void drainOfASilentOneDoesNotBlock() {
    try (EventFd event = EventFd.create()) {
      assertFalse(event.drain());
    }
  }

  @Test
  void signalOfAFullCounterIsNoError() {
    try (EventFd event = EventFd.create()) {
      // The counter's limit is 2^64 - 2: eventfd(2).
      assertEquals(0, LibC.eventfd_write(event.fd(), -2L));
      event.signal();
      assertTrue(event.drain());
    }
  }

  @Test
  void relievingLetsAWriterGoThatAPeerMadeBlock() throws InterruptedException {
    try (EventFd event = EventFd.create()) {
      StuckEventFd.fill(event.fd());
      Thread writer = Thread.ofPlatform().daemon().start(event::signal);
      long start = System.nanoTime();
      while (!writer.join(Duration.ofMillis(20))) {
        assertTrue(System.nanoTime() - start < 30_000_000_000L, "still waits");
        event.relieve();
      }
      assertEquals(0, LibC.fcntl(event.fd(), LibC.F_SETFL, LibC.O_RDWR | LibC.O_NONBLOCK));
      assertTrue(event.drain(), "the signal has arrived");
    }
  }

  @Test
  void relievingTakesNothingFromOneThatIsNotFullAndDoesNotBlock() {
    try (EventFd event = EventFd.create()) {
      assertEquals(0, LibC.fcntl(event.fd(), LibC.F_SETFL, LibC.O_RDWR));
      event.relieve();
      event.signal();
      event.relieve();
      assertTrue(event.drain());
    }
  }

  @Test
  void takingDoesNotBlockThoughAPeerWouldHaveIt() {
    try (EventFd event = EventFd.create()) {
      assertEquals(0, LibC.fcntl(event.fd(), LibC.F_SETFL, LibC.O_RDWR));
      assertFalse(event.take());
      event.signal();
      event.signal();
      assertTrue(event.take());
      assertFalse(event.take());
    }
  }

  @Test
  void closedOneIsUsedNoMore() {
    EventFd event = EventFd.create();
    event.close();
    event.close();
    assertThrows(IllegalStateException.class, event::signal);
    assertThrows(IllegalStateException.class, event::drain);
  }
}
