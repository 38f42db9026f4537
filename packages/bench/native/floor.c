/*
 * c-floor: a WebSocket server that does nothing but write(2) one ready frame per socket. What it costs is the kernel's own
 * price; no server can be cheaper. When it falls behind, the messages that are due go out in one write, as in every
 * server that coalesces.
 *
 * floor <file with the message text>
 *
 * The text holds "sent": and 14 blanks or digits, overwritten in each message by the time at which it was due (CLOCK_MONOTONIC, ms).
 * Prints {"event":"listening","port":…}. Standard input, one command a line, each answered by one line of JSON:
 *   run <messages per second> <seconds>    answers {"event":"sent","messages":…,"late_ms":…}
 *   burst <messages>                       all at once, one write per socket; answers the same
 * The end of standard input ends the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOCKETS = 65536, MAX_RUN = 2000, MARK_DIGITS = 14, EVENTS = 256 };

static int sockets[MAX_SOCKETS], count, epfd, listener;
static char frame[8192], *run;
static size_t frame_length, mark_at;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fatal(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void load(const char *name) {
  static char text[8000];
  FILE *file = fopen(name, "r");
  if (!file) fatal(name);
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  size_t header = length < 126 ? 2 : 4;
  frame[0] = (char)0x81;
  if (length < 126) frame[1] = (char)length;
  else {
    frame[1] = 126;
    frame[2] = (char)(length >> 8);
    frame[3] = (char)(length & 0xff);
  }
  memcpy(frame + header, text, length);
  frame_length = header + length;
  char *mark = strstr(text, "\"sent\":");
  if (!mark) {
    fprintf(stderr, "floor: the text has no \"sent\":\n");
    exit(2);
  }
  mark_at = header + (mark - text) + strlen("\"sent\":");
  run = malloc(MAX_RUN * frame_length);
  if (!run) fatal("memory");
}

/* The frames of messages that were due at these times, written once to each socket. */
static void flush_run(double first_due, double step, int messages) {
  for (int i = 0; i < messages; i++) {
    char digits[MARK_DIGITS + 1];
    memcpy(run + i * frame_length, frame, frame_length);
    snprintf(digits, sizeof digits, "%*.3f", MARK_DIGITS, first_due + i * step);
    memcpy(run + i * frame_length + mark_at, digits, MARK_DIGITS);
  }
  size_t length = messages * frame_length;
  for (int i = 0; i < count; i++) {
    for (size_t done = 0; done < length;) {
      ssize_t n = write(sockets[i], run + done, length - done);
      if (n < 0) {
        if (errno == EINTR) continue;
        fatal("write");
      }
      done += n;
    }
  }
}

static void paced(double rate, double seconds) {
  long messages = lround(rate * seconds), sent = 0;
  double began = now_ms(), step = 1000 / rate;
  while (sent < messages) {
    double wait = began + sent * step - now_ms();
    if (wait > 0) {
      struct timespec t = {.tv_sec = wait / 1000, .tv_nsec = fmod(wait, 1000) * 1e6};
      nanosleep(&t, NULL);
    }
    long due = (long)((now_ms() - began) / step) + 1 - sent;
    if (due <= 0) continue;
    if (due > messages - sent) due = messages - sent;
    if (due > MAX_RUN) due = MAX_RUN;
    flush_run(began + sent * step, step, due);
    sent += due;
  }
  printf("{\"event\":\"sent\",\"messages\":%ld,\"late_ms\":%.1f}\n", messages, now_ms() - began - (messages - 1) * step);
}

static void command(const char *line) {
  double rate, seconds;
  int messages;
  if (sscanf(line, "run %lf %lf", &rate, &seconds) == 2) paced(rate, seconds);
  else if (sscanf(line, "burst %d", &messages) == 1 && messages <= MAX_RUN) {
    double began = now_ms();
    flush_run(began, 0, messages);
    printf("{\"event\":\"sent\",\"messages\":%d,\"late_ms\":%.1f}\n", messages, now_ms() - began);
  }
  fflush(stdout);
}

/* A request is taken as read with its first bytes: the reader sends it in one piece. */
static void on_request(int fd) {
  static const char answer[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  char request[4096];
  if (read(fd, request, sizeof request) <= 0) {
    close(fd);
    return;
  }
  epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
  if (write(fd, answer, sizeof answer - 1) < 0) fatal("write");
  if (count == MAX_SOCKETS) fatal("too many sockets");
  sockets[count++] = fd;
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) fatal("epoll_ctl");
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  load(argv[1]);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  epfd = epoll_create1(0);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) fatal("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("{\"event\":\"listening\",\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  watch(listener);
  watch(0);
  for (;;) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epfd, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == 0) {
        char line[256];
        ssize_t got = read(0, line, sizeof line - 1);
        if (got <= 0) return 0;
        line[got] = 0;
        command(line);
      } else if (fd == listener) {
        int one = 1, peer = accept(listener, NULL, NULL);
        if (peer < 0) continue;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(peer);
      } else on_request(fd);
    }
  }
}
