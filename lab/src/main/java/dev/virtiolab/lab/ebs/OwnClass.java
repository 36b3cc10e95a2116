package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.lab.LabException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/**
 * A policy or a driver of the user's own: one public class in one source file, compiled in memory
 * against what the lab runs on, and loaded beside it. docs/your-own-policy.md says how to write
 * one.
 *
 * <p>Each object is of a class that is loaded for it alone, so that not even static fields carry
 * anything from one run to another. It can use what the built-in ones use: the exported packages of
 * the firmware and of the CPU's view. It runs with the rights of whoever runs the lab. What it does
 * later, in {@code arm}, {@code start} or a handler, is for the explorer to watch.
 */
public final class OwnClass {

  /** No name has what separates the parts of a {@link HistoryId}. */
  private static final Pattern NAME = Pattern.compile("[a-z0-9]+(-[a-z0-9]+)*");

  private static final Pattern TITLE = Pattern.compile("\\S|\\S[^\\p{Cntrl}]*\\S");

  private final Path file;
  private final Map<String, byte[]> classes;

  /** As it was loaded to be looked at. */
  private final Class<?> type;

  private OwnClass(Path file, Map<String, byte[]> classes, Class<?> type) {
    this.file = file;
    this.classes = classes;
    this.type = type;
  }

  /**
   * Compiles {@code file}, makes one object of its class, and asks it for name and title.
   *
   * @throws LabException if the file cannot be read or compiled, or its class is not as it must be
   */
  public static OwnClass in(Path file) {
    return in(file, ToolProvider.getSystemJavaCompiler());
  }

  /**
   * @param compiler null where this Java has none
   */
  static OwnClass in(Path file, JavaCompiler compiler) {
    if (compiler == null) {
      throw LabException.usage(
          "cannot compile "
              + file
              + ": this Java has no compiler (module jdk.compiler); run vlab on a JDK");
    }
    Map<String, byte[]> classes = new SourceCompiler(compiler).compile(file);
    Class<?> type = find(file, classes);
    if (Modifier.isAbstract(type.getModifiers())) {
      throw LabException.usage("%s: %s is abstract".formatted(file, type.getName()));
    }
    try {
      type.getConstructor();
    } catch (NoSuchMethodException e) {
      throw LabException.usage(
          "%s: %s needs a public constructor without parameters".formatted(file, type.getName()));
    } catch (LinkageError e) {
      throw unusable(file, e);
    }
    OwnClass own = new OwnClass(file, classes, type);
    own.policy().ifPresent(own::checkPolicy);
    own.driver().ifPresent(own::checkDriver);
    return own;
  }

  /** The file's public class; Java allows no more than one. */
  private static Class<?> find(Path file, Map<String, byte[]> classes) {
    Loader loader = new Loader(classes);
    try {
      for (String name : classes.keySet()) {
        Class<?> type = loader.loadClass(name);
        if (type.getEnclosingClass() == null
            && Modifier.isPublic(type.getModifiers())
            && (TeardownPolicy.class.isAssignableFrom(type)
                || ExitBootDriver.class.isAssignableFrom(type))) {
          return type;
        }
      }
    } catch (ClassNotFoundException | LinkageError | SecurityException e) {
      throw unusable(file, e);
    }
    throw LabException.usage(
        file + " has no public class that implements TeardownPolicy or ExitBootDriver");
  }

  /** Makes policies, a new one each time; empty where the class is a driver only. */
  public Optional<Supplier<TeardownPolicy>> policy() {
    return maker(TeardownPolicy.class);
  }

  /** Makes drivers, likewise. */
  public Optional<Supplier<ExitBootDriver>> driver() {
    return maker(ExitBootDriver.class);
  }

  /**
   * Adds it to what there is to try.
   *
   * @throws LabException if its name is taken
   */
  public void addTo(Catalogue catalogue) {
    try {
      policy().ifPresent(catalogue::addPolicy);
      driver().ifPresent(catalogue::addDriver);
    } catch (LabException e) {
      throw LabException.usage(file + ": " + e.getMessage(), e);
    }
  }

  private <T> Optional<Supplier<T>> maker(Class<T> seam) {
    return seam.isAssignableFrom(type) ? Optional.of(() -> seam.cast(make())) : Optional.empty();
  }

  private Object make() {
    try {
      return new Loader(classes).loadClass(type.getName()).getConstructor().newInstance();
    } catch (InvocationTargetException e) {
      throw threw("the constructor", e.getCause());
    } catch (ExceptionInInitializerError e) {
      throw threw("a static initializer", e.getCause());
    } catch (ReflectiveOperationException | LinkageError e) {
      throw unusable(file, e);
    }
  }

  private void checkPolicy(Supplier<TeardownPolicy> maker) {
    TeardownPolicy policy = maker.get();
    check("name()", NAME, policy, TeardownPolicy::name);
    check("title()", TITLE, policy, TeardownPolicy::title);
    try {
      policy.needsRemapping();
    } catch (RuntimeException | Error e) {
      throw threw("needsRemapping()", e);
    }
  }

  private void checkDriver(Supplier<ExitBootDriver> maker) {
    ExitBootDriver driver = maker.get();
    check("name()", NAME, driver, ExitBootDriver::name);
    check("title()", TITLE, driver, ExitBootDriver::title);
  }

  private <T> void check(String method, Pattern allowed, T object, Function<T, String> call) {
    String word;
    try {
      word = call.apply(object);
    } catch (RuntimeException | Error e) {
      throw threw(method, e);
    }
    if (word == null || !allowed.matcher(word).matches()) {
      String rule = allowed == NAME ? "lower-case words with hyphens between" : "a line of text";
      String given = word == null ? "null" : '"' + oneLine(word) + '"';
      throw LabException.usage(
          "%s: %s of %s is to return %s, not %s"
              .formatted(file, method, type.getName(), rule, given));
    }
  }

  private LabException threw(String what, Throwable thrown) {
    return LabException.usage(
        "%s: %s of %s threw %s".formatted(file, what, type.getName(), oneLine(thrown.toString())),
        thrown);
  }

  private static LabException unusable(Path file, Throwable cause) {
    return LabException.usage(
        "%s compiles but cannot be used: %s".formatted(file, oneLine(cause.toString())), cause);
  }

  /** Text of somebody else's, fit for a message that is one line. */
  static String oneLine(String text) {
    return text.strip().replaceAll("\\s*\\R\\s*", ", ").replaceAll("\\p{Cntrl}", "?");
  }

  /** Knows the classes of one file, and whatever the lab knows. */
  private static final class Loader extends ClassLoader {
    private final Map<String, byte[]> classes;

    Loader(Map<String, byte[]> classes) {
      super(OwnClass.class.getClassLoader());
      this.classes = classes;
    }

    /** The file's classes first: one of them may have the name of one of ours. */
    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
      if (!classes.containsKey(name)) {
        return super.loadClass(name, resolve);
      }
      synchronized (getClassLoadingLock(name)) {
        Class<?> loaded = findLoadedClass(name);
        return loaded != null ? loaded : findClass(name);
      }
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
      byte[] bytes = classes.get(name);
      if (bytes == null) {
        throw new ClassNotFoundException(name);
      }
      return defineClass(name, bytes, 0, bytes.length);
    }
  }
}
