// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Tests of what the driver computes from a host's numbers: edges by hand, and random ones against slower readings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptnet_ring.h"

#define CHECK(what)								\
do {										\
	if (!(what)) {								\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);	\
		exit(1);							\
	}									\
} while (0)

#define ROUNDS 200000

static u64 state = 1;

static u64 any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A number of up to 64 bits, all sizes alike, edges among them. */
static u64 wild(void)
{
	u64 value = any() >> any() % 64;

	return any() % 8 == 0 ? (u64)0 - value : value;
}

/* Distances by walking. */
static void test_indices(void)
{
	for (u32 n = 2; n < 20; n++)
		for (u32 from = 0; from < n; from++)
			for (u32 count = 0; count < n; count++) {
				u32 to = from;

				for (u32 i = 0; i < count; i++)
					to = to == n - 1 ? 0 : to + 1;
				CHECK(ptnet_add(from, count, n) == to);
				CHECK(ptnet_distance(from, to, n) == count);
			}
	CHECK(ptnet_distance(PTNET_SLOTS_MAX - 1, 0, PTNET_SLOTS_MAX) == 1);
	CHECK(ptnet_distance(0, PTNET_SLOTS_MAX - 1, PTNET_SLOTS_MAX) == PTNET_SLOTS_MAX - 1);
}

static void test_ranges(void)
{
	CHECK(ptnet_range_ok(0, 0, 0));
	CHECK(ptnet_range_ok(10, 0, 10));
	CHECK(ptnet_range_ok(0, 10, 10));
	CHECK(!ptnet_range_ok(1, 10, 10));
	CHECK(!ptnet_range_ok(11, 0, 10));
	CHECK(!ptnet_range_ok(UINT64_MAX, 2, 10));
	CHECK(!ptnet_range_ok(2, UINT64_MAX, 10));
	CHECK(!ptnet_range_ok(UINT64_MAX, UINT64_MAX, UINT64_MAX));
	for (int i = 0; i < ROUNDS; i++) {
		u64 ofs = wild(), len = wild(), size = wild();
		bool fits = (unsigned __int128)ofs + len <= size;

		CHECK(ptnet_range_ok(ofs, len, size) == fits);
	}
}

static void test_slots(void)
{
	struct {
		u32 buf_idx;
		u16 len;
		u16 flags;
	} slot = { 0x12345678, 0xfedc, 0x8021 };
	u64 word;

	/* The word is a slot's first eight bytes as netmap lays them out. */
	memcpy(&word, &slot, sizeof(word));
	CHECK(ptnet_slot_pack(slot.buf_idx, slot.len, slot.flags) == word);
	CHECK(ptnet_slot_buf(word) == slot.buf_idx);
	CHECK(ptnet_slot_len(word) == slot.len);
	CHECK(ptnet_slot_more(word));
	CHECK(!ptnet_slot_more(ptnet_slot_pack(UINT32_MAX, UINT16_MAX, 0xffdf)));
	CHECK(!ptnet_buf_ok(0, 4) && !ptnet_buf_ok(1, 4) && ptnet_buf_ok(2, 4) && ptnet_buf_ok(3, 4));
	CHECK(!ptnet_buf_ok(4, 4) && !ptnet_buf_ok(UINT32_MAX, 4) && !ptnet_buf_ok(0, 0));
	CHECK(ptnet_slot_room(2048) == 2048);
	CHECK(ptnet_slot_room(PTNET_BUF_SIZE_MAX) <= UINT16_MAX);
	CHECK(ptnet_slots_for(0, 2048) == 0 && ptnet_slots_for(1, 2048) == 1);
	CHECK(ptnet_slots_for(2048, 2048) == 1 && ptnet_slots_for(2049, 2048) == 2);
}

static enum ptnet_chain_state add(struct ptnet_chain *chain, u32 buf_idx, u16 len, bool more)
{
	return ptnet_chain_add(chain, ptnet_slot_pack(buf_idx, len, more ? PTNET_NS_MOREFRAG : 0), 100, 2048, 12);
}

static void test_chain(void)
{
	struct ptnet_chain chain = {};

	CHECK(add(&chain, 5, 2048, true) == PTNET_CHAIN_OPEN);
	CHECK(add(&chain, 6, 0, true) == PTNET_CHAIN_OPEN);
	CHECK(add(&chain, 7, 10, false) == PTNET_CHAIN_WHOLE);
	CHECK(chain.slots == 3 && chain.bytes == 2058);
	CHECK(ptnet_slot_buf(chain.words[2]) == 7);

	/* The header lies wholly in the first slot; later ones may be shorter. */
	chain = (struct ptnet_chain){};
	CHECK(add(&chain, 5, 11, true) == PTNET_CHAIN_BAD);
	chain = (struct ptnet_chain){};
	CHECK(add(&chain, 5, 12, true) == PTNET_CHAIN_OPEN);
	CHECK(add(&chain, 5, 2049, false) == PTNET_CHAIN_BAD);
	chain = (struct ptnet_chain){};
	CHECK(add(&chain, 100, 60, false) == PTNET_CHAIN_BAD);
	CHECK(add(&chain, 1, 60, false) == PTNET_CHAIN_BAD);

	/* 64 slots, of which the last one has to end it. */
	chain = (struct ptnet_chain){};
	for (int i = 1; i < PTNET_CHAIN_MAX; i++)
		CHECK(add(&chain, 5, 2048, true) == PTNET_CHAIN_OPEN);
	CHECK(add(&chain, 5, 2048, true) == PTNET_CHAIN_BAD);
	CHECK(chain.slots == PTNET_CHAIN_MAX);
}

/* Whatever a host writes into slots: what is taken from it stays inside of what was checked. */
static void test_wild_chains(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct ptnet_chain chain = {};
		u32 buf_num = wild(), buf_size = PTNET_BUF_SIZE_MIN + any() % (PTNET_BUF_SIZE_MAX - 63);
		u32 hdr_len = any() % 2 ? 12 : 0, bytes = 0;
		enum ptnet_chain_state now;

		do {
			u64 word = ptnet_slot_pack(any() % 4 ? 2 + any() % 100 : wild(), wild(), wild());

			now = ptnet_chain_add(&chain, word, buf_num, buf_size, hdr_len);
		} while (now == PTNET_CHAIN_OPEN);
		CHECK(chain.slots <= PTNET_CHAIN_MAX);
		for (u32 j = 0; j < chain.slots; j++) {
			u32 len = ptnet_slot_len(chain.words[j]);

			CHECK(ptnet_slot_buf(chain.words[j]) < buf_num && len <= buf_size);
			bytes += len;
		}
		CHECK(bytes == chain.bytes && (now != PTNET_CHAIN_WHOLE || bytes >= hdr_len));
	}
}

static void test_shapes(void)
{
	const struct ptnet_shape good = { 1, 31, 2, PTNET_SLOTS_MAX };
	struct ptnet_shape shape = good;

	CHECK(ptnet_shape_ok(&good, 32));
	shape.tx_rings = 2;
	CHECK(!ptnet_shape_ok(&shape, 32));
	shape.tx_rings = 0;
	CHECK(!ptnet_shape_ok(&shape, 32));
	/* A sum that wraps around. */
	shape.tx_rings = UINT32_MAX;
	shape.rx_rings = 2;
	CHECK(!ptnet_shape_ok(&shape, 32));
	shape = good;
	shape.rx_rings = 0;
	CHECK(!ptnet_shape_ok(&shape, 32));
	shape = good;
	shape.tx_slots = 1;
	CHECK(!ptnet_shape_ok(&shape, 32));
	shape.tx_slots = UINT32_MAX;
	CHECK(!ptnet_shape_ok(&shape, 32));
	shape = good;
	shape.rx_slots = PTNET_SLOTS_MAX + 1;
	CHECK(!ptnet_shape_ok(&shape, 32));
	CHECK(ptnet_ring_entries(&good, UINT32_MAX) == (u64)UINT32_MAX + 32);
}

/* A frame of the length that is allowed fits the chain, the chain fits both rings, and a queue that stops can go on. */
static void test_limits(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct ptnet_shape shape = { 1, 1, 2 + any() % 2000, 2 + any() % 2000 };
		u32 room = ptnet_slot_room(PTNET_BUF_SIZE_MIN + any() % (PTNET_BUF_SIZE_MAX - 63));
		u32 longest = any() % 2 ? 65558 : 524302;
		struct ptnet_limits limits = ptnet_limits(&shape, room, longest);
		u32 wake = ptnet_tx_wake_slots(limits.chain, shape.tx_slots);
		u32 stop = ptnet_tx_stop_slots(limits.chain, room);

		CHECK(limits.chain >= 1 && limits.chain <= PTNET_CHAIN_MAX);
		CHECK(limits.chain < shape.tx_slots && limits.chain < shape.rx_slots);
		CHECK(limits.frame <= longest);
		CHECK(ptnet_slots_for(limits.frame + PTNET_VNET_HDR_MAX, room) <= limits.chain);
		CHECK(wake >= limits.chain && wake < shape.tx_slots);
		/* With so many the longest packet of IP has room, or whatever may be sent at all. */
		CHECK(stop <= limits.chain && (stop == limits.chain || stop * room >= 65570));
	}
}

int main(void)
{
	test_indices();
	test_ranges();
	test_slots();
	test_chain();
	test_wild_chains();
	test_shapes();
	test_limits();
	puts("ring_test: well");
	return 0;
}
