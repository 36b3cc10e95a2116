package dev.virtiolab.iommu.sev;

import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/**
 * Encrypted memory as one would explain it: DRAM holds what DRAM holds, and every access of the CPU
 * to a private page decrypts the blocks that it touches, changes them, and encrypts them again.
 *
 * <p>Slow, obvious, and written without the code under test: its ciphers are the JDK's, one block
 * at a time. Where pages lie in DRAM is given to it, page by page.
 */
final class EagerSev {
  private static final int PAGE = 4096;
  private static final int BLOCK = 16;

  /** One page frame: where the guest sees it, where it lies, what it holds. */
  private static final class Frame {
    final long guestPhysical;
    final long systemPhysical;
    final byte[] raw = new byte[PAGE];
    boolean shared;

    Frame(long guestPhysical, long systemPhysical) {
      this.guestPhysical = guestPhysical;
      this.systemPhysical = systemPhysical;
    }
  }

  private final List<Frame> frames = new ArrayList<>();
  private final Cipher tweaker;
  private final Cipher encryptor;
  private final Cipher decryptor;

  EagerSev(byte[] key, byte[] tweakKey, List<Long> pages, LongUnaryOperator systemPhysical)
      throws GeneralSecurityException {
    for (long page : pages) {
      frames.add(new Frame(page, systemPhysical.applyAsLong(page)));
    }
    tweaker = Cipher.getInstance("AES/ECB/NoPadding", "SunJCE");
    tweaker.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(tweakKey, "AES"));
    encryptor = Cipher.getInstance("AES/ECB/NoPadding", "SunJCE");
    encryptor.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"));
    decryptor = Cipher.getInstance("AES/ECB/NoPadding", "SunJCE");
    decryptor.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"));
  }

  private Frame frame(long guestPhysical) {
    for (Frame frame : frames) {
      if (guestPhysical >= frame.guestPhysical && guestPhysical < frame.guestPhysical + PAGE) {
        return frame;
      }
    }
    throw new IllegalArgumentException("no page at %x".formatted(guestPhysical));
  }

  private Frame frameInDram(long systemPhysical) {
    for (Frame frame : frames) {
      if (systemPhysical >= frame.systemPhysical && systemPhysical < frame.systemPhysical + PAGE) {
        return frame;
      }
    }
    throw new IllegalArgumentException("no DRAM at %x".formatted(systemPhysical));
  }

  /** One block through the cipher, at the system-physical address of its first byte. */
  private byte[] convert(Cipher cipher, byte[] block, long systemPhysical) {
    try {
      byte[] number = new byte[BLOCK];
      long remaining = systemPhysical / BLOCK;
      for (int i = 0; i < BLOCK; i++) {
        number[i] = (byte) remaining;
        remaining >>>= 8;
      }
      byte[] tweak = tweaker.doFinal(number);
      byte[] result = cipher.doFinal(xor(block, tweak));
      return xor(result, tweak);
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] xor(byte[] a, byte[] b) {
    byte[] result = new byte[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
      result[i] = (byte) (a[i] ^ b[i]);
    }
    return result;
  }

  byte[] cpuRead(long address, int length) {
    byte[] result = new byte[length];
    int done = 0;
    while (done < length) {
      long at = address + done;
      Frame frame = frame(at);
      int inPage = (int) (at - frame.guestPhysical);
      int blockStart = inPage - inPage % BLOCK;
      byte[] block = plainBlock(frame, blockStart);
      int skip = inPage - blockStart;
      int take = Math.min(BLOCK - skip, length - done);
      System.arraycopy(block, skip, result, done, take);
      done += take;
    }
    return result;
  }

  void cpuWrite(long address, byte[] bytes) {
    int done = 0;
    while (done < bytes.length) {
      long at = address + done;
      Frame frame = frame(at);
      int inPage = (int) (at - frame.guestPhysical);
      int blockStart = inPage - inPage % BLOCK;
      int skip = inPage - blockStart;
      int take = Math.min(BLOCK - skip, bytes.length - done);
      byte[] block = plainBlock(frame, blockStart);
      System.arraycopy(bytes, done, block, skip, take);
      if (!frame.shared) {
        block = convert(encryptor, block, frame.systemPhysical + blockStart);
      }
      System.arraycopy(block, 0, frame.raw, blockStart, BLOCK);
      done += take;
    }
  }

  private byte[] plainBlock(Frame frame, int blockStart) {
    byte[] block = new byte[BLOCK];
    System.arraycopy(frame.raw, blockStart, block, 0, BLOCK);
    return frame.shared ? block : convert(decryptor, block, frame.systemPhysical + blockStart);
  }

  byte[] deviceRead(long address, int length) {
    byte[] result = new byte[length];
    for (int i = 0; i < length; i++) {
      Frame frame = frame(address + i);
      result[i] = frame.raw[(int) (address + i - frame.guestPhysical)];
    }
    return result;
  }

  void deviceWrite(long address, byte[] bytes) {
    for (int i = 0; i < bytes.length; i++) {
      Frame frame = frame(address + i);
      frame.raw[(int) (address + i - frame.guestPhysical)] = bytes[i];
    }
  }

  byte[] dramRead(long systemPhysical, int length) {
    Frame frame = frameInDram(systemPhysical);
    byte[] result = new byte[length];
    System.arraycopy(frame.raw, (int) (systemPhysical - frame.systemPhysical), result, 0, length);
    return result;
  }

  void dramWrite(long systemPhysical, byte[] bytes) {
    Frame frame = frameInDram(systemPhysical);
    System.arraycopy(
        bytes, 0, frame.raw, (int) (systemPhysical - frame.systemPhysical), bytes.length);
  }

  void setShared(long address, boolean shared) {
    frame(address).shared = shared;
  }

  boolean isShared(long address) {
    return frame(address).shared;
  }

  /** Systematic decryption of any 16 bytes as if they lay at {@code systemPhysical}. */
  byte[] decryptAt(byte[] block, long systemPhysical) {
    return convert(decryptor, block, systemPhysical);
  }
}
