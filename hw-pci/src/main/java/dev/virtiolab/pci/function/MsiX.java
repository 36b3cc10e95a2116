package dev.virtiolab.pci.function;

import static dev.virtiolab.pci.function.MsiXLayout.CONTROL_ENABLE;
import static dev.virtiolab.pci.function.MsiXLayout.CONTROL_FUNCTION_MASK;
import static dev.virtiolab.pci.function.MsiXLayout.ENTRY_BYTES;
import static dev.virtiolab.pci.function.MsiXLayout.VECTOR_CONTROL_MASK;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Message-signalled interrupts of a function: the table and the pending bits in a BAR of their own,
 * and the two bits of Message Control that matter (PCI Local Bus 3.0, 6.8.2).
 *
 * <p>A vector that is signalled while it or the whole function is masked becomes pending, and is
 * sent once when nothing masks it any more.
 *
 * <p>Accesses that the specification leaves undefined: the table and the pending bits answer only
 * aligned accesses of 4 or 8 bytes; any other, and any between or beyond the two structures, reads
 * as zero, and its write is lost. Every bit of a table entry is stored, reserved ones too; pending
 * bits are read-only. So does QEMU.
 *
 * <p>A message is a memory write by the function: with Bus Master Enable clear, or outside D0, it
 * does not leave and is counted as {@linkplain #lost() lost}.
 */
public final class MsiX implements BarHandler, ConfigHook {
  private static final int ENTRY_WORDS = ENTRY_BYTES / 4;
  private static final int CONTROL_WORD = MsiXLayout.ENTRY_VECTOR_CONTROL / 4;

  private final PciFunction function;
  private final MessageTarget target;
  private final int controlOffset;
  private final int vectors;
  private final long tableOffset;
  private final long pendingOffset;
  private final int[] table;
  private final long[] pending;
  private final AtomicLong delivered = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();

  /** Message Control as last written, so that the device's loop can look without the lock. */
  private volatile int control;

  MsiX(
      PciFunction function,
      MessageTarget target,
      int capabilityOffset,
      int vectors,
      long tableOffset,
      long pendingOffset) {
    this.function = function;
    this.target = target;
    this.controlOffset = capabilityOffset + MsiXLayout.MESSAGE_CONTROL;
    this.vectors = vectors;
    this.tableOffset = tableOffset;
    this.pendingOffset = pendingOffset;
    this.table = new int[vectors * ENTRY_WORDS];
    this.pending = new long[(vectors + 63) / 64];
    clear();
  }

  /** Size of the table, 1 to 2048. */
  public int vectors() {
    return vectors;
  }

  /** Whether the function interrupts by messages, and not by its pin. */
  public boolean enabled() {
    return (control & CONTROL_ENABLE) != 0;
  }

  /**
   * Sends the message of {@code vector}, or notes it as pending if it is masked. While MSI-X is
   * disabled nothing happens: the caller interrupts by its pin. A vector that does not exist is
   * ignored, as the number comes from the guest.
   *
   * @return whether MSI-X is enabled and the vector exists
   */
  public boolean signal(int vector) {
    function.lock().lock();
    try {
      if (!enabled() || vector < 0 || vector >= vectors) {
        return false;
      }
      if (function.busMasterEnabled() && target.takeOver(vector)) {
        delivered.incrementAndGet();
      } else if (masked(vector)) {
        pending[vector >>> 6] |= 1L << vector;
      } else {
        send(vector);
      }
      return true;
    } finally {
      function.lock().unlock();
    }
  }

  /** Whether {@code vector} waits to be unmasked. */
  public boolean pending(int vector) {
    function.lock().lock();
    try {
      return (pending[vector >>> 6] & 1L << vector) != 0;
    } finally {
      function.lock().unlock();
    }
  }

  /** Messages sent. */
  public long delivered() {
    return delivered.get();
  }

  /** Messages that did not leave, since the function may not master the bus. */
  public long lost() {
    return lost.get();
  }

  // ---- the BAR

  @Override
  public long read(long offset, int width) {
    if (!aligned(offset, width)) {
      return 0;
    }
    function.lock().lock();
    try {
      long low = readWord(offset) & 0xffff_ffffL;
      return width == 4 ? low : (long) readWord(offset + 4) << 32 | low;
    } finally {
      function.lock().unlock();
    }
  }

  @Override
  public void write(long offset, int width, long value) {
    if (!aligned(offset, width)) {
      return;
    }
    function.lock().lock();
    try {
      writeWord(offset, (int) value);
      if (width == 8) {
        writeWord(offset + 4, (int) (value >>> 32));
      }
    } finally {
      function.lock().unlock();
    }
  }

  private static boolean aligned(long offset, int width) {
    return (width == 4 || width == 8) && (offset & width - 1) == 0;
  }

  private int readWord(long offset) {
    long inTable = offset - tableOffset;
    if (inTable >= 0 && inTable < (long) vectors * ENTRY_BYTES) {
      return table[(int) (inTable >>> 2)];
    }
    long inPending = offset - pendingOffset;
    if (inPending >= 0 && inPending < pending.length * 8L) {
      return (int) (pending[(int) (inPending >>> 3)] >>> (inPending & 4) * 8);
    }
    return 0;
  }

  private void writeWord(long offset, int value) {
    long inTable = offset - tableOffset;
    if (inTable < 0 || inTable >= (long) vectors * ENTRY_BYTES) {
      return;
    }
    int word = (int) (inTable >>> 2);
    table[word] = value;
    if (word % ENTRY_WORDS == CONTROL_WORD) {
      sendIfDue(word / ENTRY_WORDS);
    }
  }

  // ---- Message Control

  @Override
  public void afterWrite(int offset, int width) {
    control = (int) function.config().load(controlOffset, 2);
    for (int vector = 0; vector < vectors; vector++) {
      sendIfDue(vector);
    }
  }

  /** Under the lock: as after power-on; every vector masked. */
  void reset() {
    control = (int) function.config().load(controlOffset, 2);
    clear();
  }

  private void clear() {
    Arrays.fill(table, 0);
    Arrays.fill(pending, 0);
    for (int vector = 0; vector < vectors; vector++) {
      table[vector * ENTRY_WORDS + CONTROL_WORD] = VECTOR_CONTROL_MASK;
    }
  }

  private boolean masked(int vector) {
    return (control & CONTROL_FUNCTION_MASK) != 0
        || (table[vector * ENTRY_WORDS + CONTROL_WORD] & VECTOR_CONTROL_MASK) != 0;
  }

  private void sendIfDue(int vector) {
    long bit = 1L << vector;
    if ((pending[vector >>> 6] & bit) != 0 && enabled() && !masked(vector)) {
      pending[vector >>> 6] &= ~bit;
      send(vector);
    }
  }

  private void send(int vector) {
    if (!function.busMasterEnabled()) {
      lost.incrementAndGet();
      return;
    }
    int entry = vector * ENTRY_WORDS;
    long address = (long) table[entry + 1] << 32 | table[entry] & 0xffff_ffffL;
    delivered.incrementAndGet();
    target.deliver(address, table[entry + 2]);
  }
}
