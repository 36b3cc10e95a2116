package dev.virtiolab.iommu.sev.launch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a guest starts from: a header page, then blocks, in this order. The header describes the
 * rest ({@link LaunchHeaderLayout}), so that where a block goes is measured with what is in it.
 */
public final class LaunchImage {
  /** What LAUNCH_UPDATE_DATA asks of addresses and lengths. */
  public static final int ALIGNMENT = 16;

  /** Blocks that fit into the header. */
  public static final int BLOCKS_MAX = LaunchHeaderLayout.BLOCKS_MAX;

  /**
   * Bytes and where they go.
   *
   * @param address guest-physical, a multiple of 16
   * @param bytes as the guest will read them; padded with zeros to a multiple of 16
   */
  public record Block(long address, byte[] bytes) {
    public Block {
      if (address % ALIGNMENT != 0 || bytes.length == 0) {
        throw new IllegalArgumentException(
            "a block starts at a multiple of %d and is not empty: address=0x%x length=%d"
                .formatted(ALIGNMENT, address, bytes.length));
      }
      int padding = -bytes.length & (ALIGNMENT - 1);
      bytes = Arrays.copyOf(bytes, bytes.length + padding);
    }

    /** A copy. */
    @Override
    public byte[] bytes() {
      return bytes.clone();
    }

    /** One past the block's last address. */
    public long limit() {
      return address + bytes.length;
    }
  }

  private final List<Block> blocks;

  /**
   * An image.
   *
   * @param headerAddress where the header page goes, a multiple of 4096
   * @param firmwareDigest SHA-256 of the firmware's classes, 32 bytes
   * @param handOff what the firmware finds in memory, at most {@link #BLOCKS_MAX} blocks
   * @throws IllegalArgumentException if a block overlaps another or the header
   */
  public LaunchImage(long headerAddress, byte[] firmwareDigest, List<Block> handOff) {
    if (headerAddress % LaunchHeaderLayout.HEADER_BYTES != 0) {
      throw new IllegalArgumentException("the header fills a page: address=" + headerAddress);
    }
    if (firmwareDigest.length != LaunchHeaderLayout.FIRMWARE_DIGEST_BYTES) {
      throw new IllegalArgumentException("not a SHA-256: length=" + firmwareDigest.length);
    }
    if (handOff.size() > BLOCKS_MAX) {
      throw new IllegalArgumentException(
          "too many blocks: count=%d most=%d".formatted(handOff.size(), BLOCKS_MAX));
    }
    List<Block> all = new ArrayList<>();
    all.add(new Block(headerAddress, header(firmwareDigest, handOff)));
    all.addAll(handOff);
    for (int i = 0; i < all.size(); i++) {
      for (int j = 0; j < i; j++) {
        if (all.get(i).address() < all.get(j).limit()
            && all.get(j).address() < all.get(i).limit()) {
          throw new IllegalArgumentException(
              "blocks overlap: address=0x%x and address=0x%x"
                  .formatted(all.get(j).address(), all.get(i).address()));
        }
      }
    }
    blocks = List.copyOf(all);
  }

  private static byte[] header(byte[] firmwareDigest, List<Block> handOff) {
    ByteBuffer header =
        ByteBuffer.allocate(LaunchHeaderLayout.HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(LaunchHeaderLayout.SIGNATURE_OFFSET, LaunchHeaderLayout.SIGNATURE);
    header.putInt(LaunchHeaderLayout.VERSION_OFFSET, LaunchHeaderLayout.VERSION);
    header.putInt(LaunchHeaderLayout.BLOCK_COUNT_OFFSET, handOff.size());
    header.put(LaunchHeaderLayout.FIRMWARE_DIGEST_OFFSET, firmwareDigest);
    int at = LaunchHeaderLayout.BLOCKS_OFFSET;
    for (Block block : handOff) {
      header.putLong(at + LaunchHeaderLayout.BLOCK_ADDRESS_OFFSET, block.address());
      header.putLong(at + LaunchHeaderLayout.BLOCK_LENGTH_OFFSET, block.bytes.length);
      at += LaunchHeaderLayout.BLOCK_BYTES;
    }
    return header.array();
  }

  /** The header and the hand-off blocks, in the order in which they are loaded. */
  public List<Block> blocks() {
    return blocks;
  }
}
