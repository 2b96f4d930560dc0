// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Counters: the sum of an interface, and by queue for those kernels that ask for it. */
#include "ptnet.h"

u64 ptnet_stat(const struct ptnet_ring *ring, enum ptnet_stat_id stat)
{
	unsigned int start;
	u64 value;

	do {
		start = u64_stats_fetch_begin(&ring->syncp);
		value = u64_stats_read(&ring->stats[stat]);
	} while (u64_stats_fetch_retry(&ring->syncp, start));
	return value;
}

void ptnet_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *sum)
{
	struct ptnet *pt = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < pt->shape.tx_rings; i++) {
		sum->tx_packets += ptnet_stat(&pt->tx[i], PTNET_PACKETS);
		sum->tx_bytes += ptnet_stat(&pt->tx[i], PTNET_BYTES);
		sum->tx_dropped += ptnet_stat(&pt->tx[i], PTNET_DROPPED);
		sum->tx_errors += ptnet_stat(&pt->tx[i], PTNET_ERRORS);
	}
	for (i = 0; i < pt->shape.rx_rings; i++) {
		sum->rx_packets += ptnet_stat(&pt->rx[i], PTNET_PACKETS);
		sum->rx_bytes += ptnet_stat(&pt->rx[i], PTNET_BYTES);
		sum->rx_dropped += ptnet_stat(&pt->rx[i], PTNET_DROPPED);
		sum->rx_errors += ptnet_stat(&pt->rx[i], PTNET_ERRORS);
	}
}

#ifdef PTNET_HAVE_STAT_OPS
#include <net/netdev_queues.h>

static void ptnet_queue_stats_rx(struct net_device *dev, int queue, struct netdev_queue_stats_rx *stats)
{
	const struct ptnet *pt = netdev_priv(dev);

	stats->packets = ptnet_stat(&pt->rx[queue], PTNET_PACKETS);
	stats->bytes = ptnet_stat(&pt->rx[queue], PTNET_BYTES);
	stats->alloc_fail = ptnet_stat(&pt->rx[queue], PTNET_DROPPED);
}

static void ptnet_queue_stats_tx(struct net_device *dev, int queue, struct netdev_queue_stats_tx *stats)
{
	const struct ptnet *pt = netdev_priv(dev);

	stats->packets = ptnet_stat(&pt->tx[queue], PTNET_PACKETS);
	stats->bytes = ptnet_stat(&pt->tx[queue], PTNET_BYTES);
}

/* What queues have sent that are not used any more. */
static void ptnet_base_stats(struct net_device *dev, struct netdev_queue_stats_rx *rx,
			     struct netdev_queue_stats_tx *tx)
{
	const struct ptnet *pt = netdev_priv(dev);
	unsigned int i;

	rx->packets = 0;
	rx->bytes = 0;
	rx->alloc_fail = 0;
	tx->packets = 0;
	tx->bytes = 0;
	for (i = dev->real_num_tx_queues; i < pt->shape.tx_rings; i++) {
		tx->packets += ptnet_stat(&pt->tx[i], PTNET_PACKETS);
		tx->bytes += ptnet_stat(&pt->tx[i], PTNET_BYTES);
	}
}

static const struct netdev_stat_ops ptnet_stat_ops = {
	.get_queue_stats_rx	= ptnet_queue_stats_rx,
	.get_queue_stats_tx	= ptnet_queue_stats_tx,
	.get_base_stats		= ptnet_base_stats,
};

void ptnet_set_stat_ops(struct net_device *dev)
{
	dev->stat_ops = &ptnet_stat_ops;
}
#else
void ptnet_set_stat_ops(struct net_device *dev)
{
}
#endif
