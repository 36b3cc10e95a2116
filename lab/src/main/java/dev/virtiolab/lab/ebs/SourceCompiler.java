package dev.virtiolab.lab.ebs;

import dev.virtiolab.lab.LabException;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.net.URI;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.StandardLocation;

/**
 * Compiles one source file against the modules that this program runs on, no more and no fewer. The
 * classes stay in memory: no file is written.
 */
final class SourceCompiler {
  private final JavaCompiler compiler;

  SourceCompiler(JavaCompiler compiler) {
    this.compiler = compiler;
  }

  /**
   * The classes of {@code file}, by name.
   *
   * @throws LabException if it cannot be read, or with the compiler's first complaint
   */
  Map<String, byte[]> compile(Path file) {
    JavaFileObject source = new Source(file, read(file));
    DiagnosticCollector<JavaFileObject> complaints = new DiagnosticCollector<>();
    try (StandardJavaFileManager files =
            compiler.getStandardFileManager(complaints, null, StandardCharsets.UTF_8);
        InMemory output = new InMemory(files)) {
      files.setLocationFromPaths(StandardLocation.MODULE_PATH, paths("jdk.module.path"));
      files.setLocationFromPaths(StandardLocation.CLASS_PATH, paths("java.class.path"));
      files.setLocationFromPaths(StandardLocation.SOURCE_PATH, List.of());
      boolean done =
          compiler
              .getTask(Writer.nullWriter(), output, complaints, options(), null, List.of(source))
              .call();
      if (!done) {
        throw LabException.usage(firstError(file, complaints.getDiagnostics()));
      }
      return output.classes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String read(Path file) {
    if (!file.toString().endsWith(JavaFileObject.Kind.SOURCE.extension)) {
      throw LabException.usage("not a Java source file, such as MyPolicy.java: " + file);
    }
    if (!Files.exists(file)) {
      throw LabException.usage("no such file: " + file);
    }
    try {
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      throw LabException.usage(file + " is not UTF-8 text", e);
    } catch (AccessDeniedException e) {
      throw LabException.usage("cannot read " + file + ": permission denied", e);
    } catch (IOException e) {
      throw LabException.usage("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  /** The path that this program was started with; empty entries, as of no path, are none. */
  private static List<Path> paths(String property) {
    return Stream.of(System.getProperty(property, "").split(File.pathSeparator))
        .filter(entry -> !entry.isEmpty())
        .map(Path::of)
        .toList();
  }

  private static List<String> options() {
    // A class that uses a module which is not there would compile, and fail when it runs.
    String modules =
        ModuleLayer.boot().modules().stream().map(Module::getName).collect(Collectors.joining(","));
    return List.of("-proc:none", "-nowarn", "--add-modules", modules, "--limit-modules", modules);
  }

  /** Like a compiler's: {@code My.java:3: cannot find symbol, symbol: class Foo}. */
  private static String firstError(
      Path file, List<Diagnostic<? extends JavaFileObject>> complaints) {
    List<Diagnostic<? extends JavaFileObject>> errors =
        complaints.stream().filter(each -> each.getKind() == Diagnostic.Kind.ERROR).toList();
    Diagnostic<?> first = errors.getFirst();
    String line = first.getLineNumber() == Diagnostic.NOPOS ? "" : ":" + first.getLineNumber();
    String text = OwnClass.oneLine(first.getMessage(Locale.ENGLISH)).replaceAll(" +", " ");
    String more = errors.size() == 1 ? "" : " (the first of %d errors)".formatted(errors.size());
    return "%s%s: %s%s".formatted(file, line, text, more);
  }

  /** The text that was read: what is compiled cannot change meanwhile. */
  private static final class Source extends SimpleJavaFileObject {
    private final String text;

    Source(Path file, String text) {
      super(file.toUri(), Kind.SOURCE);
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }

  /** Keeps what the compiler writes. */
  private static final class InMemory extends ForwardingJavaFileManager<JavaFileManager> {
    private final Map<String, ByteArrayOutputStream> written = new TreeMap<>();

    InMemory(JavaFileManager files) {
      super(files);
    }

    Map<String, byte[]> classes() {
      Map<String, byte[]> classes = new TreeMap<>();
      written.forEach((name, bytes) -> classes.put(name, bytes.toByteArray()));
      return classes;
    }

    @Override
    public JavaFileObject getJavaFileForOutput(
        Location location, String className, JavaFileObject.Kind kind, FileObject sibling) {
      URI name = URI.create("memory:///" + className.replace('.', '/') + kind.extension);
      return new SimpleJavaFileObject(name, kind) {
        @Override
        public OutputStream openOutputStream() {
          ByteArrayOutputStream bytes = new ByteArrayOutputStream();
          written.put(className, bytes);
          return bytes;
        }
      };
    }
  }
}
