/*
 * The receiving side of the benchmarks: opens many WebSocket connections and counts the frames that arrive, by their
 * headers alone. In C, so that it is never the bottleneck: a read of a socket costs about 2 us here.
 *
 * reader <port> <requests file> <concurrency> <connects per second, 0 = no limit> <greeting frames> <sample every>
 *        [bytes to send after the upgrade, hex]
 *
 * The file holds one complete HTTP upgrade request per connection. A connection counts as connected when its greeting
 * frames have come. Of every n-th connection the latency is read as well: now - the number after "sent":, both
 * CLOCK_MONOTONIC in ms, which is one clock for all processes of a machine.
 *
 * Standard input, one command a line; each is answered by one line of JSON on standard output:
 *   connect      opens all connections; answers when each is connected or has failed
 *   count <n>    from now on counts; answers when every open connection has received n text frames
 *   report       answers with what was counted so far
 *   close        closes all connections; answers when the peer has closed them too, or after 10 s
 * The end of standard input ends the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { IDLE, CONNECTING, UPGRADING, OPEN, CLOSED };
enum { MAX_KEPT = 8192, PER_ADDRESS = 4000, CODES = 16, EVENTS = 512, READ_BYTES = 256 * 1024 };

typedef struct {
  int fd;
  uint8_t state, connected, sampled, header_length, opcode;
  uint8_t header[10];
  uint8_t answer_at; /* how many bytes of the blank line that ends the HTTP answer were seen */
  uint8_t answer_ok, answer_read;
  uint64_t skip;     /* bytes of the current frame that are still to come */
  uint64_t greeted, frames;
  double started, connected_at;
  char *kept;        /* payload of the current frame, when it has to be looked at */
  uint32_t kept_length;
  const char *request;
  uint32_t request_length;
} conn_t;

typedef struct { double *at; size_t length, room; } list_t;

static conn_t *conns;
static int total, concurrency, greetings, sample_every, epfd, next_index, pending, connected, failed, open_count;
static double connect_rate, began, finished;
static unsigned char after[256];
static int after_length;
static struct sockaddr_in server;
static char buffer[READ_BYTES];
static uint64_t wanted, frames, bytes, reads, complete;
static double first_at, last_at;
static list_t latencies, establish_times;
static int codes[CODES], code_counts[CODES];
static int counting, connecting, closing;
static double closing_since;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fatal(const char *what) {
  fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void add(list_t *list, double value) {
  if (list->length == list->room) {
    list->room = list->room ? 2 * list->room : 4096;
    list->at = realloc(list->at, list->room * sizeof(double));
    if (!list->at) fatal("memory");
  }
  list->at[list->length++] = value;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Prints "name":{"n":…,"p50":…,"p99":…,"max":…}. */
static void print_spread(const char *name, list_t *list) {
  qsort(list->at, list->length, sizeof(double), ascending);
  size_t n = list->length;
  if (n == 0) {
    printf("\"%s\":null", name);
    return;
  }
  printf("\"%s\":{\"n\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, n, list->at[(n - 1) / 2],
         list->at[(size_t)((n - 1) * 0.99)], list->at[n - 1]);
}

static void tell_connected(void) {
  connecting = 0;
  printf("{\"event\":\"connected\",\"connected\":%d,\"failed\":%d,\"ms\":%.3f,", connected, failed, finished - began);
  print_spread("establishTimes", &establish_times);
  printf("}\n");
  fflush(stdout);
}

static void tell_counts(const char *event) {
  printf("{\"event\":\"%s\",\"open\":%d,\"complete\":%llu,\"frames\":%llu,\"bytes\":%llu,\"reads\":%llu,\"first\":%.3f,\"last\":%.3f,",
         event, open_count, (unsigned long long)complete, (unsigned long long)frames, (unsigned long long)bytes,
         (unsigned long long)reads, first_at, last_at);
  print_spread("latency", &latencies);
  printf(",\"closes\":{");
  const char *comma = "";
  for (int i = 0; i < CODES && code_counts[i]; i++) {
    printf("%s\"%d\":%d", comma, codes[i], code_counts[i]);
    comma = ",";
  }
  printf("}}\n");
  fflush(stdout);
}


static void settle(void) {
  if (connecting && connected + failed == total) tell_connected();
}

static void count_close(int code) {
  for (int i = 0; i < CODES; i++) {
    if (code_counts[i] && codes[i] != code) continue;
    codes[i] = code;
    code_counts[i]++;
    return;
  }
}

static void drop(conn_t *c) {
  if (c->state == CLOSED) return;
  if (!c->connected) {
    failed++;
    pending--;
    finished = now_ms();
  }
  if (c->state == OPEN) {
    open_count--;
    if (counting && c->frames >= wanted) complete--;
  }
  c->state = CLOSED;
  close(c->fd);
  settle();
}

static void send_small(conn_t *c, const void *data, size_t length) {
  /* A few bytes into an empty buffer: anything but success means that the peer is gone, and its close is on the way. */
  if (send(c->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length) return;
}

static void end_of_frame(conn_t *c) {
  static const unsigned char pong[6] = {0x8a, 0x80}, closed[6] = {0x88, 0x80};
  switch (c->opcode) {
    case 1:
    case 2:
      if (!c->connected) {
        if (++c->greeted < (uint64_t)greetings) return;
        c->connected = 1;
        c->connected_at = finished = now_ms();
        add(&establish_times, c->connected_at - c->started);
        connected++;
        pending--;
        settle();
        return;
      }
      if (!counting) return;
      frames++;
      c->frames++;
      if (c->frames == wanted) complete++;
      if (c->sampled && c->kept) {
        static const char mark[] = "\"sent\":";
        c->kept[c->kept_length] = 0;
        char *at = memmem(c->kept, c->kept_length, mark, sizeof mark - 1);
        if (at) add(&latencies, now_ms() - strtod(at + sizeof mark - 1, NULL));
      }
      return;
    case 8:
      count_close(c->kept_length >= 2 ? ((unsigned char)c->kept[0] << 8 | (unsigned char)c->kept[1]) : 1005);
      send_small(c, closed, sizeof closed);
      drop(c);
      return;
    case 9:
      send_small(c, pong, sizeof pong);
      return;
  }
}

static void begin_frame(conn_t *c) {
  unsigned length = c->header[1] & 0x7f;
  if (length == 126) c->skip = (uint64_t)c->header[2] << 8 | c->header[3];
  else if (length == 127) {
    c->skip = 0;
    for (int i = 2; i < 10; i++) c->skip = c->skip << 8 | c->header[i];
  } else c->skip = length;
  c->opcode = c->header[0] & 0x0f;
  c->header_length = 0;
  c->kept_length = 0;
  if ((c->sampled || c->opcode == 8) && !c->kept && !(c->kept = malloc(MAX_KEPT + 1))) fatal("memory");
}

static void parse(conn_t *c, const unsigned char *data, size_t length) {
  size_t at = 0;
  while (at < length && c->state == OPEN) {
    if (c->skip > 0) {
      size_t take = length - at < c->skip ? length - at : (size_t)c->skip;
      if (c->kept && (c->sampled || c->opcode == 8) && c->kept_length + take <= MAX_KEPT) {
        memcpy(c->kept + c->kept_length, data + at, take);
        c->kept_length += take;
      }
      c->skip -= take;
      at += take;
      if (c->skip == 0) end_of_frame(c);
      continue;
    }
    c->header[c->header_length++] = data[at++];
    if (c->header_length < 2) continue;
    unsigned short_length = c->header[1] & 0x7f;
    unsigned needed = short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
    if (c->header_length < needed) continue;
    begin_frame(c);
    if (c->skip == 0) end_of_frame(c);
  }
}

/* The head of the HTTP answer; what follows it are frames. */
static void parse_answer(conn_t *c, const unsigned char *data, size_t length) {
  static const char end[] = "\r\n\r\n";
  for (size_t i = 0; i < length; i++) {
    /* "HTTP/1.1 101" */
    if (c->answer_read < 12) {
      if (c->answer_read >= 9 && data[i] == "101"[c->answer_read - 9]) c->answer_ok++;
      c->answer_read++;
    }
    c->answer_at = data[i] == end[c->answer_at] ? c->answer_at + 1 : data[i] == '\r';
    if (c->answer_at < 4) continue;
    if (c->answer_ok < 3) {
      drop(c);
      return;
    }
    c->state = OPEN;
    open_count++;
    if (after_length) send_small(c, after, after_length);
    if (greetings == 0) {
      c->connected = 1;
      c->connected_at = finished = now_ms();
      add(&establish_times, c->connected_at - c->started);
      connected++;
      pending--;
      settle();
    }
    parse(c, data + i + 1, length - i - 1);
    return;
  }
}

static void on_readable(conn_t *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n <= 0) {
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (c->state == OPEN) count_close(1006);
    drop(c);
    return;
  }
  if (c->state == UPGRADING) {
    parse_answer(c, (unsigned char *)buffer, n);
    return;
  }
  if (counting) {
    bytes += n;
    reads++;
    last_at = now_ms();
    if (first_at == 0) first_at = last_at;
  }
  parse(c, (unsigned char *)buffer, n);
}

static void start(conn_t *c, int index) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fatal("socket (open files? ulimit -n)");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  /* One address has only some 28,000 ports, and those of an earlier run wait in TIME_WAIT. */
  struct sockaddr_in source = {.sin_family = AF_INET};
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (index / PER_ADDRESS + getpid()) % 200);
  if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0) fatal("bind");
  c->sampled = sample_every > 0 && index % sample_every == 0;
  c->state = CONNECTING;
  c->started = now_ms();
  pending++;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &event) < 0) fatal("epoll_ctl");
  if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
    fprintf(stderr, "reader: connect: %s\n", strerror(errno));
    drop(c);
  }
}

static void on_connected(conn_t *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (error || epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &event) < 0 ||
      send(c->fd, c->request, c->request_length, MSG_NOSIGNAL) != (ssize_t)c->request_length) {
    drop(c);
    return;
  }
  c->state = UPGRADING;
}

static void start_next(void) {
  while (connecting && next_index < total && pending < concurrency) {
    if (connect_rate > 0 && next_index >= (now_ms() - began) * connect_rate / 1000) return;
    start(&conns[next_index], next_index);
    next_index++;
  }
}

static void command(char *line) {
  if (strcmp(line, "connect") == 0) {
    connecting = 1;
    began = finished = now_ms();
    if (total == 0) tell_connected();
  } else if (strncmp(line, "count ", 6) == 0) {
    wanted = strtoull(line + 6, NULL, 10);
    frames = bytes = reads = complete = 0;
    first_at = last_at = 0;
    latencies.length = 0;
    counting = 1;
    for (int i = 0; i < total; i++) conns[i].frames = 0;
  } else if (strcmp(line, "report") == 0) {
    tell_counts("report");
  } else if (strcmp(line, "close") == 0) {
    static const unsigned char frame[8] = {0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};
    closing = 1;
    closing_since = now_ms();
    for (int i = 0; i < total; i++) {
      if (conns[i].state == OPEN) send_small(&conns[i], frame, sizeof frame);
      else if (conns[i].state != CLOSED && conns[i].state != IDLE) drop(&conns[i]);
    }
  }
}

static void read_commands(void) {
  static char text[256];
  static size_t length;
  ssize_t n = read(0, text + length, sizeof text - 1 - length);
  if (n <= 0) exit(0);
  length += n;
  text[length] = 0;
  char *end;
  while ((end = memchr(text, '\n', length))) {
    *end = 0;
    command(text);
    length -= end + 1 - text;
    memmove(text, end + 1, length + 1);
  }
}

static void load_requests(const char *file) {
  int fd = open(file, O_RDONLY);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0) fatal(file);
  char *text = malloc(info.st_size + 1);
  if (!text) fatal("memory");
  for (off_t got = 0; got < info.st_size;) {
    ssize_t n = read(fd, text + got, info.st_size - got);
    if (n <= 0) fatal(file);
    got += n;
  }
  close(fd);
  text[info.st_size] = 0;
  size_t room = 0;
  for (char *at = text, *end; (end = strstr(at, "\r\n\r\n")); at = end + 4) {
    if ((size_t)total == room) {
      room = room ? 2 * room : 1024;
      conns = realloc(conns, room * sizeof(conn_t));
      if (!conns) fatal("memory");
    }
    memset(&conns[total], 0, sizeof(conn_t));
    conns[total].request = at;
    conns[total].request_length = end + 4 - at;
    total++;
  }
}

int main(int argc, char **argv) {
  if (argc < 7) {
    fprintf(stderr, "reader <port> <requests file> <concurrency> <rate> <greetings> <sample every> [hex]\n");
    return 2;
  }
  server.sin_family = AF_INET;
  server.sin_port = htons(atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  load_requests(argv[2]);
  concurrency = atoi(argv[3]);
  connect_rate = atof(argv[4]);
  greetings = atoi(argv[5]);
  sample_every = atoi(argv[6]);
  if (argc > 7) {
    for (const char *hex = argv[7]; hex[0] && hex[1] && after_length < (int)sizeof after; hex += 2) {
      unsigned value;
      if (sscanf(hex, "%2x", &value) != 1) return 2;
      after[after_length++] = value;
    }
  }
  epfd = epoll_create1(0);
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
  if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &input) < 0) fatal("epoll");
  for (;;) {
    struct epoll_event events[EVENTS];
    start_next();
    int wait = connecting && connect_rate > 0 ? 1 : closing ? 100 : -1;
    int n = epoll_wait(epfd, events, EVENTS, wait);
    for (int i = 0; i < n; i++) {
      conn_t *c = events[i].data.ptr;
      if (!c) {
        read_commands();
        continue;
      }
      if (c->state == CLOSED) continue;
      if (c->state == CONNECTING) {
        if (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) on_connected(c);
        continue;
      }
      on_readable(c);
    }
    if (counting && wanted > 0 && open_count > 0 && complete == (uint64_t)open_count) {
      tell_counts("counted");
      wanted = 0;
    }
    if (closing && (open_count == 0 || now_ms() - closing_since > 10000)) {
      tell_counts("closed");
      closing = 0;
    }
  }
}
