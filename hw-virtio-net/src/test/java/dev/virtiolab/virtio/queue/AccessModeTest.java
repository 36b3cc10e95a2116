package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.InvokeInstruction;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Access modes as compiled: what running the code on x86 cannot show. Such a processor orders loads
 * with loads and stores with stores, whatever the mode, and HotSpot moves no store of native memory
 * over another; so a release that is a plain store, and an acquire that is an opaque load, do no
 * harm there. The class file tells, on any machine. {@link TwoThreadTest} shows the rest by
 * running.
 */
class AccessModeTest {

  @Test
  void availIdxIsLoadedByAcquire() throws IOException {
    assertEquals(List.of("getAcquire"), modes("loadIndexAcquire"));
  }

  @Test
  void usedIdxIsStoredByReleaseAndFollowedByAFullFence() throws IOException {
    assertEquals(List.of("setRelease", "fullFence"), modes("storeUsedIndex"));
  }

  @Test
  void theReCheckAfterEnablingKicksComesAfterAFullFence() throws IOException {
    assertEquals(List.of("fullFence"), modes("kickAfter"));
  }

  /** The VarHandle methods that a method of the queue calls, in order. */
  private static List<String> modes(String method) throws IOException {
    byte[] bytes;
    try (var in = SplitQueue.class.getResourceAsStream("SplitQueue.class")) {
      bytes = in.readAllBytes();
    }
    List<String> modes = new ArrayList<>();
    for (MethodModel model : ClassFile.of().parse(bytes).methods()) {
      if (model.methodName().equalsString(method)) {
        model
            .code()
            .orElseThrow()
            .forEach(
                element -> {
                  if (element instanceof InvokeInstruction invoke
                      && invoke.owner().asInternalName().equals("java/lang/invoke/VarHandle")) {
                    modes.add(invoke.name().stringValue());
                  }
                });
      }
    }
    return modes;
  }
}
