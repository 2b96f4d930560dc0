// One packet at a time: what it holds behind its addresses are bytes that are all the same, which name it.
#pragma once

#include <poll.h>

#include "check.h"
#include "port.h"

enum { PACKET_BYTES = 200, PACKET_WAIT_MS = 10000 };

/// It begins at `offset` in its buffer, whose other bytes are others.
static inline void send_packet(struct port* port, char what, uint64_t offset) {
  struct netmap_ring* ring = first_tx(port);
  struct netmap_slot* slot = &ring->slot[ring->head];
  memset(buffer_of(ring, slot->buf_idx), 0x55, ring->nr_buf_size);
  set_offset(ring, slot, offset);
  char* packet = packet_of(ring, slot);
  memset(packet, what, PACKET_BYTES);
  memset(packet, 0xff, 6);
  memcpy(packet + 6, "\x02\0\0\0\0\x01", 6);
  slot->len = PACKET_BYTES;
  slot->flags = 0;
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCTXSYNC));
}

/// What the next one holds, and the slot that it lay in; 0: none came.
static inline char take_packet(struct port* port, struct netmap_slot* lay) {
  struct netmap_ring* ring = first_rx(port);
  struct pollfd entry = {port->fd, POLLIN, 0};
  if (ring->head == ring->tail && poll(&entry, 1, PACKET_WAIT_MS) != 1) return 0;
  *lay = ring->slot[ring->head];
  CHECK(lay->len == PACKET_BYTES);
  const char* packet = packet_of(ring, lay);
  CHECK((unsigned char)packet[0] == 0xff && packet[6] == 2);
  for (int i = 13; i < PACKET_BYTES; i++) CHECK(packet[i] == packet[12]);
  const char what = packet[12];
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCRXSYNC));
  return what;
}
