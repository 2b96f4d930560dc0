// The test clients' own reading of netmap's ABI (API 15), shared with nobody else's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/time.h>

struct netmap_slot {
  uint32_t buf_idx;
  uint16_t len;
  uint16_t flags;
  uint64_t ptr;
};

struct netmap_ring {
  const int64_t buf_ofs;
  const uint32_t num_slots;
  const uint32_t nr_buf_size;
  const uint16_t ringid;
  const uint16_t dir;
  uint32_t head;
  uint32_t cur;
  uint32_t tail;
  uint32_t flags;
  struct timeval ts;
  uint64_t offset_mask;
  uint64_t buf_align;
  uint8_t sem[128] __attribute__((aligned(64)));
  struct netmap_slot slot[];
};
_Static_assert(offsetof(struct netmap_ring, num_slots) == 8 && offsetof(struct netmap_ring, head) == 20, "ring");
_Static_assert(offsetof(struct netmap_ring, ts) == 40 && offsetof(struct netmap_ring, slot) == 256, "ring");

struct netmap_if {
  char ni_name[16];
  uint32_t ni_version;
  uint32_t ni_flags;
  uint32_t ni_tx_rings;
  uint32_t ni_rx_rings;
  uint32_t ni_bufs_head;
  uint32_t ni_host_tx_rings;
  uint32_t ni_host_rx_rings;
  uint32_t ni_spare[3];
  int64_t ring_ofs[];
};
_Static_assert(offsetof(struct netmap_if, ring_ofs) == 56, "netmap_if");

struct nmreq_header {
  uint16_t nr_version;
  uint16_t nr_reqtype;
  uint32_t nr_reserved;
  char nr_name[64];
  uint64_t nr_options;
  uint64_t nr_body;
};
_Static_assert(sizeof(struct nmreq_header) == 88, "header");

struct nmreq_option {
  uint64_t nro_next;
  uint32_t nro_reqtype;
  uint32_t nro_status;
  uint64_t nro_size;
};

struct nmreq_opt_offsets {
  struct nmreq_option nro_opt;
  uint64_t nro_max_offset;
  uint64_t nro_initial_offset;
  uint32_t nro_offset_bits;
  uint32_t nro_tx_align;
  uint64_t nro_min_gap;
};
_Static_assert(sizeof(struct nmreq_opt_offsets) == 56, "offsets");

struct nmreq_register {
  uint64_t nr_offset;
  uint64_t nr_memsize;
  uint32_t nr_tx_slots;
  uint32_t nr_rx_slots;
  uint16_t nr_tx_rings;
  uint16_t nr_rx_rings;
  uint16_t nr_host_tx_rings;
  uint16_t nr_host_rx_rings;
  uint16_t nr_mem_id;
  uint16_t nr_ringid;
  uint32_t nr_mode;
  uint32_t nr_extra_bufs;
  uint64_t nr_flags;
};
_Static_assert(sizeof(struct nmreq_register) == 56, "register");

struct nmreq_port_info_get {
  uint64_t nr_memsize;
  uint32_t nr_tx_slots;
  uint32_t nr_rx_slots;
  uint16_t nr_tx_rings;
  uint16_t nr_rx_rings;
  uint16_t nr_host_tx_rings;
  uint16_t nr_host_rx_rings;
  uint16_t nr_mem_id;
  uint16_t pad[3];
};

struct nmreq_vale_list {
  uint16_t nr_bridge_idx;
  uint16_t pad1;
  uint32_t nr_port_idx;
};

struct nmreq_port_hdr {
  uint32_t nr_hdr_len;
  uint32_t pad1;
};

struct nmreq_pools_info {
  uint64_t nr_memsize;
  uint16_t nr_mem_id;
  uint16_t pad1[3];
  uint64_t nr_if_pool_offset;
  uint32_t nr_if_pool_objtotal;
  uint32_t nr_if_pool_objsize;
  uint64_t nr_ring_pool_offset;
  uint32_t nr_ring_pool_objtotal;
  uint32_t nr_ring_pool_objsize;
  uint64_t nr_buf_pool_offset;
  uint32_t nr_buf_pool_objtotal;
  uint32_t nr_buf_pool_objsize;
};

struct nmreq_opt_extmem {
  struct nmreq_option nro_opt;
  uint64_t nro_usrptr;
  struct nmreq_pools_info nro_info;
};
_Static_assert(sizeof(struct nmreq_opt_extmem) == 96, "extmem");

enum { OPT_EXTMEM = 1, OPT_OFFSETS = 5 };

#define NIOCCTRL _IOWR('i', 151, struct nmreq_header)
#define NIOCTXSYNC _IO('i', 148)
#define NIOCRXSYNC _IO('i', 149)

enum {
  REQ_REGISTER = 1,
  REQ_PORT_INFO_GET = 2,
  REQ_VALE_LIST = 5,
  REQ_PORT_HDR_SET = 6,
  REQ_PORT_HDR_GET = 7,
  REQ_POOLS_INFO_GET = 12,
  REQ_SYNC_KLOOP_START = 13,
  REQ_CSB_ENABLE = 15,
};
enum { REG_ALL_NIC = 1, REG_SW = 2, REG_NIC_SW = 3, REG_ONE_NIC = 4, REG_NULL = 7, REG_ONE_SW = 8 };
enum {
  FLAG_MONITOR_TX = 0x100,
  FLAG_MONITOR_RX = 0x200,
  FLAG_ZCOPY_MON = 0x400,
  FLAG_EXCLUSIVE = 0x800,
  FLAG_RX_RINGS_ONLY = 0x2000,
  FLAG_TX_RINGS_ONLY = 0x4000,
  FLAG_ACCEPT_VNET_HDR = 0x8000,
  FLAG_NO_TX_POLL = 0x20000,
};

static inline char* buffer_of(struct netmap_ring* ring, uint32_t index) {
  return (char*)ring + ring->buf_ofs + (uint64_t)index * ring->nr_buf_size;
}

// Where the packet of a slot begins in its buffer.
static inline uint64_t offset_of(const struct netmap_ring* ring, const struct netmap_slot* slot) {
  return slot->ptr & ring->offset_mask;
}

static inline void set_offset(const struct netmap_ring* ring, struct netmap_slot* slot, uint64_t offset) {
  slot->ptr = (slot->ptr & ~ring->offset_mask) | (offset & ring->offset_mask);
}

static inline char* packet_of(struct netmap_ring* ring, const struct netmap_slot* slot) {
  return buffer_of(ring, slot->buf_idx) + offset_of(ring, slot);
}

static inline uint32_t next_of(const struct netmap_ring* ring, uint32_t i) {
  return i + 1 == ring->num_slots ? 0 : i + 1;
}
