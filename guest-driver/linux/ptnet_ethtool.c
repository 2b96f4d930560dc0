// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* What ethtool shows and sets. */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "ptnet.h"

static const char * const ptnet_stat_names[] = { "packets", "bytes", "dropped", "errors", "kicks" };

static_assert(ARRAY_SIZE(ptnet_stat_names) == PTNET_TURNS);

static void ptnet_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	const struct ptnet *pt = netdev_priv(dev);

	strscpy(info->driver, PTNET_NAME, sizeof(info->driver));
	strscpy(info->bus_info, pci_name(pt->pdev), sizeof(info->bus_info));
}

/* Shared memory has no speed of its own. */
static int ptnet_get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *settings)
{
	settings->base.speed = SPEED_UNKNOWN;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_OTHER;
	settings->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static void ptnet_get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	const struct ptnet *pt = netdev_priv(dev);

	ring->tx_max_pending = pt->shape.tx_slots;
	ring->rx_max_pending = pt->shape.rx_slots;
	ring->tx_pending = pt->shape.tx_slots;
	ring->rx_pending = pt->shape.rx_slots;
	kernel_ring->rx_buf_len = pt->mem->buf_size;
}

static void ptnet_get_channels(struct net_device *dev, struct ethtool_channels *channels)
{
	const struct ptnet *pt = netdev_priv(dev);

	channels->max_tx = pt->shape.tx_rings;
	channels->max_rx = pt->shape.rx_rings;
	channels->tx_count = dev->real_num_tx_queues;
	channels->rx_count = pt->shape.rx_rings;
}

/* The host chooses the rx ring of a packet and cannot be told that one of them is not read. */
static int ptnet_set_channels(struct net_device *dev, struct ethtool_channels *channels)
{
	const struct ptnet *pt = netdev_priv(dev);

	if (channels->rx_count != pt->shape.rx_rings)
		return -EOPNOTSUPP;
	if (!channels->tx_count)
		return -EINVAL;
	return netif_set_real_num_tx_queues(dev, channels->tx_count);
}

/* All of a ring's counters, and its interrupts. */
static int ptnet_get_sset_count(struct net_device *dev, int set)
{
	const struct ptnet *pt = netdev_priv(dev);

	return set == ETH_SS_STATS ? pt->num_rings * (PTNET_STATS + 1) : -EOPNOTSUPP;
}

static void ptnet_get_strings(struct net_device *dev, u32 set, u8 *text)
{
	const struct ptnet *pt = netdev_priv(dev);
	unsigned int i, stat;

	for (i = 0; i < pt->num_rings; i++) {
		const struct ptnet_ring *ring = &pt->rings[i];
		const char *dir = ring->tx ? "tx" : "rx";

		for (stat = 0; stat < PTNET_TURNS; stat++)
			ethtool_sprintf(&text, "%s%u_%s", dir, ring->index, ptnet_stat_names[stat]);
		ethtool_sprintf(&text, "%s%u_%s", dir, ring->index, ring->tx ? "stops" : "polls");
		ethtool_sprintf(&text, "%s%u_interrupts", dir, ring->index);
	}
}

static void ptnet_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	const struct ptnet *pt = netdev_priv(dev);
	unsigned int i, stat;

	for (i = 0; i < pt->num_rings; i++) {
		for (stat = 0; stat < PTNET_STATS; stat++)
			*data++ = ptnet_stat(&pt->rings[i], stat);
		*data++ = READ_ONCE(pt->rings[i].irqs);
	}
}

const struct ethtool_ops ptnet_ethtool_ops = {
	.get_drvinfo		= ptnet_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= ptnet_get_link_ksettings,
	.get_ringparam		= ptnet_get_ringparam,
	.get_channels		= ptnet_get_channels,
	.set_channels		= ptnet_set_channels,
	.get_sset_count		= ptnet_get_sset_count,
	.get_strings		= ptnet_get_strings,
	.get_ethtool_stats	= ptnet_get_ethtool_stats,
	.get_ts_info		= ethtool_op_get_ts_info,
};
