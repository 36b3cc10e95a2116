/*
 * The measure that `vlab iperf` is held against: what a plain C loop between two TAPs carries.
 *
 * Makes two TAP interfaces without offloads and carries every frame from one to the other, one
 * read and one write per frame, until it is ended by a signal. Waits in poll while there is none.
 *
 *   tap-loop NAME-A NAME-B
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Frames carried one way before the other way is looked at. */
enum { BATCH = 64 };

static int open_tap(const char *name) {
  struct ifreq ifr;
  memset(&ifr, 0, sizeof ifr);
  ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
  strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
    fprintf(stderr, "tap-loop: %s: %s\n", name, strerror(errno));
    exit(1);
  }
  return fd;
}

/* Carries at most a batch; frames that the kernel does not take are lost, as on a wire. */
static void carry(int from, int to) {
  static char frame[65536];
  for (int i = 0; i < BATCH; i++) {
    ssize_t length = read(from, frame, sizeof frame);
    if (length <= 0) {
      return;
    }
    if (write(to, frame, (size_t)length) != length) {
      fprintf(stderr, "tap-loop: a frame of %zd bytes was lost: %s\n", length, strerror(errno));
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: tap-loop NAME-A NAME-B\n");
    return 2;
  }
  struct pollfd taps[2] = {{.fd = open_tap(argv[1]), .events = POLLIN},
                           {.fd = open_tap(argv[2]), .events = POLLIN}};
  puts("ready");
  fflush(stdout);
  while (poll(taps, 2, -1) > 0 || errno == EINTR) {
    for (int i = 0; i < 2; i++) {
      if (taps[i].revents & (POLLERR | POLLHUP | POLLNVAL)) {
        return 0; /* the interface was deleted */
      }
      if (taps[i].revents & POLLIN) {
        carry(taps[i].fd, taps[1 - i].fd);
      }
    }
  }
  return 0;
}
