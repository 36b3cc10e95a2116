package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.ram.Ram;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.bouncycastle.crypto.MultiBlockCipher;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.params.KeyParameter;

/**
 * Encrypts and decrypts whole pages where they lie.
 *
 * <p>Bouncy Castle has no mode that tweaks each block by its address, so this composes it from
 * electronic code book: all tweaks of a page in one call, all of its blocks in another, and the xor
 * between them in Java. Nothing is allocated per page.
 *
 * <p>Not thread-safe: the scratch pages are its own. {@link SevPages} calls it under its lock.
 */
final class PageCipher {
  private static final int BLOCK_BYTES = 16;
  private static final int BLOCKS = Ram.PAGE_BYTES / BLOCK_BYTES;

  private static final VarHandle LITTLE_ENDIAN_LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final MultiBlockCipher tweaker;
  private final MultiBlockCipher encryptor;
  private final MultiBlockCipher decryptor;
  // Block numbers of 128 bits; the upper halves stay zero.
  private final byte[] numbers = new byte[Ram.PAGE_BYTES];
  private final byte[] tweaks = new byte[Ram.PAGE_BYTES];
  private final byte[] data = new byte[Ram.PAGE_BYTES];

  PageCipher(SevKeys keys) {
    tweaker = aes(true, keys.tweak());
    encryptor = aes(true, keys.data());
    decryptor = aes(false, keys.data());
    // The library is in memory by now; its files need not outlive us.
    NativeLibraries.unlinkOwn();
  }

  private static MultiBlockCipher aes(boolean encrypt, byte[] key) {
    MultiBlockCipher engine = AESEngine.newInstance();
    engine.init(encrypt, new KeyParameter(key));
    return engine;
  }

  /** Replaces the plaintext of the page at {@code offset} by its ciphertext. */
  void encrypt(MemorySegment memory, long offset, long systemPhysical) {
    convert(encryptor, memory, offset, systemPhysical);
  }

  /** Replaces the ciphertext of the page at {@code offset} by its plaintext. */
  void decrypt(MemorySegment memory, long offset, long systemPhysical) {
    convert(decryptor, memory, offset, systemPhysical);
  }

  private void convert(
      MultiBlockCipher direction, MemorySegment memory, long offset, long systemPhysical) {
    long block = systemPhysical / BLOCK_BYTES;
    for (int i = 0; i < Ram.PAGE_BYTES; i += BLOCK_BYTES) {
      LITTLE_ENDIAN_LONGS.set(numbers, i, block++);
    }
    tweaker.processBlocks(numbers, 0, BLOCKS, tweaks, 0);
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, offset, data, 0, Ram.PAGE_BYTES);
    whiten();
    direction.processBlocks(data, 0, BLOCKS, data, 0);
    whiten();
    MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, offset, Ram.PAGE_BYTES);
  }

  private void whiten() {
    byte[] to = data;
    byte[] with = tweaks;
    // Byte by byte, which the compiler turns into whole vectors.
    for (int i = 0; i < Ram.PAGE_BYTES; i++) {
      to[i] ^= with[i];
    }
  }

  /** Overwrites what the scratch pages still show. */
  void wipe() {
    Arrays.fill(data, (byte) 0);
    Arrays.fill(tweaks, (byte) 0);
  }
}
