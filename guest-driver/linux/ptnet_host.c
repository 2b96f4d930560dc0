// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* What the host says: registers, and the rings in the region. All of it is checked here, once, and copied. */
#include <linux/io.h>

#include "ptnet_csb.h"

static u32 ptnet_read(struct ptnet *pt, u32 reg)
{
	return ioread32(pt->regs + reg);
}

static void ptnet_write(struct ptnet *pt, u32 reg, u32 value)
{
	iowrite32(value, pt->regs + reg);
}

/**
 * ptnet_read_shape() - read the numbers of rings and slots
 * @pt: the interface
 * @shape: what has been read
 *
 * Return: 0; -ENODEV when the device does not answer, -EINVAL when the numbers make no sense.
 */
int ptnet_read_shape(struct ptnet *pt, struct ptnet_shape *shape)
{
	shape->tx_rings = ptnet_read(pt, PTNET_IO_NUM_TX_RINGS);
	shape->rx_rings = ptnet_read(pt, PTNET_IO_NUM_RX_RINGS);
	shape->tx_slots = ptnet_read(pt, PTNET_IO_NUM_TX_SLOTS);
	shape->rx_slots = ptnet_read(pt, PTNET_IO_NUM_RX_SLOTS);
	if (shape->tx_rings == U32_MAX && shape->tx_slots == U32_MAX)
		return -ENODEV;
	return ptnet_shape_ok(shape, PTNET_RINGS_MAX) ? 0 : -EINVAL;
}

/**
 * ptnet_negotiate() - agree on the virtio-net header
 * @pt: the interface
 *
 * Return: bytes of the header that packets will begin with: 0, 10 or 12; -EPROTO when the host wants another one.
 */
int ptnet_negotiate(struct ptnet *pt)
{
	u32 len;

	ptnet_write(pt, PTNET_IO_PTFEAT, PTFEAT_VNET_HDR);
	if (!(ptnet_read(pt, PTNET_IO_PTFEAT) & PTFEAT_VNET_HDR))
		return 0;
	ptnet_write(pt, PTNET_IO_VNET_HDR_LEN, PTNET_VNET_HDR_MAX);
	len = ptnet_read(pt, PTNET_IO_VNET_HDR_LEN);
	if (len == 0 || len == 10 || len == PTNET_VNET_HDR_MAX)
		return len;
	ptnet_complain(pt, "the host wants a virtio-net header of %u bytes: 0, 10 or %u would be right",
		       len, PTNET_VNET_HDR_MAX);
	return -EPROTO;
}

static int ptnet_map_ring(struct ptnet *pt, struct ptnet_ring *ring, u64 ofs)
{
	const char *dir = ring->tx ? "tx" : "rx";
	const struct ptnet_mem *mem = pt->mem;
	u32 num_slots = ring->tx ? pt->shape.tx_slots : pt->shape.rx_slots;
	const struct ptnet_netmap_ring *header;
	u64 len = struct_size(header, slots, num_slots);
	u32 slots, buf_size;
	u64 bufs;

	header = ptnet_mem_at(mem, ofs, len);
	if (!header) {
		ptnet_complain(pt, "%s ring %u: %llu bytes at %llu are outside the region",
			       dir, ring->index, len, ofs);
		return -EPROTO;
	}
	slots = le32_to_cpu(READ_ONCE(header->num_slots));
	buf_size = le32_to_cpu(READ_ONCE(header->buf_size));
	bufs = ofs + le64_to_cpu(READ_ONCE(header->buf_ofs));
	if (slots != num_slots || buf_size != mem->buf_size || bufs != mem->buf_ofs) {
		ptnet_complain(pt, "%s ring %u: %u slots, buffers of %u bytes at %llu, not %u, %u and %llu",
			       dir, ring->index, slots, buf_size, bufs, num_slots, mem->buf_size, mem->buf_ofs);
		return -EPROTO;
	}
	ring->slots = (struct ptnet_slot *)header->slots;
	ring->bufs = mem->base + mem->buf_ofs;
	ring->buf_num = mem->buf_num;
	ring->buf_size = buf_size;
	ring->room = ptnet_slot_room(buf_size);
	ring->num_slots = num_slots;
	return 0;
}

/* Entry @entry of ring_ofs; the caller has checked that it is inside the region. */
static int ptnet_map_entry(struct ptnet *pt, struct ptnet_ring *ring,
			   const struct ptnet_netmap_if *nifp, u64 nifp_ofs, u64 entry)
{
	u64 ofs = le64_to_cpu(READ_ONCE(nifp->ring_ofs[entry]));

	if (!ofs) {
		ptnet_complain(pt, "%s ring %u: the host serves none",
			       ring->tx ? "tx" : "rx", ring->index);
		return -EPROTO;
	}
	return ptnet_map_ring(pt, ring, nifp_ofs + ofs);
}

/* Finds all rings by the netmap_if of this port. */
static int ptnet_map_rings(struct ptnet *pt)
{
	const struct ptnet_shape *shape = &pt->shape;
	u32 ofs = ptnet_read(pt, PTNET_IO_NIFP_OFS);
	const struct ptnet_netmap_if *nifp;
	u32 tx_rings, rx_rings, host_tx;
	unsigned int i;
	int err = 0;

	nifp = ptnet_mem_at(pt->mem, ofs, sizeof(*nifp));
	if (!nifp) {
		ptnet_complain(pt, "netmap_if at %u is outside the region", ofs);
		return -EPROTO;
	}
	tx_rings = le32_to_cpu(READ_ONCE(nifp->tx_rings));
	rx_rings = le32_to_cpu(READ_ONCE(nifp->rx_rings));
	host_tx = le32_to_cpu(READ_ONCE(nifp->host_tx_rings));
	if (tx_rings != shape->tx_rings || rx_rings != shape->rx_rings) {
		ptnet_complain(pt, "netmap_if at %u: %u tx and %u rx rings, not %u and %u",
			       ofs, tx_rings, rx_rings, shape->tx_rings, shape->rx_rings);
		return -EPROTO;
	}
	if (!ptnet_mem_at(pt->mem, ofs,
			  sizeof(*nifp) + ptnet_ring_entries(shape, host_tx) * sizeof(nifp->ring_ofs[0]))) {
		ptnet_complain(pt, "netmap_if at %u: its table of rings ends outside the region", ofs);
		return -EPROTO;
	}
	for (i = 0; i < shape->tx_rings && !err; i++)
		err = ptnet_map_entry(pt, &pt->tx[i], nifp, ofs, i);
	for (i = 0; i < shape->rx_rings && !err; i++)
		err = ptnet_map_entry(pt, &pt->rx[i], nifp, ofs, (u64)tx_rings + host_tx + i);
	return err;
}

/* The low half takes effect, so it comes last. */
static void ptnet_write_csb(struct ptnet *pt, dma_addr_t gh, dma_addr_t hg)
{
	ptnet_write(pt, PTNET_IO_CSB_GH_BAH, upper_32_bits(gh));
	ptnet_write(pt, PTNET_IO_CSB_GH_BAL, lower_32_bits(gh));
	ptnet_write(pt, PTNET_IO_CSB_HG_BAH, upper_32_bits(hg));
	ptnet_write(pt, PTNET_IO_CSB_HG_BAL, lower_32_bits(hg));
}

/* Takes a ring's state from where the host has put it at CREATE. */
static int ptnet_load_ring(struct ptnet_ring *ring)
{
	u32 head = le32_to_cpu(READ_ONCE(ring->gh->head));
	u32 hwtail = ptnet_load_hwtail(ring);
	u32 hwcur = ptnet_load_hwcur(ring);

	if (head >= ring->num_slots || hwtail >= ring->num_slots || hwcur >= ring->num_slots) {
		ptnet_complain(ring->pt, "%s ring %u: the host starts at head %u, hwcur %u, hwtail %u of %u slots",
			       ring->tx ? "tx" : "rx", ring->index, head, hwcur, hwtail, ring->num_slots);
		return -EPROTO;
	}
	ring->head = head;
	ring->published = head;
	ring->hwtail = hwtail;
	ring->last_hwcur = hwcur;
	ring->stop = ring->pt->tx_stop;
	ring->faulty = false;
	return 0;
}

/**
 * ptnet_create() - have the host serve the rings
 * @pt: the interface, with none of its rings in use
 *
 * Return: 0, or an errno; then the host serves nothing, and an error of the host's own is in the log.
 */
int ptnet_create(struct ptnet *pt)
{
	struct ptnet_shape shape;
	unsigned int i;
	u32 result;
	int err;

	err = ptnet_read_shape(pt, &shape);
	if (err)
		return err;
	if (memcmp(&shape, &pt->shape, sizeof(shape))) {
		ptnet_complain(pt, "the host has other rings than when the driver came: load it again");
		return -ESTALE;
	}
	if (pt->mem->stale || ptnet_read(pt, PTNET_IO_HOSTMEMID) != pt->mem->id) {
		ptnet_complain(pt, "the host has other memory than when the driver came: load it again");
		return -ESTALE;
	}
	err = ptnet_negotiate(pt);
	if (err < 0)
		return err;
	pt->hdr_len = err;
	err = ptnet_map_rings(pt);
	if (err)
		return err;

	memset(pt->gh, 0, PTNET_CSB_BYTES);
	memset(pt->hg, 0, PTNET_CSB_BYTES);
	for (i = 0; i < shape.rx_rings; i++)
		pt->rx[i].gh->appl_need_kick = cpu_to_le32(1);
	ptnet_write_csb(pt, pt->csb, pt->csb + PTNET_CSB_BYTES);
	ptnet_write(pt, PTNET_IO_PTCTL, PTCTL_CREATE);
	result = ptnet_read(pt, PTNET_IO_PTCTL);
	if (result) {
		ptnet_write_csb(pt, 0, 0);
		/* The same numbers in all systems that have such a device. */
		return result < MAX_ERRNO ? -(int)result : -EIO;
	}
	for (i = 0; i < pt->num_rings && !err; i++)
		err = ptnet_load_ring(&pt->rings[i]);
	if (err)
		ptnet_delete(pt);
	return err;
}

/* Has the host let go of the rings and of our memory. */
void ptnet_delete(struct ptnet *pt)
{
	ptnet_write(pt, PTNET_IO_PTCTL, PTCTL_DELETE);
	ptnet_write_csb(pt, 0, 0);
}
