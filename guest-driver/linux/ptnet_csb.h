/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* The suppression protocol: loads and stores of the CSB with the orders that the host relies on. */
#ifndef PTNET_CSB_H
#define PTNET_CSB_H

#include <linux/io.h>

#include "ptnet.h"

/* Gives the host all slots before head. */
static inline void ptnet_publish(struct ptnet_ring *ring)
{
	__le32 head = cpu_to_le32(ring->head);

	WRITE_ONCE(ring->gh->cur, head);
	/* Slots, payload and cur before head: pairs with the host's load of head before those of cur and slots. */
	virt_store_release(&ring->gh->head, head);
	ring->published = ring->head;
}

/* Orders our stores before our loads as the host's CPU sees them. */
static inline void ptnet_mb(void)
{
	/* Not virt_mb(): on x86 that is a locked instruction, which QEMU's software emulation
	 * makes no barrier of while the guest has one virtual CPU.
	 */
	mb();
}

/* Rings the doorbell if the host sleeps. To be called after ptnet_publish(). */
static inline bool ptnet_kick_if_wanted(struct ptnet_ring *ring)
{
	/* Our head before our load of kern_need_kick: pairs with the host's barrier between its store of
	 * kern_need_kick and its last look at head, so one of the two sees the other.
	 */
	ptnet_mb();
	if (!READ_ONCE(ring->hg->kern_need_kick))
		return false;
	iowrite32(0, ring->kick);
	return true;
}

/* The host's hwtail as it is now. Not below num_slots: the host is broken. */
static inline u32 ptnet_load_hwtail(const struct ptnet_ring *ring)
{
	/* hwtail before hwcur and slots: pairs with the host's store of hwtail after those. */
	return le32_to_cpu(virt_load_acquire(&ring->hg->hwtail));
}

static inline u32 ptnet_load_hwcur(const struct ptnet_ring *ring)
{
	return le32_to_cpu(READ_ONCE(ring->hg->hwcur));
}

/* Looks at hwtail again. False: the host is broken, and that has been reported. */
static inline bool ptnet_refresh(struct ptnet_ring *ring)
{
	u32 hwtail = ptnet_load_hwtail(ring);

	if (unlikely(hwtail >= ring->num_slots)) {
		ptnet_fault(ring, PTNET_BROKEN);
		return false;
	}
	ring->hwtail = hwtail;
	return true;
}

/* Slots that are ours, as far as known. */
static inline u32 ptnet_available(const struct ptnet_ring *ring)
{
	return ptnet_distance(ring->head, ring->hwtail, ring->num_slots);
}

static inline void ptnet_irq_off(struct ptnet_ring *ring)
{
	WRITE_ONCE(ring->gh->appl_need_kick, 0);
}

/* Asks for an interrupt at the next movement of hwtail. The caller looks at hwtail once more after this. */
static inline void ptnet_irq_on(struct ptnet_ring *ring)
{
	WRITE_ONCE(ring->gh->appl_need_kick, cpu_to_le32(1));
	/* Our appl_need_kick before our load of hwtail: pairs with the host's barrier between its store of hwtail and
	 * its load of appl_need_kick.
	 */
	ptnet_mb();
}

static inline u8 *ptnet_buf(const struct ptnet_ring *ring, u32 buf_idx)
{
	return ring->bufs + (u64)buf_idx * ring->buf_size;
}

#endif
