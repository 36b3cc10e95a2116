package dev.virtiolab.iommu.sev;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibrariesTest {
  private static final Instant NOW = Instant.now();
  private static final Instant SETTLED = NOW.minus(NativeLibraries.SETTLED);

  @TempDir Path temporary;

  private Path folder(String name, Instant changed) throws IOException {
    Path folder = Files.createDirectory(temporary.resolve(name));
    Files.writeString(folder.resolve("libbc-probe.so"), "not really");
    Files.writeString(folder.resolve("libbc-lts-vaesf.so"), "not really");
    Files.setLastModifiedTime(folder, FileTime.from(changed));
    return folder;
  }

  @Test
  void anOldFolderThatNobodyHasMappedIsDeleted() throws IOException {
    Path stale = folder("bc-lts-jni2a03ojh0f-libs", SETTLED.minusSeconds(1));
    assertEquals(1, NativeLibraries.sweepStale(temporary, SETTLED));
    assertFalse(Files.exists(stale));
  }

  @Test
  void aFolderThatMayStillBeLoadedFromStays() throws IOException {
    Path fresh = folder("bc-lts-jni2a03ojh0f-libs", NOW);
    assertEquals(0, NativeLibraries.sweepStale(temporary, SETTLED));
    assertTrue(Files.exists(fresh));
  }

  @Test
  void whatHasAnotherNameOrIsALinkOrHoldsMoreStays() throws IOException {
    Instant old = SETTLED.minusSeconds(100);
    Path other = folder("bc-lts-jni2a03OJH0f-libs", old);
    Path another = folder("bc-lts-jni-libs", old);
    Path target = folder("elsewhere", old);
    Path link = temporary.resolve("bc-lts-jni11-libs");
    Files.createSymbolicLink(link, target);
    Path more = folder("bc-lts-jni22-libs", old);
    Files.writeString(more.resolve("mine.txt"), "keep");
    Files.setLastModifiedTime(more, FileTime.from(old));
    assertEquals(0, NativeLibraries.sweepStale(temporary, SETTLED));
    for (Path kept : new Path[] {other, another, target, link, more}) {
      assertTrue(Files.exists(kept), kept::toString);
    }
    assertTrue(Files.exists(target.resolve("libbc-probe.so")));
    assertTrue(Files.exists(more.resolve("libbc-probe.so")));
    assertEquals("keep", Files.readString(more.resolve("mine.txt")));
  }

  @Test
  void aFolderThatALiveProcessHasMappedStays() throws IOException {
    Path used = folder("bc-lts-jni33-libs", NOW);
    Path library = used.resolve("libbc-probe.so");
    try (var channel = FileChannel.open(library);
        var arena = Arena.ofShared()) {
      channel.map(FileChannel.MapMode.READ_ONLY, 0, 4, arena);
      Files.setLastModifiedTime(used, FileTime.from(SETTLED.minusSeconds(100)));
      assertEquals(0, NativeLibraries.sweepStale(temporary, SETTLED));
      assertTrue(Files.exists(library));
    }
    assertEquals(1, NativeLibraries.sweepStale(temporary, SETTLED));
    assertFalse(Files.exists(used));
  }

  @Test
  void aDirectoryThatIsNotThereHasNothingToSweep() {
    assertEquals(0, NativeLibraries.sweepStale(temporary.resolve("gone"), SETTLED));
  }

  @Test
  void thisProcessLeavesNoFolderOnceItsLibraryIsLoaded() throws IOException {
    new PageCipher(new SevKeys(new byte[16], new byte[16]));
    for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
      if (line.contains("bc-lts-jni")) {
        assertTrue(line.endsWith("(deleted)"), line);
      }
    }
  }
}
