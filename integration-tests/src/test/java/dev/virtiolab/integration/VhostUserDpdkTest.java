package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** DPDK's virtio-user driver, on huge pages, behind {@code vlab serve --vhost-user}. */
class VhostUserDpdkTest {
  private static final Path HUGE_PAGES = Path.of("/proc/sys/vm/nr_hugepages");

  /** 256 MiB of pages of 2 MiB, and some for DPDK's own. */
  private static final int PAGES = 160;

  private static final long DEADLINE_SECONDS = 120;

  @TempDir Path folder;

  private int pagesBefore = -1;

  @BeforeEach
  void needDpdk() throws IOException {
    Requirements.assumeProgram("dpdk-testpmd", "dpdk-dev");
    Requirements.assume(Files.isWritable(HUGE_PAGES), "huge pages are root's to reserve");
    pagesBefore = pages();
    Files.writeString(HUGE_PAGES, Integer.toString(pagesBefore + PAGES));
    Requirements.assume(
        pages() >= pagesBefore + PAGES, "no memory for " + PAGES + " huge pages of 2 MiB");
  }

  @AfterEach
  void giveHugePagesBack() throws IOException {
    if (pagesBefore >= 0) {
      Files.writeString(HUGE_PAGES, Integer.toString(pagesBefore));
    }
  }

  private static int pages() throws IOException {
    // In one read: the kernel has no second part of a setting, and Files begins with a byte.
    try (InputStream setting = new FileInputStream(HUGE_PAGES.toFile())) {
      return Integer.parseInt(
          new String(setting.readNBytes(32), StandardCharsets.US_ASCII).strip());
    }
  }

  @Test
  void everyFrameComesBackInItsPlace() throws Exception {
    Path socket = folder.resolve("vhost");
    try (Vlab lab = Vlab.asMyself()) {
      lab.start(
          "serve",
          "--vhost-user",
          socket.toString(),
          "--allow-unsealed",
          "--round-trips",
          "200000",
          "--json");
      lab.awaitOutput("vhost-user");
      Process driver = startDriver(socket);
      try {
        Vlab.Ended ended = lab.await();
        assertEquals(0, ended.exitCode(), ended.err());
        assertTrue(ended.out().contains("\"returned\" : 200000"), ended.out());
        assertTrue(ended.out().contains("\"wrong\" : \"\""), ended.out());
      } finally {
        stop(driver);
      }
    }
  }

  /** What is not sealed is not taken, and who has it is told why there is no device. */
  @Test
  void hugePagesAreTakenOnlyOnRequest() throws Exception {
    Path socket = folder.resolve("vhost");
    try (Vlab lab = Vlab.asMyself()) {
      lab.start("serve", "--vhost-user", socket.toString(), "--round-trips", "1000", "--json");
      lab.awaitOutput("vhost-user");
      Process driver = startDriver(socket);
      try {
        long since = System.nanoTime();
        while (!lab.printedToErr().contains("F_SEAL_SHRINK")) {
          assertTrue(
              System.nanoTime() - since < TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS),
              lab.printedToErr());
          LockSupport.parkNanos(50_000_000);
        }
      } finally {
        stop(driver);
        lab.interrupt();
        assertEquals(130, lab.await().exitCode());
      }
    }
  }

  private Process startDriver(Path socket) throws IOException {
    // Its standard input is a pipe that stays open: at the end of it testpmd would go.
    return new ProcessBuilder(
            List.of(
                "dpdk-testpmd",
                "--in-memory",
                "--no-pci",
                "--single-file-segments",
                "--iova-mode=va",
                "--file-prefix=virtiolab" + ProcessHandle.current().pid(),
                "-m",
                "256",
                "--vdev",
                "net_virtio_user0,mac=52:54:00:12:34:56,queues=1,path=" + socket,
                "--",
                "--interactive",
                "--auto-start",
                "--forward-mode=io",
                // What is received before it forwards would be lost, by its own doing.
                "--no-flush-rx",
                "--no-mlockall",
                "--total-num-mbufs=4096"))
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("testpmd").toFile())
        .start();
  }

  private static void stop(Process driver) throws InterruptedException {
    driver.destroyForcibly().waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
  }
}
