package dev.virtiolab.virtio.offload;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A {@link SoftwareOffload} with a frame before it and room for pieces, neither of them aligned.
 */
final class OffloadRig {
  /** Where the frame lies. */
  static final int FRAME = 3;

  private static final int PIECE = 5;

  final SoftwareOffload software = new SoftwareOffload();
  final MemorySegment memory = Arena.ofAuto().allocate(70_000);
  private final MemorySegment target = Arena.ofAuto().allocate(70_000);

  /** Puts the frame there and begins with it; as {@link SoftwareOffload#begin}. */
  boolean begin(byte[] frame, long work, int tunnel) {
    MemorySegment.copy(frame, 0, memory, ValueLayout.JAVA_BYTE, FRAME, frame.length);
    return software.begin(memory, FRAME, frame.length, work, tunnel);
  }

  /** All the pieces that there are still to make. */
  List<byte[]> pieces() {
    List<byte[]> pieces = new ArrayList<>();
    while (software.pending()) {
      int length = software.nextLength();
      software.next(target, PIECE);
      pieces.add(target.asSlice(PIECE, length).toArray(ValueLayout.JAVA_BYTE));
    }
    return pieces;
  }
}
