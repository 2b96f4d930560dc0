// NETMAP_REQ_OPT_OFFSETS: every refusal with its error number and status, what the reply carries, and packets that are
// found where their slots say: on pipes, a switch, null ports and monitors.
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packets.h"

enum { BUF = 2048 };

static struct nmreq_opt_offsets asked(uint64_t max, uint64_t initial, uint32_t bits) {
  struct nmreq_opt_offsets o = {.nro_max_offset = max, .nro_initial_offset = initial, .nro_offset_bits = bits};
  o.nro_opt.nro_reqtype = OPT_OFFSETS;
  o.nro_opt.nro_status = 4711;
  return o;
}

static int open_at(struct port* port, const char* name, uint64_t flags, struct nmreq_opt_offsets* option) {
  return port_open_with(port, name, REG_ALL_NIC, flags, &option->nro_opt);
}

// And where it was.
static char take_at(struct port* port, uint64_t* offset) {
  struct netmap_slot lay = {0};
  const char what = take_packet(port, &lay);
  *offset = offset_of(first_rx(port), &lay);
  return what;
}

static void refusals(void) {
  static const struct {
    uint64_t max, initial;
    uint32_t bits;
    int error;
  } kCases[] = {
      {BUF + 1, 0, 0, EINVAL},
      {UINT64_MAX, 0, 0, EINVAL},
      {100, 101, 0, EINVAL},
      {0, 1, 8, EINVAL},
      {256, 0, 8, EINVAL},
      {2, 0, 1, EINVAL},
      {100, 0, 65, EINVAL},
      {100, 0, UINT32_MAX, EINVAL},
      {100, UINT64_MAX, 0, EINVAL},
      {255, 255, 8, 0},
      {BUF, 0, 64, 0},
      {BUF, BUF, 12, 0},
      {0, 0, 0, 0},
      {1, 1, 1, 0},
  };
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    struct port port;
    struct nmreq_opt_offsets o = asked(kCases[i].max, kCases[i].initial, kCases[i].bits);
    EXPECT(kCases[i].error, open_at(&port, "vale0:a", 0, &o));
    CHECK(o.nro_opt.nro_status == (uint32_t)kCases[i].error && o.nro_opt.nro_next == 0);
    CHECK(o.nro_max_offset == kCases[i].max && o.nro_initial_offset == kCases[i].initial);
    if (kCases[i].error != 0) {
      CHECK(o.nro_offset_bits == kCases[i].bits);
      continue;
    }
    // 0 bits are all of them.
    CHECK(o.nro_offset_bits == (kCases[i].bits == 0 ? 64 : kCases[i].bits));
    const uint64_t mask = o.nro_offset_bits == 64 ? UINT64_MAX : (1ull << o.nro_offset_bits) - 1;
    CHECK(first_tx(&port)->offset_mask == mask && first_rx(&port)->offset_mask == mask);
    CHECK(first_tx(&port)->buf_align == 0);
    for (uint32_t s = 0; s < first_rx(&port)->num_slots; s++) {
      CHECK(first_tx(&port)->slot[s].ptr == kCases[i].initial);
      CHECK(first_rx(&port)->slot[s].ptr == kCases[i].initial);
    }
    port_close(&port);
  }
  // Nothing of it is left, and who does not ask for any has none.
  struct port port;
  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  CHECK(first_tx(&port)->offset_mask == 0 && first_rx(&port)->offset_mask == 0);
  // Twice; with a request that has no use for it; a zero-copy monitor's packets are where they are.
  struct nmreq_opt_offsets two[2] = {asked(10, 0, 0), asked(10, 0, 0)};
  two[0].nro_opt.nro_next = (uint64_t)(uintptr_t)&two[1];
  struct port other;
  EXPECT(EINVAL, open_at(&other, "vale0:b", 0, two));
  CHECK(two[0].nro_opt.nro_status == EINVAL && two[1].nro_opt.nro_status == EINVAL);
  struct nmreq_opt_offsets o = asked(10, 0, 0);
  EXPECT(EOPNOTSUPP, open_at(&other, "vale0:a", FLAG_ZCOPY_MON, &o));
  CHECK(o.nro_opt.nro_status == EOPNOTSUPP);
  // Half of it lies nowhere.
  const long page = sysconf(_SC_PAGESIZE);
  char* pages = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + page, (size_t)page);
  struct nmreq_opt_offsets* cut = (struct nmreq_opt_offsets*)(pages + page - sizeof o / 2 - 4);
  cut->nro_opt = o.nro_opt;
  EXPECT(EFAULT, open_at(&other, "vale0:b", 0, cut));
  port_close(&port);
}

// Who comes second gets what is there, and not more.
static void what_is_there_stays(void) {
  struct port first, second;
  struct nmreq_opt_offsets o = asked(100, 20, 12), less = asked(5, 3, 8), more = asked(101, 0, 12),
                           wider = asked(5, 0, 13);
  EXPECT(0, open_at(&first, "vale0:a", 0, &o));
  EXPECT(EBUSY, open_at(&second, "vale0:a", 0, &more));
  CHECK(more.nro_opt.nro_status == EBUSY && more.nro_max_offset == 101);
  EXPECT(EBUSY, open_at(&second, "vale0:a", 0, &wider));
  CHECK(wider.nro_opt.nro_status == EBUSY);
  EXPECT(0, open_at(&second, "vale0:a", 0, &less));
  CHECK(less.nro_opt.nro_status == 0 && less.nro_max_offset == 100 && less.nro_offset_bits == 12);
  // Its rings are in use: their slots stay as they are.
  for (uint32_t s = 0; s < first_tx(&first)->num_slots; s++) CHECK(first_tx(&first)->slot[s].ptr == 20);
  port_close(&first);
  port_close(&second);
}

static void across_pipes(void) {
  struct port a, b;
  uint64_t offset;
  struct nmreq_opt_offsets o = asked(300, 128, 16);
  EXPECT(0, open_at(&a, "o{1", 0, &o));
  EXPECT(0, port_open(&b, "o}1", REG_ALL_NIC, 0));
  CHECK(first_rx(&b)->offset_mask == 0xffff && first_tx(&b)->offset_mask == 0xffff);
  CHECK(first_tx(&b)->slot[3].ptr == 128);
  for (int i = 0; i < 1200; i++) {
    send_packet(&a, (char)('a' + i % 26), (uint64_t)i % 301);
    CHECK(take_at(&b, &offset) == 'a' + i % 26);
    CHECK(offset == (uint64_t)i % 301);
    send_packet(&b, (char)('A' + i % 26), (uint64_t)(i + 7) % 301);
    CHECK(take_at(&a, &offset) == 'A' + i % 26);
    CHECK(offset == (uint64_t)(i + 7) % 301);
  }
  port_close(&a);
  port_close(&b);
}

static void across_a_switch(void) {
  struct port a, b, c, monitor, own, zero;
  uint64_t offset;
  struct nmreq_opt_offsets o = asked(1000, 0, 10), p = asked(64, 40, 0), q = asked(50, 50, 0);
  EXPECT(0, open_at(&a, "vale0:a", 0, &o));
  EXPECT(0, open_at(&b, "vale0:b", 0, &p));
  EXPECT(0, port_open(&c, "vale0:c", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&monitor, "vale0:a", REG_ALL_NIC, FLAG_MONITOR_TX));
  EXPECT(0, open_at(&own, "vale0:a", FLAG_MONITOR_TX, &q));
  EXPECT(0, port_open(&zero, "vale0:a", REG_ALL_NIC, FLAG_ZCOPY_MON));
  for (int i = 0; i < 1200; i++) {
    const char what = (char)('a' + i % 26);
    send_packet(&a, what, (uint64_t)i % 1001);
    CHECK(take_at(&b, &offset) == what && offset == 40);
    CHECK(take_at(&c, &offset) == what && offset == 0);
    CHECK(take_at(&monitor, &offset) == what && offset == 0);
    CHECK(take_at(&own, &offset) == what && offset == 50);
    CHECK(take_at(&zero, &offset) == what && offset == (uint64_t)i % 1001);
  }
  port_close(&zero);
  port_close(&own);
  port_close(&monitor);
  port_close(&c);
  port_close(&b);
  port_close(&a);
}

static void null_and_echo(void) {
  struct port port;
  uint64_t offset;
  struct nmreq_opt_offsets o = asked(1000, 0, 0);
  EXPECT(0, open_at(&port, "null:offsets", 0, &o));
  for (int i = 0; i < 100; i++) send_packet(&port, 'n', 10 * (uint64_t)i);
  port_close(&port);
  o = asked(1000, 900, 0);
  EXPECT(0, open_at(&port, "echo:offsets", 0, &o));
  send_packet(&port, 'e', 333);
  // It comes back with its addresses exchanged.
  struct pollfd entry = {port.fd, POLLIN, 0};
  CHECK(poll(&entry, 1, PACKET_WAIT_MS) == 1);
  struct netmap_ring* ring = first_rx(&port);
  offset = offset_of(ring, &ring->slot[ring->head]);
  const char* packet = packet_of(ring, &ring->slot[ring->head]);
  CHECK(offset == 900 && (unsigned char)packet[6] == 0xff && packet[0] == 2 && packet[PACKET_BYTES - 1] == 'e');
  port_close(&port);
  // A port without rings for anybody.
  o = asked(5, 0, 0);
  EXPECT(0, port_open_with(&port, "x", REG_NULL, 0, &o.nro_opt));
  port_close(&port);
}

// Where a ring was left has no say in where packets begin: its rings are driven anew, and its slots are all free.
static void after_somebody_else(void) {
  for (int round = 0; round < 3; round++) {
    struct port port;
    EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, 0));
    for (int i = 0; i < 17 + round; i++) send_packet(&port, 'l', 0);
    port_close(&port);
    struct nmreq_opt_offsets o = asked(1000, 200 + (uint64_t)round, 0);
    EXPECT(0, open_at(&port, "null:b", 0, &o));
    const struct netmap_ring* ring = first_tx(&port);
    uint32_t elsewhere = 0;
    for (uint32_t s = 0; s < ring->num_slots; s++) elsewhere += ring->slot[s].ptr != 200 + (uint64_t)round;
    CHECK(elsewhere == 0);
    port_close(&port);
  }
}

int main(void) {
  refusals();
  after_somebody_else();
  what_is_there_stays();
  across_pipes();
  across_a_switch();
  null_and_echo();
  return verdict();
}
