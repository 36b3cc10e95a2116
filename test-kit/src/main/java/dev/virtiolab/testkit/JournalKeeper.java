package dev.virtiolab.testkit;

import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.net.fault.FaultJournal;
import dev.virtiolab.net.fault.FaultObserver;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Keeps the beginning of every frame that something befell, beside the journal, which keeps its
 * number: entry for entry, since both are told in the same call. The device's thread writes.
 */
final class JournalKeeper implements FaultObserver {
  /** Ethernet with a tag, IPv4 with options, and a transport's ports: 14 + 4 + 60 + 8. */
  private static final int HEAD_BYTES = 86;

  private final FaultJournal journal;
  private final List<Frame> heads = new ArrayList<>();

  JournalKeeper(FaultJournal journal) {
    this.journal = journal;
  }

  @Override
  public void befell(
      Direction direction, long number, Fault fault, MemorySegment frame, long at, int length) {
    synchronized (heads) {
      if (heads.size() < FaultJournal.CAPACITY) {
        heads.add(Frame.copy(frame, at, length, HEAD_BYTES));
      }
    }
  }

  WireJournal journal() {
    List<WireJournal.Entry> entries = new ArrayList<>();
    synchronized (heads) {
      // An entry is in the journal before its head is here.
      for (int i = 0; i < heads.size(); i++) {
        FaultJournal.Entry entry = journal.entry(i);
        entries.add(
            new WireJournal.Entry(
                entry.nanos(), entry.direction(), entry.number(), entry.fault(), heads.get(i)));
      }
    }
    return new WireJournal(entries, journal.missed());
  }
}
