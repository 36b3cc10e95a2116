package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.stack.Ipv4Address;
import org.junit.jupiter.api.Test;

/** What goes to the echo service comes back, through faults, and closed connections leave it. */
class TcpEchoTest {
  @Test
  void whatComesGoesBackUntilThePeerCloses() {
    SimulatedWire wire = new SimulatedWire(Seed.random("TcpEchoTest"));
    wire.faults = new SimulatedWire.Faults(0.03, 0.03, 0.1, 0.01);
    TcpEcho echo = new TcpEcho(wire.right.tcp, 7);
    for (int round = 0; round < 2 * TcpEcho.MOST; round++) {
      TcpConnection client = wire.left.tcp.connect(Ipv4Address.parse("10.0.0.2"), 7);
      Stream stream = new Stream(round, 20_000, 3_000);
      for (int i = 0; i < 100_000 && !stream.isDone(); i++) {
        if (client.isEstablished() && !stream.isEnded()) {
          stream.feed(client);
        }
        echo.run();
        wire.step();
        stream.drain(client);
      }
      assertTrue(stream.isDone(), stream::toString);
      client.close();
    }
    long until = wire.clock.nanos() + 400 * TcpHost.SECOND;
    while (wire.clock.nanos() < until && wire.right.tcp.connections() > 0) {
      echo.run();
      wire.step();
    }
    assertEquals(0, wire.right.tcp.connections());
  }
}
