package dev.virtiolab.integration.ebs;

import static dev.virtiolab.integration.ebs.Group.BEFORE_EXIT_BOOT_SERVICES;
import static dev.virtiolab.integration.ebs.Group.EXIT_BOOT_SERVICES;
import static dev.virtiolab.integration.ebs.Level.CALLBACK;
import static dev.virtiolab.integration.ebs.Level.NOTIFY;

import dev.virtiolab.integration.ebs.Mapping.Kind;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** One machine with a policy and drivers, as it stands when ExitBootServices is called. */
final class Cast {
  static final List<String> POLICIES =
      List.of(
          "drivers-unmap",
          "iommu-callback",
          "iommu-notify",
          "requeue-callback",
          "requeue-from-notify",
          "requeue-to-notify",
          "requeue-twice",
          "core-hook",
          "vtd-keep",
          "vtd-off",
          "bus-master-off",
          "before-exit");

  static final List<String> DRIVERS =
      List.of(
          "virtio-net",
          "reset-callback",
          "reset-notify",
          "requeue-from-callback",
          "requeue-from-notify",
          "requeue-twice",
          "quiesce-before-exit",
          "unmap-after-reset",
          "unmap-before-reset",
          "no-handler",
          "allocates",
          "never-maps");

  private static final int POSTED_BUFFERS = 8;

  final World world;
  final Core core;

  /** Those who are queued when a group is signalled, by group and level. */
  final Map<Group, Map<Level, List<Event>>> members = new EnumMap<>(Group.class);

  /** What ExitBootServices calls last. */
  Runnable hook = () -> {};

  Cast(Board board, String policy, List<String> drivers) {
    this.world = new World(board);
    this.core = new Core(world::gap);
    for (Group group : Group.values()) {
      members.put(group, new EnumMap<>(Level.class));
    }
    addPolicy(policy);
    drivers.forEach(this::addDriver);
  }

  private void addPolicy(String name) {
    Runnable teardown = world::unmapAllOpen;
    switch (name) {
      case "drivers-unmap", "vtd-keep" -> {}
      case "iommu-callback" -> atExit(teardown, CALLBACK);
      case "iommu-notify" -> atExit(teardown, NOTIFY);
      case "requeue-callback" -> atExit(teardown, CALLBACK, CALLBACK);
      case "requeue-from-notify" -> atExit(teardown, NOTIFY, CALLBACK);
      case "requeue-to-notify" -> atExit(teardown, CALLBACK, NOTIFY);
      case "requeue-twice" -> atExit(teardown, CALLBACK, CALLBACK, CALLBACK);
      case "core-hook" -> hook = teardown;
      case "vtd-off" -> atExit(world::stopTranslation, CALLBACK);
      case "bus-master-off" -> {
        atExit(world::stopBusMasters, NOTIFY);
        atExit(teardown, CALLBACK, CALLBACK);
      }
      case "before-exit" -> join(BEFORE_EXIT_BOOT_SERVICES, new Event(CALLBACK, teardown));
      default -> throw new IllegalArgumentException("policy=" + name);
    }
  }

  private void addDriver(String name) {
    Nic nic = start(name);
    Runnable reset = () -> world.reset(nic);
    Runnable unmap = () -> world.unmapAllOf(nic);
    switch (name) {
      case "virtio-net", "reset-callback", "never-maps" -> atExit(reset, CALLBACK);
      case "reset-notify" -> atExit(reset, NOTIFY);
      case "requeue-from-callback" -> atExit(reset, CALLBACK, CALLBACK);
      case "requeue-from-notify" -> atExit(reset, NOTIFY, CALLBACK);
      case "requeue-twice" -> atExit(reset, CALLBACK, CALLBACK, CALLBACK);
      case "quiesce-before-exit" -> join(BEFORE_EXIT_BOOT_SERVICES, new Event(CALLBACK, reset));
      case "unmap-after-reset" -> atExit(inTurn(reset, unmap), CALLBACK);
      case "unmap-before-reset" -> atExit(inTurn(unmap, reset), CALLBACK);
      case "no-handler" -> {}
      case "allocates" -> atExit(inTurn(reset, world::allocate), CALLBACK);
      default -> throw new IllegalArgumentException("driver=" + name);
    }
  }

  /**
   * State at entry: receive buffers posted, one frame in flight, one sent and not reclaimed. A
   * small driver maps each receive buffer and each frame; virtio-net all receive buffers as one
   * area, and with each frame a header.
   */
  private Nic start(String driver) {
    Nic nic = world.addNic(driver.equals("never-maps"));
    switch (driver) {
      case "never-maps" -> {}
      case "virtio-net" -> {
        world.map(nic, 2, Kind.RING);
        world.map(nic, 1, Kind.RECEIVE_IN_PLACE);
        world.map(nic, 2, Kind.TRANSMITTED);
        world.map(nic, 2, Kind.TRANSMIT);
      }
      default -> {
        world.map(nic, 2, Kind.RING);
        world.map(nic, POSTED_BUFFERS, Kind.RECEIVE);
        world.map(nic, 1, Kind.TRANSMITTED);
        world.map(nic, 1, Kind.TRANSMIT);
      }
    }
    return nic;
  }

  /**
   * The first stage is a member of the ExitBootServices group, each but the last does no more than
   * to signal the next, and the last acts.
   */
  private void atExit(Runnable action, Level... stages) {
    Event stage = new Event(stages[stages.length - 1], action);
    for (int i = stages.length - 2; i >= 0; i--) {
      Event next = stage;
      stage = new Event(stages[i], () -> core.signal(next));
    }
    join(EXIT_BOOT_SERVICES, stage);
  }

  private void join(Group group, Event event) {
    members.get(group).computeIfAbsent(event.level, level -> new ArrayList<>()).add(event);
  }

  private static Runnable inTurn(Runnable first, Runnable second) {
    return () -> {
      first.run();
      second.run();
    };
  }
}
