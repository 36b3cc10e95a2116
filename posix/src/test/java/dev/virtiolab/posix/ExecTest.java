package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Native;
import java.io.FileOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ExecTest {
  /** Prints its pid, blocked signals, arguments and open descriptors. */
  private static final String SHOW =
      """
      echo $$
      echo $(grep SigBlk /proc/$$/status)
      echo "$@"
      ls /proc/$$/fd
      exit 0
      """;

  @Test
  void programTakesThisProcessWithoutItsDescriptorsAndSignalMask() throws Exception {
    Child child = run("exec", "sh", "-c", SHOW, "sh", "one two", "three");
    assertEquals(0, child.status, child.output);
    String[] lines = child.output.split("\n");
    assertEquals(child.pid, Long.parseLong(lines[0]), child.output);
    assertEquals("SigBlk: 0000000000000000", lines[1], child.output);
    assertEquals("one two three", lines[2], child.output);
    assertEquals(List.of("0", "1", "2"), List.of(lines).subList(3, lines.length));
  }

  @Test
  void aDescriptorThatIsHandedOnIsThereUnderItsNumber() throws Exception {
    Child child = run("hand-on", "sh", "-c", SHOW, "sh", "x");
    assertEquals(0, child.status, child.output);
    String[] lines = child.output.split("\n");
    assertEquals(List.of("0", "1", "100", "2"), List.of(lines).subList(3, lines.length));
  }

  @Test
  void everyDescriptorIsMarkedWhereTheKernelHasNoCloseRange() throws Exception {
    Child child = run("mark");
    assertEquals(0, child.status, child.output);
    assertEquals("before=0 after=1\n", child.output);
  }

  @Test
  void programThatIsMissingIsAnErrorAndThisProcessGoesOn() {
    PosixException e =
        assertThrows(
            PosixException.class, () -> Exec.replace(List.of("/no/such/program", "argument")));
    assertEquals("exec /no/such/program: No such file or directory (ENOENT)", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> Exec.replace(List.of()));
  }

  /** The process that is replaced. */
  static final class Main {
    private Main() {}

    public static void main(String[] args) throws IOException {
      // The JDK opens files without O_CLOEXEC.
      try (FileOutputStream open = new FileOutputStream("/dev/null")) {
        if (args[0].equals("exec")) {
          Exec.replace(List.of(args).subList(1, args.length));
        }
        int fd = LibC.fcntl(2, F_DUPFD, 100);
        if (args[0].equals("hand-on")) {
          Exec.replace(List.of(args).subList(1, args.length), fd);
        }
        int before = LibC.fcntl(fd, LibC.F_GETFD, 0);
        Exec.closeOnExecOneByOne();
        System.out.println("before=" + before + " after=" + LibC.fcntl(fd, LibC.F_GETFD, 0));
        open.flush();
      }
    }

    private static final int F_DUPFD = 0;
  }

  private record Child(long pid, int status, String output) {}

  private static Child run(String... args) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-cp");
    command.add(home(Exec.class) + ":" + home(Main.class) + ":" + home(Native.class));
    command.add(Main.class.getName());
    command.addAll(List.of(args));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    assertTrue(status >= 0);
    return new Child(process.pid(), status, output);
  }

  /** The folder or archive that a class was loaded from, of a patched module too. */
  private static String home(Class<?> type) throws URISyntaxException {
    String file = type.getName().substring(type.getPackageName().length() + 1) + ".class";
    URL url = type.getResource(file);
    String path = url.toString();
    int inside = path.lastIndexOf('/' + type.getName().replace('.', '/'));
    String root = path.substring(0, inside);
    if (root.startsWith("jar:")) {
      root = root.substring(4, root.length() - 1);
    }
    return URI.create(root).getPath();
  }
}
