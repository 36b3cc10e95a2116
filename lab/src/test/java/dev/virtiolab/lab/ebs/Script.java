package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.UUID;

/**
 * A policy or a driver whose handlers do things at random: from a seed, so that every run of it is
 * the same.
 *
 * @param name whose it is
 * @param handlers members of the group; each a few acts, and what it signals
 */
record Script(String name, List<Handler> handlers) {

  /** What a handler does. */
  enum Act {
    RESET,
    UNMAP_SOME,
    UNMAP_ALL,
    ALLOCATE,
    BUS_MASTER_OFF,
    /** Looks at memory that a device has written, and allocates if there is something. */
    LOOK_AND_ALLOCATE,
    /** Tells the maker's other handlers something, without a call. */
    RAISE_FLAG,
    /** Unmaps if it was told. */
    UNMAP_IF_FLAG,
    CLOSE_NEXT,
    READ_REGISTER,
    THROW
  }

  /**
   * A handler.
   *
   * @param next an event that it signals in the middle, or null
   */
  record Handler(int tpl, List<Act> before, Handler next, List<Act> after) {}

  /**
   * @param most members of the group
   */
  static Script of(String name, SplittableRandom random, int most) {
    List<Handler> handlers = new ArrayList<>();
    int count = random.nextInt(1, most + 1);
    for (int i = 0; i < count; i++) {
      handlers.add(handler(random, 2));
    }
    return new Script(name, List.copyOf(handlers));
  }

  private static Handler handler(SplittableRandom random, int depth) {
    Handler next = depth > 0 && random.nextInt(3) == 0 ? handler(random, depth - 1) : null;
    return new Handler(
        random.nextInt(4) == 0 ? Tpl.NOTIFY : Tpl.CALLBACK, acts(random), next, acts(random));
  }

  private static List<Act> acts(SplittableRandom random) {
    List<Act> acts = new ArrayList<>();
    for (int i = random.nextInt(3); i > 0; i--) {
      // Often what makes a difference, seldom what fails by itself.
      Act[] all = Act.values();
      Act any = all[random.nextInt(all.length)];
      boolean tooHard = any == Act.THROW && random.nextInt(3) > 0;
      acts.add(tooHard || random.nextInt(3) == 0 ? Act.RESET : any);
    }
    return List.copyOf(acts);
  }

  /** Who carries it out. */
  private abstract static class Player {
    final BootServices bootServices;
    boolean flag;

    Player(BootServices bootServices) {
      this.bootServices = bootServices;
    }

    abstract void reset();

    abstract void unmapSome();

    abstract void unmapAll();

    abstract void busMasterOff();

    abstract boolean looksAtSomething();

    abstract void readRegister();

    EfiStatus arm(List<Handler> handlers) {
      handlers.forEach(handler -> create(handler, EventGroups.EXIT_BOOT_SERVICES));
      return EfiStatus.SUCCESS;
    }

    private Event create(Handler handler, UUID group) {
      Event next = handler.next == null ? null : create(handler.next, null);
      Ref<Event> made = new Ref<>();
      bootServices.createEventEx(
          EventType.NOTIFY_SIGNAL,
          handler.tpl,
          (event, context) -> {
            handler.before.forEach(act -> play(act, next));
            if (next != null) {
              bootServices.signalEvent(next);
            }
            handler.after.forEach(act -> play(act, next));
          },
          null,
          group,
          made);
      return made.value;
    }

    private void play(Act act, Event next) {
      switch (act) {
        case RESET -> reset();
        case UNMAP_SOME -> unmapSome();
        case UNMAP_ALL -> unmapAll();
        case ALLOCATE -> allocate();
        case BUS_MASTER_OFF -> busMasterOff();
        case LOOK_AND_ALLOCATE -> {
          if (looksAtSomething()) {
            allocate();
          }
        }
        case RAISE_FLAG -> flag = true;
        case UNMAP_IF_FLAG -> {
          if (flag) {
            unmapAll();
          }
        }
        case CLOSE_NEXT -> {
          if (next != null) {
            bootServices.closeEvent(next);
          }
        }
        case READ_REGISTER -> readRegister();
        case THROW -> throw new IllegalStateException("on purpose");
      }
    }

    private void allocate() {
      bootServices.allocatePages(
          AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, new LongRef());
    }
  }

  /** As a policy. */
  TeardownPolicy policy() {
    return new TeardownPolicy() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public String title() {
        return Script.this.toString();
      }

      @Override
      public EfiStatus arm(TeardownSeat seat) {
        return new PolicyPlayer(seat).arm(handlers);
      }
    };
  }

  private static final class PolicyPlayer extends Player {
    private final TeardownSeat seat;

    PolicyPlayer(TeardownSeat seat) {
      super(seat.bootServices());
      this.seat = seat;
    }

    @Override
    void reset() {
      seat.mappings().unmapAll();
    }

    @Override
    void unmapSome() {
      seat.mappings().releaseSlots();
    }

    @Override
    void unmapAll() {
      seat.mappings().unmapAll();
    }

    @Override
    void busMasterOff() {
      seat.disableBusMasters();
    }

    @Override
    boolean looksAtSomething() {
      return seat.mappings().openMappings() > 0;
    }

    @Override
    void readRegister() {}
  }

  /** As a driver. */
  ExitBootDriver driver() {
    return new ExitBootDriver() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public String title() {
        return Script.this.toString();
      }

      @Override
      public NetworkCard start(DriverSeat seat) {
        DriverPlayer player = new DriverPlayer(seat);
        player.arm(handlers);
        return player;
      }
    };
  }

  private static final class DriverPlayer extends Player implements NetworkCard {
    private final DriverSeat seat;
    private final List<DmaBuffer> mapped = new ArrayList<>();
    private final Net net;

    private final class Net extends SmallNet {
      Net() {
        super(seat.bootServices(), seat.memory(), seat.device());
      }

      @Override
      protected EfiStatus map(DmaBuffer buffer) {
        mapped.add(buffer);
        return super.map(buffer);
      }

      void unmapOne(DmaBuffer buffer) {
        unmap(buffer);
      }
    }

    DriverPlayer(DriverSeat seat) {
      super(seat.bootServices());
      this.seat = seat;
      net = new Net();
      if (seat.requiresAccessPlatform()) {
        net.requireAccessPlatform();
      }
      net.start();
    }

    private PciIo pciIo() {
      Ref<PciIo> pciIo = new Ref<>();
      bootServices.handleProtocol(seat.controller(), PciIo.PROTOCOL, pciIo);
      return pciIo.value;
    }

    @Override
    void reset() {
      net.quiesce();
    }

    @Override
    void unmapSome() {
      net.unmapOne(mapped.getLast());
    }

    @Override
    void unmapAll() {
      net.unmapAll();
    }

    @Override
    void busMasterOff() {
      pciIo().pciWrite(PciIo.Width.UINT16, 4, 0);
    }

    @Override
    boolean looksAtSomething() {
      // A receive buffer: zero until it is taken back from the device.
      DmaBuffer buffer =
          mapped.stream()
              .filter(each -> each.use == DmaBuffer.Use.RECEIVE)
              .findFirst()
              .orElseThrow();
      return seat.memory().getLong(buffer.hostAddress) != 0;
    }

    @Override
    void readRegister() {
      pciIo().pciRead(PciIo.Width.UINT32, 0, new LongRef());
    }

    @Override
    public EfiStatus transmit(byte[] frame) {
      return net.transmit(frame);
    }

    @Override
    public Optional<byte[]> receive() {
      return net.receive();
    }
  }
}
