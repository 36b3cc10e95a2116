package dev.virtiolab.lab;

import dev.virtiolab.firmware.Firmware;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.stream.Stream;

/** The guest's code, as far as a launch measures it: the classes of guest-firmware. */
final class FirmwareImage {

  private static byte[] known;

  private FirmwareImage() {}

  /**
   * SHA-256 over the name and the bytes of every class, in the order of their names: read and
   * digested by the first call, as the classes are loaded once, too.
   */
  static synchronized byte[] digest() {
    if (known == null) {
      known = digestNow();
    }
    return known.clone();
  }

  private static byte[] digestNow() {
    try {
      URI home = Firmware.class.getProtectionDomain().getCodeSource().getLocation().toURI();
      Path path = Path.of(home);
      if (Files.isDirectory(path)) {
        return digest(path);
      }
      try (FileSystem jar = FileSystems.newFileSystem(path)) {
        return digest(jar.getPath("/"));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the firmware's classes", e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] digest(Path root) throws IOException {
    List<Path> classes;
    try (Stream<Path> files = Files.walk(root)) {
      classes =
          files
              .filter(file -> file.toString().endsWith(".class"))
              .sorted((a, b) -> a.toString().compareTo(b.toString()))
              .toList();
    }
    MessageDigest digest = sha256();
    for (Path file : classes) {
      digest.update(root.relativize(file).toString().getBytes(StandardCharsets.UTF_8));
      digest.update((byte) 0);
      try (InputStream bytes = new DigestInputStream(Files.newInputStream(file), digest)) {
        bytes.transferTo(java.io.OutputStream.nullOutputStream());
      }
    }
    return digest.digest();
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
