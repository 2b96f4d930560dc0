// Sends probe packets, receives and checks them, or sends back what comes: `traffic PORT send|receive|echo|ping|monitor
// COUNT [poll|select|epoll|ioctl [OFFSET [own]]]`. Prints what it has seen as one line of JSON. A monitor sees both
// ways of PORT. With OFFSET its packets begin anywhere up to there in their buffers; with `own` the port lies in memory
// of the program's.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "port.h"

enum { SIZE = 60, BATCH = 256, OWN_BYTES = 12 << 20 };
// Who is to do so much will be killed: what it has seen it has to say before.
#define FOR_EVER 1000000000000ull

static uint64_t to_do, sent, received, corrupt, lost, next_seq, wakeups;
static const char* how = "poll";
static uint64_t offset_most;

static uint64_t mix(uint64_t x) {
  uint64_t m = x * 0x9E3779B97F4A7C15ull;
  return m ^ (m >> 32);
}

// Layout: 0 destination, 6 source, 12 ethertype 0x88b5, 14 stream, 16 sequence number, 24 check, 32 payload.
static void write_probe(char* packet, uint64_t seq) {
  memset(packet, 0xff, 6);
  memcpy(packet + 6, "\x02\0\0\0\x7f\x01\x88\xb5\0\0", 10);
  memcpy(packet + 16, &seq, 8);
  uint64_t check = mix(seq ^ ((uint64_t)SIZE << 32));
  memcpy(packet + 24, &check, 8);
  for (uint32_t o = 32; o < SIZE; o += 8) {
    uint64_t word = mix(seq + o);
    memcpy(packet + o, &word, SIZE - o < 8 ? SIZE - o : 8);
  }
}

static void fail(const char* what) {
  fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void check_probe(const char* packet, uint32_t length) {
  uint64_t seq, check;
  memcpy(&seq, packet + 16, 8);
  memcpy(&check, packet + 24, 8);
  int good = length == SIZE && check == mix(seq ^ ((uint64_t)SIZE << 32));
  for (uint32_t o = 32; good && o < SIZE; o += 8) {
    uint64_t word = mix(seq + o);
    good = memcmp(packet + o, &word, SIZE - o < 8 ? SIZE - o : 8) == 0;
  }
  received++;
  if (!good) {
    corrupt++;
    errno = EBADMSG;
    if (to_do >= FOR_EVER) fail("a corrupt packet");
    return;
  }
  if (seq > next_seq) lost += seq - next_seq;
  next_seq = seq + 1;
}

// Waits for at most a second.
static int wait_for(struct port* port, short events) {
  wakeups++;
  if (strcmp(how, "select") == 0) {
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    if (events & POLLIN) FD_SET(port->fd, &in);
    if (events & POLLOUT) FD_SET(port->fd, &out);
    struct timeval second = {1, 0};
    return select(port->fd + 1, &in, &out, NULL, &second);
  }
  if (strcmp(how, "epoll") == 0) {
    static int epoll = -1;
    struct epoll_event event = {.events = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0)};
    event.data.u64 = 0x1234567812345678;
    if (epoll < 0 && ((epoll = epoll_create1(0)) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, port->fd, &event) != 0))
      fail("epoll");
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, port->fd, &event) != 0) fail("epoll_ctl");
    struct epoll_event got;
    int n = epoll_wait(epoll, &got, 1, 1000);
    if (n == 1 && got.data.u64 != 0x1234567812345678) fail("epoll: somebody else's event");
    return n;
  }
  if (strcmp(how, "ioctl") == 0) {
    if (ioctl(port->fd, NIOCTXSYNC) != 0 || ioctl(port->fd, NIOCRXSYNC) != 0) fail("sync");
    return 1;
  }
  struct pollfd entry = {port->fd, events, 0};
  int n = poll(&entry, 1, 1000);
  if (n == 1 && (entry.revents & POLLERR)) {
    errno = EIO;
    fail("poll: POLLERR");
  }
  return n;
}

static uint32_t space(const struct netmap_ring* ring) {
  return ring->tail >= ring->cur ? ring->tail - ring->cur : ring->tail + ring->num_slots - ring->cur;
}

static void send_batch(struct netmap_ring* ring, uint64_t most) {
  uint32_t n = space(ring), head = ring->head;
  if (n > BATCH) n = BATCH;
  if (n > most) n = (uint32_t)most;
  for (uint32_t i = 0; i < n; i++) {
    struct netmap_slot* slot = &ring->slot[head];
    set_offset(ring, slot, sent * 7 % (offset_most + 1));
    write_probe(packet_of(ring, slot), sent++);
    slot->len = SIZE;
    slot->flags = 0;
    head = next_of(ring, head);
  }
  ring->head = ring->cur = head;
}

static void receive_batch(struct netmap_ring* ring) {
  uint32_t head = ring->head;
  for (uint32_t n = space(ring); n > 0; n--) {
    struct netmap_slot* slot = &ring->slot[head];
    check_probe(packet_of(ring, slot), slot->len);
    // Where the next one is to be.
    set_offset(ring, slot, received * 11 % (offset_most + 1));
    head = next_of(ring, head);
  }
  ring->head = ring->cur = head;
}

// What comes goes back, as long as there is room for it.
static void echo_batch(struct netmap_ring* rx, struct netmap_ring* tx) {
  uint32_t n = space(rx), m = space(tx);
  for (n = n < m ? n : m; n > 0; n--) {
    struct netmap_slot *from = &rx->slot[rx->head], *to = &tx->slot[tx->head];
    check_probe(packet_of(rx, from), from->len);
    set_offset(tx, to, sent * 7 % (offset_most + 1));
    memcpy(packet_of(tx, to), packet_of(rx, from), from->len);
    to->len = from->len;
    to->flags = 0;
    rx->head = rx->cur = next_of(rx, rx->head);
    tx->head = tx->cur = next_of(tx, tx->head);
    sent++;
  }
}

static int drained(struct netmap_ring* ring) { return space(ring) == ring->num_slots - 1; }

static void open_as(struct port* port, const char* name, uint64_t flags, int own) {
  struct nmreq_opt_offsets offsets = {.nro_opt.nro_reqtype = OPT_OFFSETS, .nro_max_offset = offset_most};
  struct nmreq_option* options = offset_most > 0 ? &offsets.nro_opt : NULL;
  struct nmreq_opt_extmem memory = {.nro_opt.nro_reqtype = OPT_EXTMEM, .nro_info.nr_memsize = OWN_BYTES};
  if (own) {
    void* p = mmap(NULL, OWN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) fail("mmap");
    memory.nro_usrptr = (uint64_t)(uintptr_t)p;
    memory.nro_opt.nro_next = (uint64_t)(uintptr_t)options;
    options = &memory.nro_opt;
  }
  if (port_open_with(port, name, REG_ALL_NIC, flags, options) != 0) fail(name);
  if (!own) return;
  // Its memory is the port's: what the descriptor gives is not needed.
  munmap(port->memory, port->reg.nr_memsize);
  port->memory = (char*)(uintptr_t)memory.nro_usrptr;
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const char* what = argv[2];
  const uint64_t count = to_do = strtoull(argv[3], NULL, 10);
  uint64_t flags = strcmp(what, "monitor") == 0 ? FLAG_MONITOR_TX | FLAG_MONITOR_RX : 0;
  if (argc > 4) how = argv[4];
  struct port port;
  if (argc > 5) offset_most = strtoull(argv[5], NULL, 10);
  const int own = argc > 6 && strcmp(argv[6], "own") == 0;
  open_as(&port, argv[1], flags, own);
  struct netmap_ring *tx = first_tx(&port), *rx = first_rx(&port);
  printf("{\"ready\":true}\n");
  fflush(stdout);
  int sends = strcmp(what, "send") == 0, echoes = strcmp(what, "echo") == 0, pings = strcmp(what, "ping") == 0;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  while ((sends ? sent : received) < count) {
    if (sends) {
      send_batch(tx, count - sent);
      wait_for(&port, POLLOUT);
    } else if (pings) {
      send_batch(tx, 1);
      for (uint64_t before = received; received == before;) {
        wait_for(&port, POLLIN);
        receive_batch(rx);
      }
    } else if (echoes) {
      wait_for(&port, space(rx) > 0 ? POLLIN | POLLOUT : POLLIN);
      echo_batch(rx, tx);
    } else {
      wait_for(&port, POLLIN);
      receive_batch(rx);
    }
  }
  // Out before it ends, as a packet generator does it.
  while ((sends || echoes) && !drained(tx)) {
    ioctl(port.fd, NIOCTXSYNC);
    if (!drained(tx)) usleep(100);
  }
  // And what was received is given back.
  ioctl(port.fd, NIOCRXSYNC);
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
  printf("{\"sent\":%lu,\"received\":%lu,\"corrupt\":%lu,\"lost\":%lu,\"waits\":%lu,\"seconds\":%.6f}\n", sent,
         received, corrupt, lost, wakeups, seconds);
  port_close(&port);
  return 0;
}
