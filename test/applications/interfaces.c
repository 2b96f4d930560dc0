// Interfaces of the host: `interfaces IF`, which is there and up: its rings, its host rings, and it on a switch.
// `interfaces IF others ERRNO`: others than root, whom the file lets have the interface, ask for its host rings.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

struct nmreq_vale_attach {
  struct nmreq_register reg;
  uint32_t port_index, pad1;
};
struct nmreq_vale_detach {
  uint32_t port_index, pad1;
};
struct nmreq_vale_polling {
  uint32_t nr_mode, nr_first_cpu_id, nr_num_polling_cpus, pad1;
};
enum { REQ_VALE_ATTACH = 3, REQ_VALE_DETACH = 4, REQ_POLLING_ON = 10, REQ_POLLING_OFF = 11 };
enum { FRAME = 60 };

static const char* name;
static char on_switch[64];

static int open_with(struct port* port, uint32_t mode, uint16_t ring, uint16_t host_tx, uint16_t host_rx) {
  memset(port, 0, sizeof *port);
  port->fd = open("/dev/netmap", O_RDWR);
  port->reg = (struct nmreq_register){
      .nr_mode = mode, .nr_ringid = ring, .nr_host_tx_rings = host_tx, .nr_host_rx_rings = host_rx};
  int error = control(port->fd, REQ_REGISTER, name, &port->reg) == 0 ? 0 : errno;
  if (error == 0) {
    port->memory = mmap(NULL, port->reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
    port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
    return 0;
  }
  close(port->fd);
  errno = error;
  return -1;
}

// Which rings have an offset, in the order of netmap_if, from bit 0.
static uint32_t shown(const struct port* port) {
  const struct netmap_if* nifp = port->nifp;
  const uint32_t all = nifp->ni_tx_rings + nifp->ni_host_tx_rings + nifp->ni_rx_rings + nifp->ni_host_rx_rings;
  uint32_t rings = 0;
  for (uint32_t i = 0; i < all; i++) rings |= (uint32_t)(nifp->ring_ofs[i] != 0) << i;
  return rings;
}

static void which_rings(void) {
  static const struct {
    uint32_t mode;
    uint16_t ring, host_tx, host_rx;
    int error;
    uint32_t tx, rx, rings;
  } kCases[] = {{REG_ALL_NIC, 0, 0, 0, 0, 1, 1, 0x5},
                {REG_NIC_SW, 0, 0, 0, 0, 1, 1, 0xf},
                {REG_SW, 0, 0, 0, 0, 1, 1, 0xa},
                {REG_SW, 0, 5, 4, 0, 5, 4, 0x7be},  // tx, 5 host tx, rx, 4 host rx
                {REG_ONE_SW, 1, 2, 2, 0, 2, 2, 0x24},
                {REG_ONE_SW, 3, 5, 2, 0, 5, 2, 0x90},  // the first rx ring stands for the fourth
                {REG_ONE_SW, 2, 2, 2, EINVAL, 0, 0, 0},
                {REG_ONE_NIC, 1, 0, 0, EINVAL, 0, 0, 0},
                {REG_ALL_NIC, 0, 2, 2, EINVAL, 0, 0, 0},
                {REG_SW, 0, 65, 1, EINVAL, 0, 0, 0}};
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    struct port port;
    const int mode = (int)kCases[i].mode;
    EXPECT(kCases[i].error, open_with(&port, kCases[i].mode, kCases[i].ring, kCases[i].host_tx, kCases[i].host_rx));
    if (kCases[i].error != 0) continue;
    CHECK(port.reg.nr_host_tx_rings == kCases[i].tx && port.reg.nr_host_rx_rings == kCases[i].rx);
    CHECK(port.nifp->ni_host_tx_rings == kCases[i].tx && port.nifp->ni_host_rx_rings == kCases[i].rx);
    CHECK(port.reg.nr_mem_id == 1);
    if (shown(&port) != kCases[i].rings) {
      failures++;
      fprintf(stderr, "mode %d, case %zu: rings %x, not %x\n", mode, i, shown(&port), kCases[i].rings);
    }
    port_close(&port);
  }
}

// A frame from the host's side of the interface goes to the network, and the other way.
static void host_rings(void) {
  struct port port, other;
  EXPECT(0, open_with(&port, REG_NIC_SW, 0, 0, 0));
  const struct netmap_if* nifp = port.nifp;
  struct netmap_ring* host_tx = (struct netmap_ring*)((char*)port.nifp + nifp->ring_ofs[1]);
  struct netmap_ring* host_rx = (struct netmap_ring*)((char*)port.nifp + nifp->ring_ofs[3]);
  // What is opened later has the rings that are there.
  EXPECT(EINVAL, open_with(&other, REG_SW, 0, 3, 3));
  EXPECT(0, open_with(&other, REG_SW, 0, 1, 1));
  CHECK(other.reg.nr_mem_id == port.reg.nr_mem_id);
  port_close(&other);
  for (int i = 0; i < 3; i++) {
    char* frame = buffer_of(host_tx, host_tx->slot[host_tx->head].buf_idx);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, "\x02\0\0\0\0\x01\x88\xb5", 8);
    host_tx->slot[host_tx->head].len = FRAME;
    host_tx->head = host_tx->cur = next_of(host_tx, host_tx->head);
  }
  EXPECT(0, ioctl(port.fd, NIOCTXSYNC));
  printf("{\"sent\":3}\n");
  fflush(stdout);
  // The kernel speaks by itself, when it is told to from outside.
  for (int tries = 0; host_rx->tail == host_rx->head && tries < 100; tries++) {
    struct pollfd entry = {port.fd, POLLIN, 0};
    poll(&entry, 1, 100);
  }
  CHECK(host_rx->tail != host_rx->head);
  port_close(&port);
}

static int attach(uint32_t mode, uint16_t mem_id, uint16_t* got) {
  int fd = open("/dev/netmap", O_RDWR);
  struct nmreq_vale_attach body = {.reg = {.nr_mode = mode, .nr_mem_id = mem_id}};
  const int result = control(fd, REQ_VALE_ATTACH, on_switch, &body), error = errno;
  *got = body.reg.nr_mem_id;
  close(fd);
  errno = error;
  return result;
}

static int detach(void) {
  int fd = open("/dev/netmap", O_RDWR);
  struct nmreq_vale_detach body = {0};
  const int result = control(fd, REQ_VALE_DETACH, on_switch, &body), error = errno;
  close(fd);
  errno = error;
  return result;
}

static int polling(uint16_t request, const char* of, uint32_t mode, uint32_t first, uint32_t cpus) {
  int fd = open("/dev/netmap", O_RDWR);
  struct nmreq_vale_polling body = {mode, first, cpus, 0};
  const int result = control(fd, request, of, &body), error = errno;
  close(fd);
  errno = error;
  return result;
}

static void on_a_switch(void) {
  struct port port;
  uint16_t mem_id;
  EXPECT(EINVAL, detach());
  EXPECT(EINVAL, attach(REG_SW, 0, &mem_id));
  EXPECT(EINVAL, attach(REG_ALL_NIC, 1, &mem_id));
  EXPECT(ENXIO, polling(REQ_POLLING_ON, on_switch, 1, 0, 1));
  for (int with_host = 0; with_host < 2; with_host++) {
    EXPECT(0, attach(with_host ? REG_NIC_SW : REG_ALL_NIC, 0, &mem_id));
    CHECK(mem_id > 1);
    EXPECT(EBUSY, attach(REG_ALL_NIC, 0, &mem_id));
    EXPECT(EBUSY, port_open(&port, on_switch, REG_ALL_NIC, 0));
    // The switch has it.
    EXPECT(EBUSY, open_with(&port, REG_ALL_NIC, 0, 0, 0));
    struct nmreq_vale_list list = {0};
    int fd = open("/dev/netmap", O_RDWR);
    EXPECT(0, control(fd, REQ_VALE_LIST, on_switch, &list));
    close(fd);
    const long cpus = sysconf(_SC_NPROCESSORS_CONF);
    EXPECT(EFAULT, polling(REQ_POLLING_OFF, on_switch, 0, 0, 0));
    EXPECT(EINVAL, polling(REQ_POLLING_ON, on_switch, 0, 0, 1));
    EXPECT(EINVAL, polling(REQ_POLLING_ON, on_switch, 1, 0, 0));
    EXPECT(EINVAL, polling(REQ_POLLING_ON, on_switch, 1, 0, (uint32_t)cpus));
    EXPECT(EINVAL, polling(REQ_POLLING_ON, on_switch, 1, (uint32_t)cpus, 1));
    EXPECT(EINVAL, polling(REQ_POLLING_ON, on_switch, 2, 1, 1));
    EXPECT(EOPNOTSUPP, polling(REQ_POLLING_ON, "vale0:1", 1, 0, 1));
    if (cpus > 1) {
      EXPECT(0, polling(REQ_POLLING_ON, on_switch, 1, 0, 1));
      EXPECT(EFAULT, polling(REQ_POLLING_ON, on_switch, 1, 0, 1));
      EXPECT(0, polling(REQ_POLLING_OFF, on_switch, 0, 0, 0));
      EXPECT(0, polling(REQ_POLLING_ON, on_switch, 2, 0, 1));
    }
    EXPECT(0, detach());
    EXPECT(EINVAL, detach());
  }
  EXPECT(0, open_with(&port, REG_ALL_NIC, 0, 0, 0));
  EXPECT(EBUSY, attach(REG_ALL_NIC, 0, &mem_id));
  port_close(&port);
}

// As another user, who can reach the socket.
static int open_as_other(struct port* port, uint32_t mode) {
  CHECK(seteuid(1000) == 0);
  setfsuid(0);
  const int result = open_with(port, mode, 0, 0, 0), error = errno;
  CHECK(seteuid(0) == 0);
  errno = error;
  return result;
}

static void others(int wanted) {
  static const uint32_t kModes[] = {REG_SW, REG_NIC_SW, REG_ONE_SW};
  struct port port, roots;
  for (int beside_root = 0; beside_root < 2; beside_root++) {
    if (beside_root) EXPECT(0, open_with(&roots, REG_NIC_SW, 0, 0, 0));
    for (size_t i = 0; i < sizeof kModes / sizeof *kModes; i++) {
      const int error = beside_root && wanted != 0 ? EACCES : wanted;
      EXPECT(error, open_as_other(&port, kModes[i]));
      if (error == 0) port_close(&port);
    }
    EXPECT(0, open_as_other(&port, REG_ALL_NIC));
    port_close(&port);
    if (beside_root) port_close(&roots);
  }
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  name = argv[1];
  if (argc == 4) {
    others(atoi(argv[3]));
    return verdict();
  }
  snprintf(on_switch, sizeof on_switch, "vale0:%s", name);
  which_rings();
  on_a_switch();
  host_rings();
  return verdict();
}
