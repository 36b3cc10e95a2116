package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.core.CoreSetup;
import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.dmacheck.BusProbe;
import dev.virtiolab.lab.dmacheck.StepClock;
import dev.virtiolab.lab.trace.MachineObserver;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.memory.BusMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;

/**
 * One order, from boot to hand-off:
 *
 * <ol>
 *   <li>a board with a card for each driver; the firmware boots and arms the policy; each driver
 *       starts on its card;
 *   <li>the state at entry: receive buffers posted, a frame sent whose buffer is not taken back,
 *       and one in flight;
 *   <li>the loader fetches the memory map and calls ExitBootServices, as its {@link Loader} does
 *       it;
 *   <li>the judge looks at what the operating system has got.
 * </ol>
 *
 * <p>A run belongs to one thread and shares nothing with others.
 */
final class Run {
  private static final int PAGE_BYTES = 4096;
  private static final int BATCH = 64;
  private static final String CORE_PACKAGE = DxeCore.class.getPackageName() + ".";

  /** A wait looks whether it is over a thousand times a second, or more often: some minutes. */
  private static final int MOST_LOOKS = 500_000;

  /** Below 4 GiB, and above: little, since a board is made for every order. */
  private static final long RAM_BYTES = 16 << 20;

  /**
   * What came of it.
   *
   * @param seen what the loader noted
   * @param asRequired whether that was as it has to be
   */
  record Outcome(
      History history,
      List<Step> steps,
      List<Orders.Point> points,
      Footprints footprints,
      List<String> seen,
      boolean asRequired) {}

  private final Catalogue catalogue;
  private final Settings settings;
  private final HistoryId id;
  private final MachineObserver watcher;
  private final Log log;
  private final Ledger ledger;
  private final SharedPages pages;
  private final Judge judge;
  private final Gaps gaps;
  private final Footprints footprints = new Footprints();
  private final Handlers handlers;
  private final Watched watched;
  private final Orders orders;
  private final StepClock clock = new StepClock();
  private final List<Card> cards = new ArrayList<>();
  private int looks;
  private boolean asRequired = true;

  /**
   * @param id which history; of its choices those that come up
   * @param detailed whether to keep the steps
   * @param watcher makes who is told what the machine does, too
   */
  Run(
      Catalogue catalogue,
      Settings settings,
      HistoryId id,
      boolean detailed,
      Explorer.Watcher watcher) {
    this.catalogue = catalogue;
    this.settings = settings;
    this.id = id;
    this.watcher = watcher.at(clock::nanos);
    log = new Log(detailed, this::tell);
    pages = new SharedPages();
    gaps = new Gaps(log, this::inGap);
    handlers = new Handlers(log, gaps, footprints);
    ledger = new Ledger(log, this::tookDown);
    judge = new Judge(log, ledger, pages);
    watched = new Watched(log, gaps, handlers, footprints);
    orders = new Orders(log, id.choices(), handlers);
  }

  /**
   * Runs it.
   *
   * @throws Orders.NoSuchOrderException if a choice is not among those that there are
   */
  Outcome run(Loader loader) {
    Optional<String> cut = Optional.empty();
    List<String> seen = new ArrayList<>();
    try (Mainboard board = board()) {
      watch(board);
      try {
        DriverHost host = boot(board);
        startDrivers(host);
        enter();
        cut = handOver(host, loader, seen);
      } catch (Orders.NoSuchOrderException | JudgeException e) {
        throw e;
      } catch (RuntimeException | Error e) {
        cut = log.whyCut().or(() -> Optional.of(reason(e)));
      }
    }
    return outcome(cut, List.copyOf(seen));
  }

  /**
   * What there is of a run that does not come back; from another thread, which finds it where it
   * makes no more calls.
   */
  Outcome hung() {
    return outcome(
        log.whyCut()
            .or(() -> Optional.of(log.actor() + " hangs: it makes no call and does not end")),
        List.of());
  }

  /** What there is of a run that is not begun, since {@code culprit} has hung in another. */
  Outcome notBegun(String culprit) {
    return outcome(Optional.of(culprit + " hung before, and is not tried again"), List.of());
  }

  /** Who acts, or acted when the run ended. */
  String actor() {
    return log.actor();
  }

  private Outcome outcome(Optional<String> cut, List<String> seen) {
    History history = new History(named(cut.isPresent()), log.steps(), log.breaches(), cut);
    return new Outcome(history, log.told(), orders.points(), footprints, seen, asRequired);
  }

  /**
   * Its whole name: with every choice that came up. Of one that was cut, which may have made a
   * great many, those are left out at the end that were as in edk2.
   */
  private HistoryId named(boolean wasCut) {
    List<Integer> choices =
        new ArrayList<>(orders.points().stream().map(Orders.Point::choice).toList());
    while (wasCut && !choices.isEmpty() && choices.getLast() == 0) {
      choices.removeLast();
    }
    return new HistoryId(id.platform(), id.policy(), id.drivers(), choices, id.slots(), id.seed());
  }

  private static String reason(Throwable e) {
    return switch (e) {
      case StackOverflowError overflow -> "it calls itself without end";
      default -> {
        StackTraceElement[] stack = e.getStackTrace();
        boolean core = stack.length > 0 && stack[0].getClassName().startsWith(CORE_PACKAGE);
        yield core ? "the core gives up: " + e.getMessage() : "it throws " + e;
      }
    };
  }

  // ---- the machine

  private Mainboard board() {
    MachineConfig any = MachineConfig.of(id.platform());
    MachineConfig config =
        new MachineConfig(
                any.platform(),
                any.slot(),
                any.mac(),
                any.mtu(),
                slots(),
                OptionalLong.of(id.seed()))
            .withRam(RAM_BYTES, RAM_BYTES);
    List<NetBackend> wires = new ArrayList<>();
    id.drivers().forEach(driver -> wires.add(new Wire()));
    Mainboard board;
    try {
      board = new Mainboard(config, wires, this::probe);
    } catch (IllegalArgumentException e) {
      throw LabException.usage(e.getMessage());
    }
    SplittableRandom random = new SplittableRandom(id.seed());
    for (int i = 0; i < wires.size(); i++) {
      cards.add(new Card(board.nics().get(i), (Wire) wires.get(i), log, ledger, random.split()));
    }
    return board;
  }

  private BounceSlots slots() {
    return id.slots() ? BounceSlots.OVMF : BounceSlots.NONE;
  }

  private BusMemory probe(PciAddress nic, BusMemory memory) {
    return new BusProbe(
        memory,
        PAGE_BYTES,
        (address, access, outcome) -> {
          // A loop: this is on the way of every access.
          for (int i = 0; i < cards.size(); i++) {
            if (cards.get(i).nic.address().equals(nic)) {
              judge.accessed(cards.get(i), address, access, outcome);
            }
          }
        });
  }

  private void watch(Mainboard board) {
    judge.watch(board.platform());
    pages.watch(board.platform());
    board.platform().observe(MachineObserver.both(pages, watcher));
    for (Card card : cards) {
      card.nic.device().observe(MachineObserver.both(card, watcher));
      card.nic.function().observeDmaFaults(watcher);
    }
    clock.drive(this::timePasses);
  }

  private void timePasses() {
    if (++looks > MOST_LOOKS) {
      throw log.cut("it waits without end");
    }
    cards.forEach(card -> card.nic.device().poll(BATCH));
  }

  private DriverHost boot(Mainboard board) {
    Board plain = board.toBoard(clock);
    Board seenThrough =
        new Board(
            plain.memory(),
            watched.bus(plain.bus()),
            plain.clock(),
            plain.pageAttributes(),
            plain.cache());
    log.enter(Log.CORE);
    DriverHost host =
        new DriverHost(
            seenThrough,
            new DriverHost.Setup(
                slots(),
                MachineObserver.both(ledger, watcher),
                Optional.of(new Armed(catalogue.policy(id.policy()))),
                new CoreSetup(orders, handlers, settings.defects()),
                watched::bootServices));
    pages.declareSlots();
    host.connect();
    log.leave();
    return host;
  }

  /** The policy, with its events told from others'. */
  private final class Armed implements TeardownPolicy {
    private final TeardownPolicy policy;

    Armed(TeardownPolicy policy) {
      this.policy = policy;
    }

    @Override
    public String name() {
      return policy.name();
    }

    @Override
    public String title() {
      return policy.title();
    }

    @Override
    public EfiStatus arm(TeardownSeat seat) {
      EfiStatus[] status = new EfiStatus[1];
      watched.createdBy(
          policy.name(), () -> status[0] = policy.arm(watched.seat(seat, policy.name())));
      if (status[0] == null) {
        throw log.cut("arm of " + policy.name() + " returns null");
      }
      requireLowTpl(seat.bootServices(), policy.name());
      return status[0];
    }
  }

  private void startDrivers(DriverHost host) {
    List<Handle> controllers = host.networkControllers();
    for (int i = 0; i < cards.size(); i++) {
      Card card = cards.get(i);
      ExitBootDriver driver = catalogue.driver(id.drivers().get(i));
      DriverSeat seat =
          new DriverSeat(
              host.bootServices(),
              host.board().memory(),
              controllers.get(i),
              host.networkCards().get(i),
              host.requiresAccessPlatform());
      String owner = ownerName(i);
      watched.createdBy(owner, () -> card.started(owner, driver.start(seat)));
      if (card.driverSide() == null) {
        throw log.cut("start of " + owner + " returns null");
      }
      requireLowTpl(host.bootServices(), owner);
    }
  }

  private void requireLowTpl(BootServices bootServices, String who) {
    int tpl = bootServices.currentTpl();
    if (tpl != Tpl.APPLICATION) {
      throw log.cut("%s leaves the TPL at %s".formatted(who, Handlers.levelName(tpl)));
    }
  }

  /** The driver's name, and where its card is if another driver or the policy has that name. */
  private String ownerName(int card) {
    String name = id.drivers().get(card);
    boolean single = id.drivers().stream().filter(name::equals).count() == 1;
    return single && !name.equals(id.policy()) ? name : name + "@" + cards.get(card).name();
  }

  /** Brings about the state at entry. */
  private void enter() {
    for (Card card : cards) {
      card.driverSide().transmit(card.frame());
      card.nic.device().poll(1);
      card.wire.jam(true);
      card.driverSide().transmit(card.frame());
      card.nic.device().poll(1);
    }
  }

  // ---- the hand-over

  /** Calls ExitBootServices; returns why it did not come to the hand-off, if it did not. */
  private Optional<String> handOver(DriverHost host, Loader loader, List<String> seen) {
    Desk desk = new Desk(host, seen);
    watched.createdBy(Log.LOADER, () -> loader.prepare(desk));
    log.begin(new Scene(host));
    cards.forEach(Card::noteLiveness);
    EfiStatus status = loader.exitBootServices(desk);
    gaps.close();
    log.endIfCut();
    if (status.isError()) {
      return Optional.of("ExitBootServices returns " + status + " however often it is called");
    }
    log.step(Log.LOADER, Step.Kind.HAND_OFF, () -> "hands over to the operating system");
    judge.handOff(host, cards, desk.key.value, desk.map.value);
    return Optional.empty();
  }

  /** What a {@link Loader} has to work with. */
  final class Desk {
    private final DriverHost host;
    private final List<String> seen;
    private final LongRef key = new LongRef();
    private final Ref<List<MemoryDescriptor>> map = new Ref<>();

    Desk(DriverHost host, List<String> seen) {
      this.host = host;
      this.seen = seen;
    }

    BootServices bootServices() {
      return host.bootServices();
    }

    List<Card> cards() {
      return cards;
    }

    Handlers handlers() {
      return handlers;
    }

    /** Notes something that was checked, for people to read. */
    void note(String what) {
      seen.add(what);
    }

    /** Notes it, and whether it is as it has to be. */
    void require(boolean asItHasToBe, String what) {
      seen.add(asItHasToBe ? what : what + ", and should not");
      asRequired &= asItHasToBe;
    }

    /** Fetches the memory map and its key. */
    void fetchMap() {
      LongRef size = new LongRef(Long.MAX_VALUE);
      EfiStatus status = bootServices().getMemoryMap(size, map, key);
      if (status.isError()) {
        throw new IllegalStateException("GetMemoryMap: " + status);
      }
    }

    /** Calls with the key that was fetched last. */
    EfiStatus call() {
      log.step(Log.LOADER, Step.Kind.EXIT_BOOT_SERVICES, () -> "calls ExitBootServices");
      orders.begin();
      handlers.called(key.value, host.core()::memoryMapKey);
      gaps.open();
      log.enter(Log.CORE);
      EfiStatus status = host.core().exitBootServices(key.value);
      log.leave();
      inGap();
      if (status.isError()) {
        gaps.close();
      }
      log.step(Log.CORE, Step.Kind.EXIT_BOOT_SERVICES, () -> "ExitBootServices returns " + status);
      return status;
    }
  }

  /** What every step tells of the machine. */
  private final class Scene implements Log.Scene {
    private final DriverHost host;

    Scene(DriverHost host) {
      this.host = host;
    }

    @Override
    public int tpl() {
      return host.core().bootServicesGone() ? Tpl.APPLICATION : host.core().currentTpl();
    }

    @Override
    public List<String> live() {
      return cards.stream().filter(Card::isLive).map(Card::name).toList();
    }

    @Override
    public int openMappings() {
      return ledger.open().size();
    }
  }

  // ---- gaps

  /** What is told happens at a time of its own. */
  private void tell(String actor, String what) {
    clock.mark();
    watcher.noted(actor, what);
  }

  private void inGap() {
    clock.mark();
    cards.forEach(Card::noteLiveness);
    cards.forEach(Card::attempt);
    judge.look(cards);
  }

  private void tookDown(Ledger.Entry entry) {
    footprints.touch(PciAddress.ofRequesterId(entry.requesterId).toString());
    for (Card card : cards) {
      if (card.requesterId() == entry.requesterId && card.driver() != null) {
        footprints.touch(card.driver());
      }
    }
    gaps.after();
  }
}
