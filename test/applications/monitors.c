// Monitors that a program opens: of which ports there may be some, what they show, and who outlives whom.
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "packets.h"

enum { SLOT_TXMON = 0x40 };
#define BOTH (FLAG_MONITOR_TX | FLAG_MONITOR_RX)

static int open_monitor(struct port* port, const char* name, uint64_t flags) {
  return port_open(port, name, REG_ALL_NIC, flags);
}

static void send_one(struct port* port, char what) { send_packet(port, what, 0); }

// And its slot's flags.
static char take_one(struct port* port, uint16_t* flags) {
  struct netmap_slot lay = {0};
  const char what = take_packet(port, &lay);
  *flags = lay.flags;
  return what;
}

static int is_empty(struct port* port) {
  EXPECT(0, ioctl(port->fd, NIOCRXSYNC));
  return first_rx(port)->head == first_rx(port)->tail;
}

static void what_can_be_watched(void) {
  struct port port, monitor;
  EXPECT(EINVAL, open_monitor(&monitor, "vale0:nobody", BOTH));
  EXPECT(EINVAL, open_monitor(&monitor, "a{1", BOTH));
  EXPECT(ENXIO, open_monitor(&monitor, "netmap:nobody", BOTH));
  EXPECT(EINVAL, open_monitor(&monitor, "vale0:bad name", BOTH));
  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  // Without copies it lies in the region of what it watches, and sees both ways.
  EXPECT(0, open_monitor(&monitor, "vale0:a", FLAG_ZCOPY_MON));
  CHECK(strcmp(monitor.nifp->ni_name, "vale0:a/z#0") == 0 && monitor.reg.nr_mem_id == port.reg.nr_mem_id);
  port_close(&monitor);
  EXPECT(0, open_monitor(&monitor, "vale0:a", BOTH));
  CHECK(strcmp(monitor.nifp->ni_name, "vale0:a/rt#0") == 0);
  CHECK(monitor.reg.nr_tx_rings == 1 && monitor.reg.nr_rx_rings == 1 && monitor.reg.nr_rx_slots == 1024);
  // Copies lie in a region of their own.
  CHECK(monitor.reg.nr_mem_id != port.reg.nr_mem_id);
  struct port second;
  EXPECT(EINVAL, open_monitor(&second, "vale0:a/rt#0", BOTH));
  struct nmreq_register other = {.nr_mode = REG_ALL_NIC, .nr_flags = FLAG_MONITOR_RX, .nr_rx_rings = 2};
  struct nmreq_register small = {.nr_mode = REG_ALL_NIC, .nr_flags = FLAG_MONITOR_RX, .nr_rx_slots = 64};
  int fd = open("/dev/netmap", O_RDWR);
  EXPECT(0, control(fd, REQ_REGISTER, "vale0:a", &other));
  CHECK(other.nr_rx_rings == 2);
  close(fd);
  fd = open("/dev/netmap", O_RDWR);
  EXPECT(0, control(fd, REQ_REGISTER, "vale0:a", &small));
  CHECK(small.nr_rx_slots == 64);
  close(fd);
  port_close(&monitor);
  port_close(&port);
  EXPECT(EINVAL, open_monitor(&monitor, "vale0:a", BOTH));
}

static void what_they_show(void) {
  struct port a, b, both, again, received;
  uint16_t flags;
  EXPECT(0, port_open(&a, "vale0:a", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&b, "vale0:b", REG_ALL_NIC, 0));
  EXPECT(0, open_monitor(&both, "vale0:a", BOTH));
  EXPECT(0, open_monitor(&again, "vale0:a", BOTH));
  EXPECT(0, open_monitor(&received, "vale0:a", FLAG_MONITOR_RX));
  send_one(&a, 'x');
  CHECK(take_one(&b, &flags) == 'x');
  send_one(&b, 'y');
  CHECK(take_one(&a, &flags) == 'y');
  for (int i = 0; i < 2; i++) {
    struct port* monitor = i == 0 ? &both : &again;
    CHECK(take_one(monitor, &flags) == 'x' && flags == SLOT_TXMON);
    CHECK(take_one(monitor, &flags) == 'y' && flags == 0);
    CHECK(is_empty(monitor));
  }
  CHECK(take_one(&received, &flags) == 'y' && flags == 0);
  CHECK(is_empty(&received));
  // What it sends goes nowhere.
  send_one(&both, 'z');
  send_one(&a, 'u');
  CHECK(take_one(&b, &flags) == 'u');
  CHECK(take_one(&both, &flags) == 'u');
  // One that comes sees what passes then, and one that has gone holds nobody up.
  port_close(&both);
  EXPECT(0, open_monitor(&both, "vale0:a", FLAG_MONITOR_TX));
  CHECK(is_empty(&both));
  for (int i = 0; i < 3000; i++) {
    send_one(&a, 'v');
    CHECK(take_one(&b, &flags) == 'v');
  }
  CHECK(take_one(&both, &flags) == 'v' && flags == SLOT_TXMON);
  // The port stays while it is watched, and its next holder is seen.
  port_close(&a);
  port_close(&again);
  EXPECT(0, port_open(&a, "vale0:a", REG_ALL_NIC, 0));
  send_one(&b, 'w');
  CHECK(take_one(&a, &flags) == 'w' && take_one(&received, &flags) == 'w');
  port_close(&a);
  port_close(&b);
  port_close(&both);
  port_close(&received);
}

// The packets themselves, when who had them is done with them; the second gets them from the first.
static void without_copies(void) {
  struct port a, b, first, second;
  uint16_t flags;
  EXPECT(0, port_open(&a, "vale0:a", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&b, "vale0:b", REG_ALL_NIC, 0));
  EXPECT(0, open_monitor(&first, "vale0:a", FLAG_ZCOPY_MON));
  EXPECT(0, open_monitor(&second, "vale0:a", FLAG_ZCOPY_MON | FLAG_MONITOR_RX));
  for (int i = 0; i < 100; i++) {
    const uint32_t buffer = first_tx(&a)->slot[first_tx(&a)->head].buf_idx;
    send_one(&a, 'x');
    CHECK(take_one(&b, &flags) == 'x');
    struct netmap_ring* ring = first_rx(&first);
    const uint32_t head = ring->head;
    CHECK(take_one(&first, &flags) == 'x' && flags == SLOT_TXMON && ring->slot[head].buf_idx == buffer);
    CHECK(take_one(&second, &flags) == 'x' && flags == SLOT_TXMON);
  }
  send_one(&b, 'y');
  CHECK(take_one(&a, &flags) == 'y');
  CHECK(take_one(&first, &flags) == 'y' && flags == 0);
  port_close(&first);
  // What the one before had when it went it has taken along, and when it is gone nobody is told.
  char seen = 0;
  for (int i = 0; i < 500 && seen != 'z'; i++) {
    send_one(&b, 'z');
    CHECK(take_one(&a, &flags) == 'z');
    usleep(20000);
    while (seen != 'z' && !is_empty(&second)) seen = take_one(&second, &flags);
  }
  CHECK(seen == 'z' && flags == 0);
  port_close(&a);
  port_close(&b);
  port_close(&second);
}

static void of_both_ends_of_a_pipe(void) {
  struct port a, b, of_a, of_b;
  uint16_t flags;
  EXPECT(0, port_open(&a, "p{1", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&b, "p}1", REG_ALL_NIC, 0));
  EXPECT(0, open_monitor(&of_a, "p{1", BOTH));
  EXPECT(0, open_monitor(&of_b, "p}1", BOTH));
  send_one(&a, 'x');
  CHECK(take_one(&b, &flags) == 'x');
  CHECK(take_one(&of_a, &flags) == 'x' && flags == SLOT_TXMON);
  CHECK(take_one(&of_b, &flags) == 'x' && flags == 0);
  port_close(&b);
  port_close(&a);
  port_close(&of_a);
  EXPECT(0, port_open(&a, "p{1", REG_ALL_NIC, 0));
  port_close(&a);
  port_close(&of_b);
}

// One rx ring for each pair of rings; a register may want one of them.
static void of_many_rings(void) {
  struct port port, monitor;
  EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, 0));
  EXPECT(0, open_monitor(&monitor, "null:b", BOTH));
  CHECK(monitor.reg.nr_tx_rings == 1 && monitor.reg.nr_rx_rings == 3);
  port_close(&monitor);
  EXPECT(EINVAL, port_open(&monitor, "null:b", REG_SW, BOTH));
  struct nmreq_register one = {.nr_mode = REG_ONE_NIC, .nr_ringid = 3, .nr_flags = BOTH};
  int fd = open("/dev/netmap", O_RDWR);
  EXPECT(EINVAL, control(fd, REQ_REGISTER, "null:b", &one));
  one.nr_ringid = 0;
  EXPECT(0, control(fd, REQ_REGISTER, "null:b", &one));
  struct netmap_ring* tx = tx_ring(&port, 1);
  tx->slot[tx->head].len = PACKET_BYTES;
  tx->head = tx->cur = next_of(tx, tx->head);
  EXPECT(0, ioctl(port.fd, NIOCTXSYNC));
  send_one(&port, 'x');
  struct pollfd entry = {fd, POLLIN, 0};
  CHECK(poll(&entry, 1, PACKET_WAIT_MS) == 1);
  close(fd);
  port_close(&port);
}

int main(void) {
  what_can_be_watched();
  what_they_show();
  without_copies();
  of_both_ends_of_a_pipe();
  of_many_rings();
  return verdict();
}
