/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * Arithmetic of rings, slots, chains and offsets. It touches no shared memory, and whatever the host says goes through
 * it: test/ compiles it outside the kernel.
 */
#ifndef PTNET_RING_H
#define PTNET_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

#define PTNET_CHAIN_MAX		64	/* slots of a packet */
#define PTNET_BUF_SIZE_MIN	64
#define PTNET_BUF_SIZE_MAX	65536
#define PTNET_SLOT_ROOM_MAX	65472	/* a slot's length has 16 bits; whole cache lines */
#define PTNET_BUF_FIRST		2	/* 0 and 1 are reserved */
#define PTNET_SLOTS_MAX		65536	/* of a ring; netmap's own limit is 8176 */
#define PTNET_NS_MOREFRAG	0x20
#define PTNET_VNET_HDR_MAX	12
#define PTNET_USUAL_MAX		(65536 + 22 + PTNET_VNET_HDR_MAX)	/* of a packet of IP in a frame with two tags */

static inline u32 ptnet_add(u32 i, u32 count, u32 num_slots)
{
	i += count;
	return i >= num_slots ? i - num_slots : i;
}

/* Slots from one index up to another one. Both are below num_slots, and so is the result. */
static inline u32 ptnet_distance(u32 from, u32 to, u32 num_slots)
{
	return to >= from ? to - from : to + num_slots - from;
}

static inline bool ptnet_range_ok(u64 ofs, u64 len, u64 size)
{
	return len <= size && ofs <= size - len;
}

static inline u64 ptnet_slot_pack(u32 buf_idx, u16 len, u16 flags)
{
	return buf_idx | (u64)len << 32 | (u64)flags << 48;
}

static inline u32 ptnet_slot_buf(u64 word)
{
	return (u32)word;
}

static inline u32 ptnet_slot_len(u64 word)
{
	return (word >> 32) & 0xffff;
}

static inline bool ptnet_slot_more(u64 word)
{
	return (word >> 48) & PTNET_NS_MOREFRAG;
}

static inline bool ptnet_buf_ok(u32 buf_idx, u32 buf_num)
{
	return buf_idx >= PTNET_BUF_FIRST && buf_idx < buf_num;
}

/* Bytes of a buffer that one slot can name. */
static inline u32 ptnet_slot_room(u32 buf_size)
{
	return buf_size < PTNET_SLOT_ROOM_MAX ? buf_size : PTNET_SLOT_ROOM_MAX;
}

static inline u32 ptnet_slots_for(u32 bytes, u32 room)
{
	return bytes / room + (bytes % room != 0);
}

/* Slots of the longest packet of a ring: one of them always stays empty. */
static inline u32 ptnet_chain_max(u32 num_slots)
{
	return num_slots - 1 < PTNET_CHAIN_MAX ? num_slots - 1 : PTNET_CHAIN_MAX;
}

/* A packet that is being put together from what the host has published. */
struct ptnet_chain {
	u32 slots;
	u32 bytes;
	u64 words[PTNET_CHAIN_MAX];
};

enum ptnet_chain_state {
	PTNET_CHAIN_OPEN,	/* more slots follow */
	PTNET_CHAIN_WHOLE,
	PTNET_CHAIN_BAD,
};

/* Adds a slot, read once into @word. A chain that is whole begins with @hdr_len bytes in its first slot. */
static inline enum ptnet_chain_state
ptnet_chain_add(struct ptnet_chain *chain, u64 word, u32 buf_num, u32 buf_size, u32 hdr_len)
{
	u32 len = ptnet_slot_len(word);

	if (!ptnet_buf_ok(ptnet_slot_buf(word), buf_num) || len > buf_size)
		return PTNET_CHAIN_BAD;
	if (chain->slots == 0 && len < hdr_len)
		return PTNET_CHAIN_BAD;
	chain->words[chain->slots++] = word;
	chain->bytes += len;
	if (!ptnet_slot_more(word))
		return PTNET_CHAIN_WHOLE;
	return chain->slots < PTNET_CHAIN_MAX ? PTNET_CHAIN_OPEN : PTNET_CHAIN_BAD;
}

/* What the registers of a network device say about its rings. */
struct ptnet_shape {
	u32 tx_rings;
	u32 rx_rings;
	u32 tx_slots;
	u32 rx_slots;
};

static inline bool ptnet_shape_ok(const struct ptnet_shape *shape, u32 rings_max)
{
	return shape->tx_rings >= 1 && shape->rx_rings >= 1 &&
	       shape->tx_rings < rings_max && shape->rx_rings < rings_max &&
	       shape->tx_rings + shape->rx_rings <= rings_max &&
	       shape->tx_slots >= 2 && shape->tx_slots <= PTNET_SLOTS_MAX &&
	       shape->rx_slots >= 2 && shape->rx_slots <= PTNET_SLOTS_MAX;
}

/* Entries of ring_ofs up to the last one of the rx rings, which stand behind the host's tx rings. */
static inline u64 ptnet_ring_entries(const struct ptnet_shape *shape, u32 host_tx_rings)
{
	return (u64)shape->tx_rings + host_tx_rings + shape->rx_rings;
}

/* What a packet may be, by the smaller of both directions' rings. */
struct ptnet_limits {
	u32 chain;	/* slots of a packet */
	u32 frame;	/* bytes of a frame, without the virtio-net header; 0 when not even that fits */
};

/* @frame_max is the longest frame that the system makes. */
static inline struct ptnet_limits
ptnet_limits(const struct ptnet_shape *shape, u32 room, u32 frame_max)
{
	u32 tx = ptnet_chain_max(shape->tx_slots);
	u32 rx = ptnet_chain_max(shape->rx_slots);
	u32 bytes = (tx < rx ? tx : rx) * room;
	struct ptnet_limits limits;

	limits.frame = bytes > PTNET_VNET_HDR_MAX ? bytes - PTNET_VNET_HDR_MAX : 0;
	if (limits.frame > frame_max)
		limits.frame = frame_max;
	limits.chain = ptnet_slots_for(limits.frame + PTNET_VNET_HDR_MAX, room);
	return limits;
}

/* Free slots with which a tx queue has room for any packet of IP, header and all, if a packet may have so many. */
static inline u32 ptnet_tx_stop_slots(u32 chain, u32 room)
{
	u32 usual = ptnet_slots_for(PTNET_USUAL_MAX, room);

	return usual < chain ? usual : chain;
}

/* Free slots with which a tx queue that stopped goes on: a quarter of the ring, so that it has something to do then. */
static inline u32 ptnet_tx_wake_slots(u32 chain, u32 num_slots)
{
	u32 quarter = num_slots / 4;

	return quarter > chain ? quarter : chain;
}

#endif
