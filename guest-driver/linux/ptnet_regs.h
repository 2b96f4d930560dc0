/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Names of what the two PCI devices and the shared memory look like: ids, registers, layouts. */
#ifndef PTNET_REGS_H
#define PTNET_REGS_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define PTNET_PCI_VENDOR		0x1b36
#define PTNET_PCI_MEMDEV		0x000c
#define PTNET_PCI_NETDEV		0x000d
/* In some FreeBSD trees, and in hosts that serve them. */
#define PTNET_PCI_MEMDEV_OTHER		0xcccc
#define PTNET_PCI_NETDEV_OTHER		0xcccd

#define PTNET_BAR_REGS			0
#define PTNET_BAR_MEM			1

/* Memory device, BAR 0. */
#define PTNET_MDEV_IO_MEMSIZE_LO	0
#define PTNET_MDEV_IO_MEMSIZE_HI	4
#define PTNET_MDEV_IO_MEMID		8
#define PTNET_MDEV_IO_BUF_POOL_OFS	88
#define PTNET_MDEV_IO_BUF_POOL_OBJNUM	92
#define PTNET_MDEV_IO_BUF_POOL_OBJSZ	96
#define PTNET_MDEV_IO_END		128

/* Network device, BAR 0. */
#define PTNET_IO_PTFEAT			0
#define PTNET_IO_PTCTL			4
#define PTNET_IO_MAC_LO			8
#define PTNET_IO_MAC_HI			12
#define PTNET_IO_NIFP_OFS		24
#define PTNET_IO_NUM_TX_RINGS		28
#define PTNET_IO_NUM_RX_RINGS		32
#define PTNET_IO_NUM_TX_SLOTS		36
#define PTNET_IO_NUM_RX_SLOTS		40
#define PTNET_IO_VNET_HDR_LEN		44
#define PTNET_IO_HOSTMEMID		48
#define PTNET_IO_CSB_GH_BAH		52
#define PTNET_IO_CSB_GH_BAL		56
#define PTNET_IO_CSB_HG_BAH		60
#define PTNET_IO_CSB_HG_BAL		64
#define PTNET_IO_KICK_BASE		128
#define PTNET_IO_END			256

#define PTFEAT_VNET_HDR			1
#define PTCTL_CREATE			1
#define PTCTL_DELETE			2

/* Doorbells end with the register file: tx and rx rings together. */
#define PTNET_RINGS_MAX			((PTNET_IO_END - PTNET_IO_KICK_BASE) / 4)

/* Guest-to-host entry (atok) of one ring in the communication status block. */
struct ptnet_csb_gh {
	__le32 head;
	__le32 cur;
	__le32 appl_need_kick;
	__le32 sync_flags;
	__le32 pad[12];
};

/* Host-to-guest entry (ktoa). */
struct ptnet_csb_hg {
	__le32 hwcur;
	__le32 hwtail;
	__le32 kern_need_kick;
	__le32 pad[13];
};

#define PTNET_CSB_BYTES			4096

static_assert(sizeof(struct ptnet_csb_gh) == 64);
static_assert(sizeof(struct ptnet_csb_hg) == 64);
static_assert(PTNET_RINGS_MAX * sizeof(struct ptnet_csb_gh) <= PTNET_CSB_BYTES);

struct ptnet_slot {
	__le64 word;	/* buf_idx, len and flags: see ptnet_ring.h */
	__le64 ptr;
};

struct ptnet_netmap_ring {
	__le64 buf_ofs;
	__le32 num_slots;
	__le32 buf_size;
	u8 pad[240];
	struct ptnet_slot slots[];
};

static_assert(offsetof(struct ptnet_netmap_ring, slots) == 256);

struct ptnet_netmap_if {
	u8 name[16];
	__le32 version;
	__le32 flags;
	__le32 tx_rings;
	__le32 rx_rings;
	__le32 bufs_head;
	__le32 host_tx_rings;
	__le32 host_rx_rings;
	__le32 spare[3];
	__le64 ring_ofs[];	/* tx, host tx, rx, host rx */
};

static_assert(offsetof(struct ptnet_netmap_if, ring_ofs) == 56);

#endif
