package dev.virtiolab.integration;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A program of its own, for the two ends of a path: the server sends back what it receives, the
 * client sends bytes drawn by chance and compares what comes back. iperf3 does not look at what it
 * carries, and up to 3.12 it sends a buffer's beginning twice where a socket takes only part of it.
 */
final class TcpEcho {
  private static final int PORT = 5300;
  private static final int BUFFER_BYTES = 1 << 16;
  private static final int TIMEOUT_MILLIS = 30_000;

  private TcpEcho() {}

  /** {@code server} for one client, {@code servers} until killed, or {@code ADDRESS BYTES SEED}. */
  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("server")) {
      serve();
    } else if (arguments[0].equals("servers")) {
      serveMany();
    } else {
      compare(arguments[0], Integer.parseInt(arguments[1]), Long.parseLong(arguments[2]));
    }
  }

  private static void serve() throws IOException {
    try (ServerSocket server = new ServerSocket(PORT);
        Socket client = server.accept()) {
      client.getInputStream().transferTo(client.getOutputStream());
    }
  }

  private static void serveMany() throws IOException {
    try (ServerSocket server = new ServerSocket(PORT)) {
      while (true) {
        Socket client = server.accept();
        Thread.ofVirtual()
            .start(
                () -> {
                  try (client) {
                    client.getInputStream().transferTo(client.getOutputStream());
                  } catch (IOException e) {
                    // The client is gone.
                  }
                });
      }
    }
  }

  private static void compare(String address, int bytes, long seed) throws Exception {
    byte[] sent = new byte[bytes];
    new SplittableRandom(seed).nextBytes(sent);
    try (Socket socket = connect(address)) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      Thread sender = Thread.ofVirtual().start(() -> send(socket, sent));
      byte[] back = readAll(socket.getInputStream(), bytes);
      sender.join();
      int mismatch = Arrays.mismatch(sent, back);
      System.out.println(
          mismatch < 0 ? "all " + bytes + " bytes came back" : "byte " + mismatch + " differs");
      System.exit(mismatch < 0 ? 0 : 1);
    }
  }

  /** The server may not listen yet. */
  private static Socket connect(String address) throws IOException {
    long deadline = System.nanoTime() + TIMEOUT_MILLIS * 1_000_000L;
    while (true) {
      Socket socket = new Socket();
      try {
        socket.connect(new InetSocketAddress(InetAddress.ofLiteral(address), PORT), TIMEOUT_MILLIS);
        return socket;
      } catch (IOException e) {
        socket.close();
        if (System.nanoTime() - deadline > 0) {
          throw e;
        }
      }
    }
  }

  private static void send(Socket socket, byte[] bytes) {
    try {
      OutputStream out = socket.getOutputStream();
      for (int at = 0; at < bytes.length; at += BUFFER_BYTES) {
        out.write(bytes, at, Math.min(BUFFER_BYTES, bytes.length - at));
      }
      socket.shutdownOutput();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] readAll(InputStream in, int bytes) throws IOException {
    return in.readNBytes(bytes + 1);
  }
}
