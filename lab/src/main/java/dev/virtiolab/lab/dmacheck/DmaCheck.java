package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.dmacheck.Evidence.Sign;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.virtio.net.Drop;
import dev.virtiolab.virtio.net.NicObserver;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.SplittableRandom;

/**
 * Runs drivers that make mistakes, and says how each shows.
 *
 * <p>A run: boot, start the driver, then a few times: one frame out, one frame in, each compared
 * byte by byte; stop the driver. Frames are random bytes behind an Ethernet header, so that a wrong
 * byte is a byte that differs.
 */
public final class DmaCheck {
  private static final int FRAMES_ON_THE_WIRE = 16;

  /**
   * Bytes of the frames, each way. The third frame lies across two pages, as {@link SmallNet}
   * places its slots.
   */
  private static final int[] FRAME_BYTES = {60, 1514, 1514, 590};

  private static final int ETHERNET_HEADER_BYTES = 14;

  /** IEEE 802: for experiments. */
  private static final int ETHERTYPE = 0x88b5;

  /** How long the device is given for a frame. */
  private static final long PAUSE_NANOS = 100_000;

  private static final int BATCH = 64;

  private final long seed;
  private final BounceSlots bounceSlots;

  /**
   * @param seed keys and frames follow from it
   * @param bounceSlots the IOMMU driver's reserved shared slots, where memory is encrypted
   */
  public DmaCheck(long seed, BounceSlots bounceSlots) {
    this.seed = seed;
    this.bounceSlots = bounceSlots;
  }

  /**
   * Runs every mistake on every platform of the lists, one after the other.
   *
   * @throws dev.virtiolab.lab.LabException if the thread is interrupted between two runs
   */
  public List<Cell> run(List<Mistake> mistakes, List<PlatformKind> platforms) {
    List<Cell> cells = new ArrayList<>();
    for (Mistake mistake : mistakes) {
      for (PlatformKind platform : platforms) {
        if (Thread.interrupted()) {
          throw LabException.interrupted();
        }
        cells.add(run(mistake, platform));
      }
    }
    return cells;
  }

  /** Runs one mistake on one platform. */
  public Cell run(Mistake mistake, PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, SmallNet.MAX_FRAME_BYTES);
    MachineConfig any = MachineConfig.of(platform);
    MachineConfig config =
        new MachineConfig(
            platform, any.slot(), any.mac(), any.mtu(), bounceSlots, OptionalLong.of(seed));
    StepClock clock = new StepClock();
    Journal journal = new Journal(clock);
    DmaLedger ledger = new DmaLedger(clock, journal);
    int requesterId = Mainboard.addressOf(config.slot()).requesterId();
    BusProbe.Listener accesses =
        (address, access, outcome) -> ledger.accessed(requesterId, address, access, outcome);
    try (NetBackend nicEnd = wire.left();
        NetBackend farEnd = wire.right();
        Mainboard board =
            new Mainboard(
                config, nicEnd, memory -> new BusProbe(memory, BusProbe.DESCRIPTOR, accesses))) {
      ledger.watch(board.platform());
      board.nic().observe(new NicNotes(journal));
      clock.drive(() -> board.nic().poll(BATCH));
      DriverHost host =
          new DriverHost(board.toBoard(clock), DriverHost.Setup.of(bounceSlots).observedBy(ledger));
      host.connect();
      VirtioDevice card = host.networkCards().getFirst();
      SmallNet driver = mistake.driver().create(host.bootServices(), host.board().memory(), card);
      new Run(driver, clock, farEnd, journal, new SplittableRandom(seed)).run();
      ledger.close();
    }
    return Cell.of(mistake, platform, journal.evidence());
  }

  /** What the device says. */
  private record NicNotes(Journal journal) implements NicObserver {
    @Override
    public void brokeDown(String why) {
      journal.note(Sign.NEEDS_RESET, "the device sets DEVICE_NEEDS_RESET because of " + why);
    }

    @Override
    public void dropped(Drop reason) {
      journal.note(Sign.DROPPED, "the device drops a frame: " + reason.text());
    }
  }

  /** The driver's life, and the two ends that it is compared by. */
  private record Run(
      SmallNet driver,
      StepClock clock,
      NetBackend farEnd,
      Journal journal,
      SplittableRandom random) {

    void run() {
      EfiStatus started = driver.start();
      if (started.isError()) {
        journal.note(Sign.STATUS, "the driver gives up: its start returns " + started);
      } else {
        clock.idle(PAUSE_NANOS);
        for (int frame = 0; frame < FRAME_BYTES.length; frame++) {
          sendOne(frame);
          receiveOne(frame);
        }
      }
      driver.stop();
      clock.idle(PAUSE_NANOS);
    }

    private void sendOne(int number) {
      byte[] meant = frame(FRAME_BYTES[number]);
      EfiStatus status = driver.transmit(meant);
      clock.idle(PAUSE_NANOS);
      byte[] came = takeFromWire();
      driver.reclaim();
      if (status.isError()) {
        journal.note(Sign.SENT_WRONG, "frame %d is not sent: %s".formatted(number + 1, status));
      } else {
        compare(Sign.SENT_WRONG, "frame " + (number + 1) + " on the wire", meant, came);
      }
    }

    private void receiveOne(int number) {
      byte[] meant = frame(FRAME_BYTES[number]);
      putOnWire(meant);
      clock.idle(PAUSE_NANOS);
      byte[] came = driver.receive().orElse(null);
      compare(Sign.RECEIVED_WRONG, "frame " + (number + 1) + " in the guest", meant, came);
    }

    private void compare(Sign sign, String what, byte[] meant, byte[] came) {
      if (came == null) {
        journal.note(sign, what + ": nothing arrives");
      } else if (came.length != meant.length) {
        journal.note(sign, "%s: %d bytes instead of %d".formatted(what, came.length, meant.length));
      } else if (!Arrays.equals(meant, came)) {
        int first = Arrays.mismatch(meant, came);
        int differ = 0;
        for (int i = 0; i < meant.length; i++) {
          differ += meant[i] == came[i] ? 0 : 1;
        }
        journal.note(
            sign,
            "%s: %d of %d bytes differ, the first at %d: %02x instead of %02x"
                .formatted(what, differ, meant.length, first, came[first], meant[first]));
      }
    }

    private byte[] frame(int bytes) {
      byte[] frame = new byte[bytes];
      random.nextBytes(frame);
      // To a group, from a station that is locally administered.
      frame[0] |= 1;
      frame[6] = (byte) (frame[6] & 0xfc | 2);
      frame[ETHERNET_HEADER_BYTES - 2] = (byte) (ETHERTYPE >>> 8);
      frame[ETHERNET_HEADER_BYTES - 1] = (byte) ETHERTYPE;
      return frame;
    }

    private void putOnWire(byte[] frame) {
      if (!farEnd.claim(frame.length)) {
        journal.note(Sign.RECEIVED_WRONG, "the wire is full of frames that nobody takes");
        return;
      }
      MemorySegment.copy(
          MemorySegment.ofArray(frame), 0, farEnd.claimed(), farEnd.claimedOffset(), frame.length);
      farEnd.commit();
      farEnd.flush();
    }

    /** The next frame from the NIC, or null. */
    private byte[] takeFromWire() {
      int length = farEnd.peek();
      if (length == 0) {
        return null;
      }
      byte[] frame = new byte[length];
      MemorySegment.copy(
          farEnd.peeked(), farEnd.peekedOffset(), MemorySegment.ofArray(frame), 0, length);
      farEnd.release();
      return frame;
    }
  }
}
