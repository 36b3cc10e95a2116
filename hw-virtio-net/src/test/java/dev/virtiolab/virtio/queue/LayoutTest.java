package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Constants against the structs of the specification, read as text. */
class LayoutTest {

  @Test
  void descriptorIsTheStructOf2_7_5() {
    String struct = "le64 addr; le32 len; le16 flags; le16 next;";
    assertEquals(offset(struct, "addr"), DescriptorLayout.ADDR);
    assertEquals(offset(struct, "len"), DescriptorLayout.LEN);
    assertEquals(offset(struct, "flags"), DescriptorLayout.FLAGS);
    assertEquals(offset(struct, "next"), DescriptorLayout.NEXT);
    assertEquals(offset(struct, null), DescriptorLayout.BYTES);
    assertEquals(1, DescriptorLayout.F_NEXT);
    assertEquals(2, DescriptorLayout.F_WRITE);
    assertEquals(4, DescriptorLayout.F_INDIRECT);
  }

  @Test
  void availableRingIsTheStructOf2_7_6() {
    String struct = "le16 flags; le16 idx; le16 ring[8]; le16 used_event;";
    assertEquals(offset(struct, "flags"), SplitQueueLayout.AVAIL_FLAGS);
    assertEquals(offset(struct, "idx"), SplitQueueLayout.AVAIL_IDX);
    assertEquals(offset(struct, "ring"), SplitQueueLayout.AVAIL_RING);
    assertEquals(offset(struct, "used_event"), SplitQueueLayout.usedEvent(8));
    assertEquals(offset(struct, null), SplitQueueLayout.availBytes(8, true));
    assertEquals(1, SplitQueueLayout.AVAIL_F_NO_INTERRUPT);
  }

  @Test
  void usedRingIsTheStructOf2_7_8() {
    // An element is le32 id, le32 len: one le64 in this notation.
    String struct = "le16 flags; le16 idx; le64 ring[8]; le16 avail_event;";
    assertEquals(offset(struct, "flags"), SplitQueueLayout.USED_FLAGS);
    assertEquals(offset(struct, "idx"), SplitQueueLayout.USED_IDX);
    assertEquals(offset(struct, "ring"), SplitQueueLayout.USED_RING);
    assertEquals(offset(struct, "avail_event"), SplitQueueLayout.availEvent(8));
    assertEquals(offset(struct, null), SplitQueueLayout.usedBytes(8, true));
    String element = "le32 id; le32 len;";
    assertEquals(offset(element, "id"), SplitQueueLayout.USED_ELEMENT_ID);
    assertEquals(offset(element, "len"), SplitQueueLayout.USED_ELEMENT_LEN);
    assertEquals(offset(element, null), SplitQueueLayout.USED_ELEMENT_BYTES);
    assertEquals(1, SplitQueueLayout.USED_F_NO_NOTIFY);
  }

  @Test
  void areasHaveTheSizesAndAlignmentsOfTheTableIn2_7() {
    for (int size = 1; size <= SplitQueueLayout.MAX_SIZE; size *= 2) {
      assertEquals(16 * size, SplitQueueLayout.descriptorBytes(size));
      assertEquals(6 + 2 * size, SplitQueueLayout.availBytes(size, true));
      assertEquals(6 + 8 * size, SplitQueueLayout.usedBytes(size, true));
      assertEquals(4 + 2 * size, SplitQueueLayout.availBytes(size, false));
      assertEquals(4 + 8 * size, SplitQueueLayout.usedBytes(size, false));
    }
    assertEquals(16, SplitQueueLayout.DESC_ALIGNMENT);
    assertEquals(2, SplitQueueLayout.AVAIL_ALIGNMENT);
    assertEquals(4, SplitQueueLayout.USED_ALIGNMENT);
  }

  /** Offset of a field, or the size of the struct for null. */
  private static int offset(String struct, String field) {
    int offset = 0;
    for (String declaration : struct.split(";")) {
      String[] words = declaration.trim().split("[ \\[\\]]");
      if (words[1].equals(field)) {
        return offset;
      }
      int bytes = Integer.parseInt(words[0].substring(2)) / 8;
      offset += bytes * (words.length > 2 ? Integer.parseInt(words[2]) : 1);
    }
    return offset;
  }
}
