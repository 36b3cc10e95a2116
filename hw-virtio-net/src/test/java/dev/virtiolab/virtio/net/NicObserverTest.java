package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.fixture.TestNic;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What an observer is told, and in which order. */
class NicObserverTest {
  private final TestNic nic = TestNic.conventional();
  private final List<String> told = new ArrayList<>();

  @AfterEach
  void close() {
    nic.close();
  }

  private final class Log implements NicObserver {
    @Override
    public void kicked(int queue) {
      told.add("kicked " + queue);
    }

    @Override
    public void chainTaken(int queue, int head, int readableBytes, int writableBytes) {
      told.add("taken %d/%d r%d w%d".formatted(queue, head, readableBytes, writableBytes));
    }

    @Override
    public void chainLeft(int queue, int head) {
      told.add("left %d/%d".formatted(queue, head));
    }

    @Override
    public void chainUsed(int queue, int head, int writtenBytes) {
      told.add("used %d/%d %d".formatted(queue, head, writtenBytes));
    }

    @Override
    public void interrupted(int queue) {
      told.add("interrupted " + queue);
    }

    @Override
    public void dropped(Drop reason) {
      told.add("dropped " + reason);
    }

    @Override
    public void brokeDown(String why) {
      told.add("broke down");
    }

    @Override
    public void wasReset() {
      told.add("reset");
    }
  }

  @Test
  void aFrameEachWayIsToldStepByStep() {
    nic.start(TestNic.BASIC);
    nic.device.observe(new Log());
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    nic.offerReceive(0, 1);
    nic.wire.deliver(TestNic.frame(64, 2));
    nic.device.poll(8);
    assertEquals(
        List.of(
            "kicked 1",
            "taken 1/0 r72 w0",
            "used 1/0 0",
            "interrupted 1",
            "kicked 0",
            "taken 0/0 r0 w" + TestNic.RX_BUFFER_BYTES,
            "used 0/0 76",
            "interrupted 0"),
        told);
  }

  @Test
  void whatGoesWrongIsToldToo() {
    nic.start(TestNic.BASIC);
    nic.device.observe(new Log());
    List<String> faults = new ArrayList<>();
    nic.function.observeDmaFaults(
        (address, access, reason) -> faults.add("%s %x %s".formatted(access, address, reason)));
    nic.transmitRing().begin().readable(TestNic.RAM_BYTES, 100).offer();
    nic.publishTransmit();
    nic.device.poll(8);
    nic.status(0);
    assertEquals(
        List.of(
            "kicked 1",
            "taken 1/0 r100 w0",
            "dropped TX_DMA_FAULT",
            "used 1/0 0",
            "interrupted 1",
            "reset"),
        told);
    assertEquals(List.of("READ %x %s".formatted(TestNic.RAM_BYTES, DmaFault.NO_MEMORY)), faults);
  }
}
