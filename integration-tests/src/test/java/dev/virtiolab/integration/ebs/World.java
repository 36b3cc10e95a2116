package dev.virtiolab.integration.ebs;

import dev.virtiolab.integration.ebs.Mapping.Kind;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Devices, mappings and the memory map: what handlers act on, and the judge.
 *
 * <p>Each action is one step between two gaps. At a gap each live device touches everything that
 * its queues hold.
 */
final class World {
  private final Board board;
  private final List<Nic> nics = new ArrayList<>();

  /** In the order of Map. */
  private final List<Mapping> mappings = new ArrayList<>();

  private final Set<Invariant> broken = EnumSet.noneOf(Invariant.class);
  private boolean translating = true;
  private int mapChanges;
  private boolean mapAccepted;

  World(Board board) {
    this.board = board;
  }

  /** A device that its driver has started; what is mapped for it is to be told next. */
  Nic addNic(boolean holdsUnmapped) {
    Nic nic = new Nic(holdsUnmapped);
    nics.add(nic);
    return nic;
  }

  void map(Nic nic, int times, Kind kind) {
    for (int i = 0; i < times; i++) {
      mappings.add(new Mapping(nic, kind));
    }
  }

  /** DMA by every live device. */
  void gap() {
    for (Nic nic : nics) {
      if (nic.isLive()) {
        dma(nic);
      }
    }
  }

  /**
   * A live device breaks I1 by what it attempts, and by what it could attempt. On {@code sev} and
   * {@code vtd} it could reach pages outside its mappings only if something were left shared or
   * translated when a mapping is torn down, which Unmap does not do, or while nothing translates.
   */
  private void dma(Nic nic) {
    if (nic.holdsUnmapped || !board.confines() || !translating) {
      broken.add(Invariant.I1);
    }
    for (Mapping mapping : mappings) {
      if (mapping.nic == nic && mapping.isHeld()) {
        if (!mapping.open) {
          broken.add(Invariant.I1);
        } else if (mapping.isWrittenByDevice()) {
          mapping.written = true;
        }
      }
    }
  }

  /** A write of 0 to device_status: no queue is enabled any more. */
  void reset(Nic nic) {
    gap();
    nic.running = false;
    gap();
  }

  /** Ends a mapping; the second time, it is torn down twice. */
  private void unmap(Mapping mapping) {
    gap();
    mapping.open = false;
    mapping.teardowns++;
    gap();
  }

  /** What a driver does who cleans up after himself, whether somebody else has done so or not. */
  void unmapAllOf(Nic nic) {
    for (Mapping mapping : mappings.reversed()) {
      if (mapping.nic == nic) {
        unmap(mapping);
      }
    }
  }

  /** What an IOMMU driver does: whatever is still open, the latest first. */
  void unmapAllOpen() {
    for (Mapping mapping : mappings.reversed()) {
      if (mapping.open) {
        unmap(mapping);
      }
    }
  }

  void stopBusMasters() {
    for (Nic nic : nics) {
      gap();
      nic.busMaster = false;
      gap();
    }
  }

  void stopTranslation() {
    gap();
    translating = false;
    gap();
  }

  /** Takes pages, or gives some back. Handlers of the Before group may, those after it may not. */
  void allocate() {
    gap();
    mapChanges++;
    if (mapAccepted) {
      broken.add(Invariant.I7);
    }
    gap();
  }

  /** The key check: the loader's key is that of the map as it is now. */
  void acceptMemoryMap() {
    mapChanges = 0;
    mapAccepted = true;
  }

  /** What the OS finds, and what was broken on the way. */
  Set<Invariant> handOff() {
    gap();
    for (Mapping mapping : mappings) {
      if (mapping.open) {
        broken.add(Invariant.I2);
        if (board.encrypts()) {
          // Shared still, and it holds a ring, a frame or what the device wrote.
          broken.add(Invariant.I5);
        }
        if (mapping.kind == Kind.RECEIVE && mapping.written && board.bouncesSmallWrites()) {
          broken.add(Invariant.I6);
        }
      }
      if (mapping.teardowns != 1) {
        broken.add(Invariant.I9);
      }
    }
    if (mapChanges != 0) {
      broken.add(Invariant.I3);
    }
    for (Nic nic : nics) {
      if (nic.running) {
        broken.add(Invariant.I4);
      }
    }
    return broken;
  }
}
