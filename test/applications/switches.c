// Persistent ports and switches, by the newer requests and by the older ones; and the older register and information.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

struct nmreq {
  char nr_name[16];
  uint32_t nr_version, nr_offset, nr_memsize, nr_tx_slots, nr_rx_slots;
  uint16_t nr_tx_rings, nr_rx_rings, nr_ringid, nr_cmd, nr_arg1, nr_arg2;
  uint32_t nr_arg3, nr_flags, spare2;
};
_Static_assert(sizeof(struct nmreq) == 60, "nmreq");
#define NIOCGINFO _IOWR('i', 145, struct nmreq)
#define NIOCREGIF _IOWR('i', 146, struct nmreq)

struct nmreq_vale_attach {
  struct nmreq_register reg;
  uint32_t port_index, pad1;
};
struct nmreq_vale_detach {
  uint32_t port_index, pad1;
};
struct nmreq_vale_newif {
  uint32_t nr_tx_slots, nr_rx_slots;
  uint16_t nr_tx_rings, nr_rx_rings, nr_mem_id, pad1;
};
enum { REQ_VALE_ATTACH = 3, REQ_VALE_DETACH = 4, REQ_VALE_NEWIF = 8, REQ_VALE_DELIF = 9 };
enum { CMD_ATTACH = 1, CMD_DETACH = 2, CMD_LIST = 4, CMD_HDR_SET = 5, CMD_NEWIF = 6, CMD_DELIF = 7, CMD_HDR_GET = 12 };

static int device;

static int newif(const char* name) {
  struct nmreq_vale_newif body = {.nr_tx_slots = 256};
  int result = control(device, REQ_VALE_NEWIF, name, &body);
  if (result == 0)
    CHECK(body.nr_tx_slots == 256 && body.nr_rx_slots == 1024 && body.nr_tx_rings == 1 && body.nr_rx_rings == 1);
  return result;
}

static int attach(const char* name, uint32_t mode) {
  struct nmreq_vale_attach body = {.reg = {.nr_mode = mode}};
  return control(device, REQ_VALE_ATTACH, name, &body);
}

static int detach(const char* name) {
  struct nmreq_vale_detach body = {0};
  return control(device, REQ_VALE_DETACH, name, &body);
}

static int listed(const char* name) {
  struct nmreq_vale_list body = {0};
  return control(device, REQ_VALE_LIST, name, &body);
}

static void persistent_ports(void) {
  struct port port;
  EXPECT(EINVAL, newif("vale0:v"));
  EXPECT(EINVAL, newif(""));
  EXPECT(EINVAL, newif("a-name-of-16-char"));
  EXPECT(ENXIO, attach("vale0:v", REG_ALL_NIC));
  EXPECT(ENXIO, control(device, REQ_VALE_DELIF, "v", NULL));
  for (int twice = 0; twice < 2; twice++) {
    EXPECT(0, newif("v"));
    EXPECT(EEXIST, newif("v"));
    EXPECT(EINVAL, attach("vale0:v", REG_NIC_SW));
    EXPECT(EINVAL, detach("vale0:v"));
    EXPECT(0, attach("vale0:v", REG_ALL_NIC));
    EXPECT(0, listed("vale0:v"));
    EXPECT(EBUSY, attach("vale0:v", REG_ALL_NIC));
    // By its own name it is the same port.
    for (int i = 0; i < 2; i++) {
      struct port same;
      EXPECT(0, port_open(&port, i == 0 ? "v" : "netmap:v", REG_ALL_NIC, FLAG_EXCLUSIVE));
      CHECK(port.reg.nr_tx_slots == 256 && strcmp(port.nifp->ni_name, "vale0:v") == 0);
      EXPECT(EBUSY, port_open(&same, "vale0:v", REG_ALL_NIC, 0));
      EXPECT(EBUSY, detach("vale0:v"));
      port_close(&port);
    }
    // On another switch it is another port.
    EXPECT(0, attach("vale5:v", REG_ALL_NIC));
    EXPECT(EBUSY, control(device, REQ_VALE_DELIF, "v", NULL));
    EXPECT(0, port_open(&port, "vale0:v", REG_ALL_NIC, 0));
    CHECK(port.reg.nr_tx_slots == 256);
    EXPECT(EBUSY, detach("vale0:v"));
    port_close(&port);
    // It is there still.
    EXPECT(0, listed("vale0:v"));
    EXPECT(0, detach("vale0:v"));
    EXPECT(ENOENT, listed("vale0:v"));
    EXPECT(EINVAL, detach("vale0:v"));
    EXPECT(EBUSY, control(device, REQ_VALE_DELIF, "v", NULL));
    EXPECT(0, detach("vale5:v"));
    EXPECT(0, control(device, REQ_VALE_DELIF, "v", NULL));
    EXPECT(ENXIO, control(device, REQ_VALE_DELIF, "v", NULL));
  }
  EXPECT(ENXIO, attach("vale0:1", REG_ALL_NIC));
  EXPECT(EINVAL, detach("vale0:1"));
  EXPECT(EINVAL, detach("vale0"));
}

static struct nmreq older(const char* name) {
  struct nmreq request = {.nr_version = 14};
  strncpy(request.nr_name, name, sizeof request.nr_name - 1);
  return request;
}

// Registers with the older request and says which NIC rings have an offset, tx from bit 0, rx from bit 8; -1: refused.
static int rings_of(struct nmreq request) {
  int fd = open("/dev/netmap", O_RDWR), rings = 0;
  if (ioctl(fd, NIOCREGIF, &request) == 0) {
    char* memory = mmap(NULL, request.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const struct netmap_if* nifp = (const struct netmap_if*)(memory + request.nr_offset);
    for (uint32_t i = 0; i < nifp->ni_tx_rings; i++) rings |= (nifp->ring_ofs[i] != 0) << i;
    for (uint32_t i = 0; i < nifp->ni_rx_rings; i++)
      rings |= (nifp->ring_ofs[nifp->ni_tx_rings + nifp->ni_host_tx_rings + i] != 0) << (8 + i);
    struct pollfd entry = {fd, POLLOUT, 0};
    if (rings & 0xff) CHECK(poll(&entry, 1, 0) == 1 && entry.revents == POLLOUT);
    munmap(memory, request.nr_memsize);
  } else {
    rings = -1;
  }
  int error = errno;
  close(fd);
  errno = error;
  return rings;
}

static void older_registers(void) {
  struct nmreq request = older("null:b");
  CHECK(rings_of(request) == 0x703);
  request.nr_ringid = 0x4000 | 1;
  CHECK(rings_of(request) == 0x202);
  request.nr_ringid = 0x4000 | 0x1000 | 0x8000;
  CHECK(rings_of(request) == 0x101);
  request.nr_ringid = 0x2000;
  EXPECT(EINVAL, rings_of(request));
  request.nr_ringid = 2;
  request.nr_flags = 4;
  // There are two tx rings: for the third one the first one stands.
  CHECK(rings_of(request) == 0x401);
  for (uint32_t version = 11; version <= 17; version++) {
    request = older("null:b");
    request.nr_version = version;
    CHECK(rings_of(request) == 0x703);
  }
  request.nr_version = 10;
  EXPECT(EINVAL, rings_of(request));
  // The number of a pipe is its ring's.
  struct port master;
  EXPECT(0, port_open(&master, "q{5", REG_ALL_NIC, 0));
  request = older("q");
  request.nr_flags = 6;
  request.nr_ringid = 5;
  CHECK(rings_of(request) == 0x101);
  port_close(&master);
  request = older("null:b");
  request.nr_cmd = 99;
  EXPECT(EINVAL, rings_of(request));
  EXPECT(EINVAL, ioctl(device, NIOCREGIF, NULL));
  EXPECT(EFAULT, ioctl(device, NIOCREGIF, (void*)16));
}

static void older_switch_requests(void) {
  struct nmreq request = older("w");
  request.nr_cmd = CMD_NEWIF;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  request = older("vale0:w");
  request.nr_cmd = CMD_ATTACH;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  request = older("");
  request.nr_cmd = CMD_LIST;
  EXPECT(0, ioctl(device, NIOCGINFO, &request));
  CHECK(strcmp(request.nr_name, "vale0:1") == 0);
  request.nr_arg2++;
  memset(request.nr_name, 0, sizeof request.nr_name);
  EXPECT(0, ioctl(device, NIOCGINFO, &request));
  CHECK(strcmp(request.nr_name, "vale0:w") == 0);
  request = older("vale0:w");
  request.nr_cmd = CMD_HDR_SET;
  request.nr_arg1 = 12;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  request.nr_cmd = CMD_HDR_GET;
  request.nr_arg1 = 0;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  CHECK(request.nr_arg1 == 12);
  request.nr_cmd = CMD_DETACH;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  request = older("w");
  request.nr_cmd = CMD_DELIF;
  EXPECT(0, ioctl(device, NIOCREGIF, &request));
  request = older("null:b");
  EXPECT(0, ioctl(device, NIOCGINFO, &request));
  CHECK(request.nr_tx_rings == 2 && request.nr_rx_rings == 3 && request.nr_tx_slots == 1024 && request.nr_memsize > 0);
}

int main(void) {
  device = open("/dev/netmap", O_RDWR);
  CHECK(device >= 0);
  persistent_ports();
  older_registers();
  older_switch_requests();
  close(device);
  return verdict();
}
