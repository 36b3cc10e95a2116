package dev.virtiolab.iommu.sev;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Keeps the temporary directory free of Bouncy Castle's unpacked native libraries.
 *
 * <p>Bouncy Castle LTS copies its libraries to {@code bc-lts-jni<time in base 32>-libs} in {@code
 * java.io.tmpdir}, loads them at once, and deletes the folder in a shutdown hook, which a killed
 * process never runs. Linux keeps a loaded library when its file is gone, so:
 *
 * <ul>
 *   <li>{@link #unlinkOwn} deletes this process's folder as soon as the library is loaded;
 *   <li>{@link #sweepStale} deletes what others left: old, ours, and mapped by no process.
 * </ul>
 *
 * <p>{@code -Dorg.bouncycastle.native.cpu_variant=java} keeps to plain Java and unpacks nothing.
 * Nothing here throws: a folder that cannot be looked at or deleted stays.
 */
public final class NativeLibraries {
  /** A folder younger than this may belong to a process that has not loaded from it yet. */
  static final Duration SETTLED = Duration.ofMinutes(5);

  private static final Pattern FOLDER = Pattern.compile("bc-lts-jni-?[0-9a-v]+-libs");
  private static final Pattern FILE = Pattern.compile("libbc-[a-z0-9-]+\\.so");
  // /proc/<pid>/maps: address, permissions, offset, device, inode, path.
  private static final Pattern MAPPED =
      Pattern.compile("(?m)^\\S+ +\\S+ +\\S+ +\\S+ +\\S+ +(/.*/bc-lts-jni-?[0-9a-v]+-libs)/");

  private static final AtomicBoolean UNLINKED = new AtomicBoolean();

  private NativeLibraries() {}

  /** Deletes the folder that this process has loaded its library from, if there is one. */
  static void unlinkOwn() {
    if (UNLINKED.getAndSet(true)) {
      return; // the library is loaded once
    }
    for (Path folder : mappedBy(Path.of("/proc/self/maps"))) {
      delete(folder);
    }
  }

  /**
   * Deletes folders that killed processes of this user left in {@code java.io.tmpdir}.
   *
   * @return how many went
   */
  public static int sweepStale() {
    Path directory = Path.of(System.getProperty("java.io.tmpdir"));
    return sweepStale(directory, Instant.now().minus(SETTLED));
  }

  /**
   * As {@link #sweepStale()}, in {@code directory}, folders last changed before {@code settled}.
   */
  static int sweepStale(Path directory, Instant settled) {
    int swept = 0;
    Set<Path> inUse = null;
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(directory, "bc-lts-jni*-libs")) {
      for (Path folder : folders) {
        if (!isOurs(folder) || !isSettled(folder, settled)) {
          continue;
        }
        if (inUse == null) {
          inUse = mappedByAnyone();
        }
        if (!inUse.contains(folder.toAbsolutePath()) && delete(folder)) {
          swept++;
        }
      }
    } catch (IOException e) {
      return swept; // a directory that is not there has nothing to sweep
    }
    return swept;
  }

  /** A real folder of that name, not a link to one, that belongs to whom this process runs as. */
  private static boolean isOurs(Path folder) throws IOException {
    if (!FOLDER.matcher(folder.getFileName().toString()).matches()
        || !Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    UserPrincipal self = Files.getOwner(Path.of("/proc/self"));
    return self.equals(Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS));
  }

  private static boolean isSettled(Path folder, Instant settled) throws IOException {
    return Files.getLastModifiedTime(folder, LinkOption.NOFOLLOW_LINKS)
        .toInstant()
        .isBefore(settled);
  }

  /** Folders that a process of this user, or any that may be looked at, has mapped. */
  private static Set<Path> mappedByAnyone() throws IOException {
    Set<Path> all = new HashSet<>();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[1-9]*")) {
      for (Path process : processes) {
        all.addAll(mappedBy(process.resolve("maps")));
      }
    }
    return all;
  }

  private static Set<Path> mappedBy(Path maps) {
    Set<Path> folders = new HashSet<>();
    try {
      // Not readString: the file has no length, and paths in it have no encoding to rely on.
      String text = new String(Files.readAllBytes(maps), StandardCharsets.ISO_8859_1);
      Matcher match = MAPPED.matcher(text);
      while (match.find()) {
        byte[] path = match.group(1).getBytes(StandardCharsets.ISO_8859_1);
        folders.add(Path.of(new String(path, StandardCharsets.UTF_8)));
      }
    } catch (IOException | UncheckedIOException e) {
      return folders; // it ended meanwhile, or is not ours to look at
    }
    return folders;
  }

  /** Deletes {@code folder} if it holds nothing but libraries, and says whether it went. */
  private static boolean delete(Path folder) {
    try (Stream<Path> listed = Files.list(folder)) {
      List<Path> files = listed.toList();
      for (Path file : files) {
        if (!FILE.matcher(file.getFileName().toString()).matches()) {
          return false;
        }
      }
      for (Path file : files) {
        Files.delete(file);
      }
      Files.delete(folder);
      return true;
    } catch (IOException | UncheckedIOException e) {
      return false;
    }
  }
}
