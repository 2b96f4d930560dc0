/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What the driver's files share: memory, rings, interfaces, and the verbs on them. */
#ifndef PTNET_H
#define PTNET_H

#include <linux/etherdevice.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>

#include "ptnet_compat.h"
#include "ptnet_regs.h"
#include "ptnet_ring.h"

#define PTNET_NAME	"ptnet"

/* A memory device: the region that its BAR 1 shows. */
struct ptnet_mem {
	struct list_head node;
	struct kref ref;
	struct pci_dev *pdev;
	void *base;
	u64 size;
	u32 id;
	u64 buf_ofs;
	u32 buf_num;
	u32 buf_size;
	bool stale;	/* the host shows another region than the one that is mapped */
};

/* Counters of a ring. */
enum ptnet_stat_id {
	PTNET_PACKETS,
	PTNET_BYTES,
	PTNET_DROPPED,	/* tx: nobody serves the ring, or the packet fits none; rx: no memory */
	PTNET_ERRORS,	/* tx: the host named a buffer that is none; rx: slots or a header that make no packet */
	PTNET_KICKS,
	PTNET_TURNS,	/* tx: stops of the queue; rx: polls */
	PTNET_STATS,
};

struct ptnet;
struct page_pool;

/*
 * One ring of either direction. [head, hwtail) is ours. Numbers and addresses are copies that have been checked; what
 * slots and the CSB hold is read once, checked, and then used.
 */
struct ptnet_ring {
	struct ptnet *pt;
	struct ptnet_slot *slots;
	u8 *bufs;
	struct ptnet_csb_gh *gh;
	struct ptnet_csb_hg *hg;
	void __iomem *kick;
	u32 num_slots;
	u32 buf_num;
	u32 buf_size;
	u32 room;	/* bytes that one slot takes */
	u32 head;	/* next slot of ours */
	u32 hwtail;	/* first slot that is not ours, when last looked at */
	u32 published;	/* head that the host knows */
	u16 index;	/* among those of its direction */
	bool tx;
	bool faulty;

	struct u64_stats_sync syncp;
	u64_stats_t stats[PTNET_STATS];
	unsigned long irqs;

	u32 last_hwcur;	/* at the last look of ptnet_watch */
	int irq;
	char name[IFNAMSIZ + 16];
	u32 stop;	/* tx: free slots below which the queue stops: those of the longest packet to be expected */
	struct page_pool *pages;	/* rx: for packets too long for a copy in one piece */
	struct page_pool *blocks;	/* rx: the same in larger pieces, for longer ones */
	struct napi_struct napi;	/* rx */
	struct ptnet_chain chain;	/* rx: the packet that is being looked at */
} ____cacheline_aligned_in_smp;

/* Why an interface has no carrier. */
enum ptnet_fault {
	PTNET_FINE,
	PTNET_REFUSED,	/* the host said no to CREATE, or showed rings that cannot be */
	PTNET_BROKEN,	/* an index outside its ring */
	PTNET_GONE,	/* registers read as all ones */
};

/* A network device. What is not said otherwise changes under rtnl only. */
struct ptnet {
	struct net_device *dev;
	struct pci_dev *pdev;
	struct ptnet_mem *mem;
	void __iomem *regs;
	struct ptnet_shape shape;
	struct ptnet_limits limits;
	u32 tx_stop;		/* free slots below which a tx queue stops, until it has sent a longer packet */
	u32 tx_wake;		/* and from which it goes on */
	u32 hdr_len;		/* of the virtio-net header in force */
	bool serving;		/* between CREATE and DELETE; read without rtnl by the data path */
	bool reported;		/* why there is no carrier is in the log: once, until there is one */
	enum ptnet_fault fault;	/* found by the data path: acted upon by ptnet_watch */
	unsigned int patience;	/* seconds until ptnet_watch tries again */
	unsigned int stuck;	/* times in a row that ptnet_watch saw a tx ring stand still */
	struct delayed_work watch;
	struct notifier_block pm;

	struct ptnet_csb_gh *gh;
	struct ptnet_csb_hg *hg;
	dma_addr_t csb;

	struct ptnet_ring *tx;
	struct ptnet_ring *rx;
	unsigned int num_rings;
	struct ptnet_ring rings[];	/* tx, then rx: the order of doorbells, vectors and CSB entries */
};

/* ptnet_mem.c */
int ptnet_mem_probe(struct pci_dev *pdev);
void ptnet_mem_remove(struct pci_dev *pdev);
void ptnet_mem_resume(struct pci_dev *pdev);
struct ptnet_mem *ptnet_mem_get(u32 id, struct device *user);
void ptnet_mem_put(struct ptnet_mem *mem);
void *ptnet_mem_at(const struct ptnet_mem *mem, u64 ofs, u64 len);

/* ptnet_main.c */
void ptnet_attach_later(void);

/* ptnet_netdev.c */
int ptnet_netdev_probe(struct pci_dev *pdev);
void ptnet_netdev_remove(struct pci_dev *pdev);
void ptnet_netdev_suspend(struct pci_dev *pdev);
void ptnet_netdev_resume(struct pci_dev *pdev);

/* ptnet_host.c */
int ptnet_read_shape(struct ptnet *pt, struct ptnet_shape *shape);
int ptnet_negotiate(struct ptnet *pt);
int ptnet_create(struct ptnet *pt);
void ptnet_delete(struct ptnet *pt);

/* ptnet_serve.c */
int ptnet_open(struct net_device *dev);
int ptnet_stop(struct net_device *dev);
void ptnet_serve(struct ptnet *pt);
void ptnet_unserve(struct ptnet *pt);
void __printf(2, 3) ptnet_complain(struct ptnet *pt, const char *fmt, ...);
void ptnet_fault(struct ptnet_ring *ring, enum ptnet_fault fault);
void ptnet_watch(struct work_struct *work);

/* ptnet_tx.c */
netdev_tx_t ptnet_start_xmit(struct sk_buff *skb, struct net_device *dev);
netdev_features_t ptnet_features_check(struct sk_buff *skb, struct net_device *dev,
				       netdev_features_t features);
void ptnet_tx_wake(struct ptnet_ring *ring);
irqreturn_t ptnet_tx_interrupt(int irq, void *data);

/* ptnet_rx.c */
int ptnet_rx_open(struct ptnet_ring *ring);
void ptnet_rx_close(struct ptnet_ring *ring);
int ptnet_rx_poll(struct napi_struct *napi, int budget);
irqreturn_t ptnet_rx_interrupt(int irq, void *data);

/* ptnet_stats.c */
u64 ptnet_stat(const struct ptnet_ring *ring, enum ptnet_stat_id stat);
void ptnet_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *sum);
void ptnet_set_stat_ops(struct net_device *dev);

/* ptnet_ethtool.c */
extern const struct ethtool_ops ptnet_ethtool_ops;

static inline void ptnet_count(struct ptnet_ring *ring, enum ptnet_stat_id stat)
{
	u64_stats_update_begin(&ring->syncp);
	u64_stats_inc(&ring->stats[stat]);
	u64_stats_update_end(&ring->syncp);
}

static inline void ptnet_count_packet(struct ptnet_ring *ring, unsigned int bytes)
{
	u64_stats_update_begin(&ring->syncp);
	u64_stats_inc(&ring->stats[PTNET_PACKETS]);
	u64_stats_add(&ring->stats[PTNET_BYTES], bytes);
	u64_stats_update_end(&ring->syncp);
}

#endif
