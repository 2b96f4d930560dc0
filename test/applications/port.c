// Opening ports, as every client does.
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int control_with(int fd, uint16_t reqtype, const char* name, void* body, struct nmreq_option* option) {
  struct nmreq_header header = {.nr_version = 15,
                                .nr_reqtype = reqtype,
                                .nr_options = (uint64_t)(uintptr_t)option,
                                .nr_body = (uint64_t)(uintptr_t)body};
  strncpy(header.nr_name, name, sizeof header.nr_name - 1);
  return ioctl(fd, NIOCCTRL, &header);
}

int control(int fd, uint16_t reqtype, const char* name, void* body) {
  return control_with(fd, reqtype, name, body, NULL);
}

int port_open(struct port* port, const char* name, uint32_t mode, uint64_t flags) {
  return port_open_with(port, name, mode, flags, NULL);
}

int port_open_with(struct port* port, const char* name, uint32_t mode, uint64_t flags, struct nmreq_option* option) {
  memset(port, 0, sizeof *port);
  port->fd = open("/dev/netmap", O_RDWR);
  if (port->fd < 0) return -1;
  port->reg.nr_mode = mode;
  port->reg.nr_flags = flags;
  int error = 0;
  if (control_with(port->fd, REQ_REGISTER, name, &port->reg, option) != 0) {
    error = errno;
  } else {
    port->memory = mmap(NULL, port->reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
    if (port->memory == MAP_FAILED) error = errno;
  }
  if (error != 0) {
    close(port->fd);
    errno = error;
    return -1;
  }
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

void port_close(struct port* port) {
  munmap(port->memory, port->reg.nr_memsize);
  close(port->fd);
}

static struct netmap_ring* ring_at(const struct port* port, uint32_t place) {
  int64_t offset = port->nifp->ring_ofs[place];
  return offset == 0 ? NULL : (struct netmap_ring*)((char*)port->nifp + offset);
}

struct netmap_ring* tx_ring(const struct port* port, uint32_t i) {
  return ring_at(port, i);
}

struct netmap_ring* rx_ring(const struct port* port, uint32_t i) {
  return ring_at(port, port->nifp->ni_tx_rings + port->nifp->ni_host_tx_rings + i);
}

struct netmap_ring* first_tx(const struct port* port) {
  for (uint32_t i = 0; i < port->nifp->ni_tx_rings; i++)
    if (tx_ring(port, i)) return tx_ring(port, i);
  return NULL;
}

struct netmap_ring* first_rx(const struct port* port) {
  for (uint32_t i = 0; i < port->nifp->ni_rx_rings; i++)
    if (rx_ring(port, i)) return rx_ring(port, i);
  return NULL;
}
