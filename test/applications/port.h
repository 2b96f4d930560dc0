// A port as a client has it open: registered and mapped.
#pragma once

#include "netmap.h"

struct port {
  int fd;
  char* memory;
  struct nmreq_register reg;
  struct netmap_if* nifp;
};

/// A request on `fd`. 0, or -1 with errno.
int control(int fd, uint16_t reqtype, const char* name, void* body);
/// Opens the device, registers and maps. 0, or -1 with errno and nothing left open.
int port_open(struct port* port, const char* name, uint32_t mode, uint64_t flags);
/// The same, with an option of the request; null: with none.
int port_open_with(struct port* port, const char* name, uint32_t mode, uint64_t flags, struct nmreq_option* option);
void port_close(struct port* port);
/// The i-th NIC ring; null: it is not there.
struct netmap_ring* tx_ring(const struct port* port, uint32_t i);
struct netmap_ring* rx_ring(const struct port* port, uint32_t i);
/// The first of them that is there.
struct netmap_ring* first_tx(const struct port* port);
struct netmap_ring* first_rx(const struct port* port);
