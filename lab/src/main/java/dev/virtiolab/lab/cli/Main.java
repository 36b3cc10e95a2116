package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/** Where {@code ./vlab} arrives. */
@Command(
    name = "vlab",
    description =
        "A virtio-net NIC you can see through: the device, and the firmware that drives it.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    scope = CommandLine.ScopeType.INHERIT,
    sortOptions = false)
public final class Main implements Runnable {

  /** In the order in which {@code --help} shows them. */
  private static final List<Class<?>> COMMANDS =
      List.of(
          PingCommand.class,
          IperfCommand.class,
          UpCommand.class,
          ServeCommand.class,
          SwitchCommand.class,
          DmaCheckCommand.class,
          EbsCommand.class,
          BenchCommand.class,
          DumpCommand.class,
          SoakCommand.class,
          DoctorCommand.class,
          TestCommand.class);

  private static final Set<Class<?>> WHOLE_NUMBERS =
      Set.of(int.class, Integer.class, long.class, Long.class);

  /** How long a run that was interrupted may take to clean up and to say what it has. */
  private static final long LAST_WORDS_SECONDS = 5;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  private Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] arguments) {
    speakPlainly();
    CountDownLatch done = new CountDownLatch(1);
    Thread command = Thread.currentThread();
    Thread interrupter =
        new Thread(
            () -> {
              // Ctrl-C: the command ends early but in order, and prints what it has so far.
              command.interrupt();
              try {
                done.await(LAST_WORDS_SECONDS, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            },
            "interrupter");
    Runtime.getRuntime().addShutdownHook(interrupter);
    int exitCode;
    try {
      exitCode = execute(arguments);
    } finally {
      done.countDown();
    }
    try {
      Runtime.getRuntime().removeShutdownHook(interrupter);
    } catch (IllegalStateException e) {
      return; // interrupted: the process is ending already
    }
    System.exit(exitCode);
  }

  /** What holds for the whole process, before its first command. */
  public static void speakPlainly() {
    // It speaks English, and its numbers are those that programs read, wherever it runs.
    Locale.setDefault(Locale.ROOT);
    // What the rooms log is one line on standard error, in the voice of the command line.
    System.setProperty("java.util.logging.SimpleFormatter.format", "vlab: %5$s%n");
  }

  /** Runs one command; never ends the process. */
  public static int execute(String... arguments) {
    // Not System.out, which keeps it to itself when it cannot write.
    Writer out = new OutputStreamWriter(new StandardOutput(), System.out.charset());
    return execute(new PrintWriter(out, true), new PrintWriter(System.err, true), arguments);
  }

  /** Likewise, for whoever wants to see what it prints. */
  static int execute(PrintWriter out, PrintWriter err, String... arguments) {
    CommandLine command = commandLine(arguments).setOut(out).setErr(err);
    int exitCode = command.execute(arguments);
    if (out.checkError()) {
      complain(command, "cannot write to standard output");
      return exitCode == 0 ? LabException.FAILURE : exitCode;
    }
    return exitCode;
  }

  private static CommandLine commandLine(String... arguments) {
    CommandLine command = new CommandLine(new Main());
    commandsFor(arguments).forEach(command::addSubcommand);
    return command
        .setUsageHelpWidth(100)
        .setParameterExceptionHandler(Main::explain)
        .setExecutionExceptionHandler(Main::explain);
  }

  /**
   * The command that is named first, or else all: to look through the options of every one takes a
   * third of the time until a ping leaves.
   */
  private static List<Class<?>> commandsFor(String... arguments) {
    if (arguments.length > 0) {
      for (Class<?> command : COMMANDS) {
        if (command.getAnnotation(Command.class).name().equals(arguments[0])) {
          return List.of(command);
        }
      }
    }
    return COMMANDS;
  }

  /** {@code vlab} alone shows what there is. */
  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }

  private static int explain(ParameterException mistake, String[] arguments) {
    CommandLine command = mistake.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    complain(command, message(mistake) + " (see " + name + " --help)");
    return LabException.USAGE;
  }

  private static String message(ParameterException mistake) {
    // Whoever types a command need not know what Java calls its numbers.
    if (mistake.getCause() instanceof TypeConversionException
        && mistake.getArgSpec() instanceof OptionSpec option
        && WHOLE_NUMBERS.contains(option.auxiliaryTypes()[0])) {
      return "%s takes a whole number, not %s".formatted(option.longestName(), mistake.getValue());
    }
    return mistake.getMessage();
  }

  private static int explain(Exception failure, CommandLine command, CommandLine.ParseResult parsed)
      throws Exception {
    if (failure instanceof LabException known) {
      complain(command, known.getMessage());
      return known.exitCode();
    }
    throw failure; // our own bug: all of it is shown
  }

  private static void complain(CommandLine command, String message) {
    PrintWriter err = command.getErr();
    err.println("vlab: " + message.lines().reduce((a, b) -> a + "; " + b.strip()).orElse(""));
    err.flush();
  }

  /** The version that the build gave this module. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      var descriptor = Main.class.getModule().getDescriptor();
      String version =
          descriptor == null ? "(class path)" : descriptor.rawVersion().orElse("(unversioned)");
      return new String[] {"vlab " + version + ", Java " + Runtime.version()};
    }
  }
}
