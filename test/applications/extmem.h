// Ports in memory of the program's own, as clients' libraries open them, and packets between them.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

enum { PAGE = 4096, SIZE = 12 << 20, SMALL = 4 << 20, LENGTH = 200 };

static inline struct nmreq_opt_extmem option_of(const void* memory, uint64_t size) {
  struct nmreq_opt_extmem option = {.nro_opt.nro_reqtype = OPT_EXTMEM, .nro_usrptr = (uint64_t)(uintptr_t)memory};
  option.nro_info.nr_memsize = size;
  return option;
}

/// As clients' libraries do it: what they use is their own memory, nothing is mapped.
static inline int open_in(struct port* port, const char* name, struct nmreq_opt_extmem* option) {
  if (port_open_with(port, name, REG_ALL_NIC, 0, &option->nro_opt) != 0) return -1;
  munmap(port->memory, port->reg.nr_memsize);
  port->memory = (char*)(uintptr_t)option->nro_usrptr;
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

static inline int open_at(struct port* port, const char* name, void* memory, uint64_t size) {
  struct nmreq_opt_extmem option = option_of(memory, size);
  return open_in(port, name, &option);
}

static inline void* memory_of(uint64_t size, int flags) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

static inline void fill(char* packet, uint32_t number) {
  memset(packet, 0xff, 6);
  memcpy(packet + 6, "\x02\0\0\0\x7f\x02\x88\xb5", 8);
  for (uint32_t i = 14; i < LENGTH; i++) packet[i] = (char)(i * 31 + number);
}

static inline int is_filled(const char* packet, uint32_t number) {
  char wanted[LENGTH];
  fill(wanted, number);
  return memcmp(packet, wanted, LENGTH) == 0;
}

static inline void send_one(struct port* port, uint32_t number) {
  struct netmap_ring* ring = first_tx(port);
  struct netmap_slot* slot = &ring->slot[ring->head];
  fill(buffer_of(ring, slot->buf_idx), number);
  slot->len = LENGTH;
  slot->flags = 0;
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCTXSYNC));
}

/// The buffer that it came in; 0: none came within a second.
static inline uint32_t receive_one(struct port* port, uint32_t number) {
  struct pollfd entry = {port->fd, POLLIN, 0};
  if (poll(&entry, 1, 1000) != 1) return 0;
  struct netmap_ring* ring = first_rx(port);
  struct netmap_slot* slot = &ring->slot[ring->head];
  const uint32_t index = slot->buf_idx;
  CHECK(slot->len == LENGTH && is_filled(buffer_of(ring, index), number));
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCRXSYNC));
  return index;
}

static inline void exchange(struct port* a, struct port* b) {
  for (uint32_t i = 0; i < 200; i++) {
    send_one(a, i);
    CHECK(receive_one(b, i) != 0);
    send_one(b, i + 7);
    CHECK(receive_one(a, i + 7) != 0);
    if (failures > 0) return;
  }
}

/// One that asks for rings of 16 slots.
static inline int open_short(struct port* port, const char* name, struct nmreq_opt_extmem* option) {
  *port = (struct port){.fd = open("/dev/netmap", O_RDWR), .memory = (char*)(uintptr_t)option->nro_usrptr};
  port->reg = (struct nmreq_register){.nr_mode = REG_ALL_NIC, .nr_tx_slots = 16, .nr_rx_slots = 16, .nr_mem_id = 4711};
  struct nmreq_header header = {.nr_version = 15,
                                .nr_reqtype = REQ_REGISTER,
                                .nr_options = (uint64_t)(uintptr_t)option,
                                .nr_body = (uint64_t)(uintptr_t)&port->reg};
  strncpy(header.nr_name, name, sizeof header.nr_name - 1);
  if (ioctl(port->fd, NIOCCTRL, &header) != 0) {
    const int error = errno;
    close(port->fd);
    errno = error;
    return -1;
  }
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

static inline int descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}
