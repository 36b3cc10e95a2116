package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.IpSender;
import java.lang.foreign.MemorySegment;

/** IPv4 that takes what it is given and keeps the last of it; it allocates nothing. */
final class FakeIp implements IpSender {
  private final MemorySegment payload = MemorySegment.ofArray(new byte[65_515]);
  long sent;

  @Override
  public int address() {
    return ScriptedPeer.GUEST;
  }

  @Override
  public int mtu() {
    return 1500;
  }

  @Override
  public MemorySegment payload() {
    return payload;
  }

  @Override
  public boolean hasRoom(int length) {
    return true;
  }

  @Override
  public void send(int destination, int protocol, int length, boolean dontFragment, long nowNanos) {
    sent++;
  }
}
