package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.memory.MappingGeneration;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The state of every page, and all that changes it. The picture is in the package's description.
 *
 * <p>Reading a state takes no lock. Every change holds this object's monitor, converts the page's
 * bytes first and stores the state last.
 */
final class SevPages implements PageAttributes {
  /** C-bit clear: the bytes are what everybody sees. */
  static final byte SHARED = 0;

  /** Private, held as plaintext: only the CPU may look. */
  static final byte OPEN = 1;

  /** Private, held as ciphertext. */
  static final byte SEALED = 2;

  /** As {@link #SEALED}, and a bus master may have a window on it. */
  static final byte SEALED_IN_WINDOW = 3;

  private static final VarHandle STATES = MethodHandles.arrayElementVarHandle(byte[].class);

  private final Ram ram;
  private final SystemPhysical layout;
  private final PageCipher cipher;
  private final MappingGeneration generation;
  private final byte[] states;
  private volatile PlatformObserver observer = PlatformObserver.NONE;

  // Under the monitor.
  private long flipsToShared;
  private long flipsToPrivate;
  private long pagesShared;
  private long pagesSharedPeak;
  private long pagesSealed;
  private long pagesOpened;
  private long bytesEncrypted;
  private long bytesDecrypted;
  private long cacheFlushes;
  private long tlbFlushes;

  /** Every page private, and what is in it taken as ciphertext: DRAM holds what it held. */
  SevPages(Ram ram, SystemPhysical layout, PageCipher cipher, MappingGeneration generation) {
    this.ram = ram;
    this.layout = layout;
    this.cipher = cipher;
    this.generation = generation;
    states = new byte[ram.pages()];
    Arrays.fill(states, SEALED);
  }

  void observe(PlatformObserver listener) {
    observer = listener;
  }

  private byte stateAcquire(int page) {
    // Pairs with stateRelease(): who sees a state sees the bytes that were converted for it.
    return (byte) STATES.getAcquire(states, page);
  }

  private void stateRelease(int page, byte state) {
    // Pairs with stateAcquire(), on the CPU's and the device's thread.
    STATES.setRelease(states, page, state);
  }

  // --- The CPU's side -----------------------------------------------------------------------

  /** Makes {@code page} readable to the CPU as it lies: opens it if it is sealed. */
  void ready(int page) {
    if (stateAcquire(page) >= SEALED) {
      open(page, true);
    }
  }

  /** As {@link #ready}, for a page of which the CPU overwrites every byte: nothing to decrypt. */
  void readyToOverwrite(int page) {
    if (stateAcquire(page) >= SEALED) {
      open(page, false);
    }
  }

  private synchronized void open(int page, boolean decrypt) {
    byte state = stateAcquire(page);
    if (state < SEALED) {
      return;
    }
    if (decrypt) {
      RamBank bank = ram.bankOfPage(page);
      cipher.decrypt(bank.segment(), bank.offset(bank.address(page)), layout.ofPage(page));
      bytesDecrypted += Ram.PAGE_BYTES;
    }
    pagesOpened++;
    stateRelease(page, OPEN);
    if (state == SEALED_IN_WINDOW) {
      // The window shows plaintext from here on; whoever holds it must come back to resolve().
      generation.advance();
    }
  }

  // --- Outsiders ----------------------------------------------------------------------------

  /** Whether {@code page} is shared; looked at without a lock. */
  boolean isSharedAcquire(int page) {
    return stateAcquire(page) == SHARED;
  }

  /**
   * Lets a bus master look at private {@code page}: seals it, and remembers that it may look again.
   *
   * @return the generation at which a window on the page is valid
   */
  synchronized long sealForWindow(int page) {
    if (stateAcquire(page) != SHARED) {
      seal(page);
      stateRelease(page, SEALED_IN_WINDOW);
    }
    return generation.acquire();
  }

  /** Copies out of DRAM, within the page. */
  synchronized void readRaw(int page, long start, MemorySegment target, long at, long length) {
    seal(page);
    RamBank bank = ram.bankOfPage(page);
    MemorySegment.copy(bank.segment(), bank.offset(bank.address(page)) + start, target, at, length);
  }

  /** Copies into DRAM, within the page. */
  synchronized void writeRaw(int page, long start, MemorySegment source, long at, long length) {
    seal(page);
    RamBank bank = ram.bankOfPage(page);
    MemorySegment.copy(source, at, bank.segment(), bank.offset(bank.address(page)) + start, length);
  }

  /** Under the monitor: what an outsider may look at lies in memory afterwards. */
  private void seal(int page) {
    if (stateAcquire(page) == OPEN) {
      RamBank bank = ram.bankOfPage(page);
      cipher.encrypt(bank.segment(), bank.offset(bank.address(page)), layout.ofPage(page));
      bytesEncrypted += Ram.PAGE_BYTES;
      pagesSealed++;
      stateRelease(page, SEALED);
    }
  }

  // --- The C-bit ----------------------------------------------------------------------------

  @Override
  public synchronized void setShared(long address, long pages) {
    int first = check(address, pages);
    long flipped = 0;
    int run = 0;
    for (int page = first; page < first + pages; page++) {
      if (stateAcquire(page) != SHARED) {
        seal(page);
        stateRelease(page, SHARED);
        run++;
      } else {
        flipped += tell(page, run, true);
        run = 0;
      }
    }
    flipped += tell(first + (int) pages, run, true);
    flipsToShared += flipped;
    pagesShared += flipped;
    pagesSharedPeak = Math.max(pagesSharedPeak, pagesShared);
    attributesChanged(flipped);
  }

  @Override
  public synchronized void setPrivate(long address, long pages) {
    int first = check(address, pages);
    long flipped = 0;
    int run = 0;
    for (int page = first; page < first + pages; page++) {
      if (stateAcquire(page) == SHARED) {
        // No window is valid on the page once the generation has moved.
        stateRelease(page, SEALED);
        run++;
      } else {
        flipped += tell(page, run, false);
        run = 0;
      }
    }
    flipped += tell(first + (int) pages, run, false);
    flipsToPrivate += flipped;
    pagesShared -= flipped;
    attributesChanged(flipped);
  }

  /** Tells of the {@code run} pages that end before {@code limit}; returns their number. */
  private int tell(int limit, int run, boolean shared) {
    if (run > 0) {
      int page = limit - run;
      observer.flipped(ram.bankOfPage(page).address(page), run, shared);
    }
    return run;
  }

  /** The guest flushes around every change it asks for, whether or not a bit was different. */
  private void attributesChanged(long flipped) {
    cacheFlushes++;
    tlbFlushes++;
    if (flipped != 0) {
      generation.advance();
    }
  }

  @Override
  public boolean isShared(long address) {
    RamBank bank = ram.find(address);
    if (bank == null) {
      throw new IllegalArgumentException("no RAM at address=0x%x".formatted(address));
    }
    return isSharedAcquire(bank.page(address));
  }

  /** Number of the first page of a range of whole pages, all in one bank. */
  private int check(long address, long pages) {
    RamBank bank = ram.find(address);
    if (bank == null
        || (address & Ram.PAGE_MASK) != 0
        || pages < 0
        || pages > (bank.limit() - address) >> Ram.PAGE_SHIFT) {
      throw new IllegalArgumentException(
          "not whole pages of RAM: address=0x%x pages=%d".formatted(address, pages));
    }
    return bank.page(address);
  }

  synchronized SevCounters counters() {
    return new SevCounters(
        flipsToShared,
        flipsToPrivate,
        pagesShared,
        pagesSharedPeak,
        pagesSealed,
        pagesOpened,
        bytesEncrypted,
        bytesDecrypted,
        cacheFlushes,
        tlbFlushes);
  }
}
