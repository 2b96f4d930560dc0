// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Network devices: probed, removed, suspended. Each is one interface with the device's tx and rx rings as queues. */
#include <linux/dma-mapping.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>
#include <linux/suspend.h>

#include "ptnet.h"

/* The longest segment that any device may be given, and its Ethernet header. */
#define PTNET_FRAME_MAX		(GSO_MAX_SIZE + VLAN_ETH_HLEN + VLAN_HLEN)
#define PTNET_FRAME_MIN		(ETH_MIN_MTU + VLAN_ETH_HLEN + VLAN_HLEN)
/* Hosts cut a segment into up to so many packets. */
#define PTNET_SEGS_MAX		1024

#define PTNET_OFFLOADS	(NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN)

/* Nothing is filtered by the device, so nothing has to be told to it: lists of addresses may be any. */
static void ptnet_set_rx_mode(struct net_device *dev)
{
}

/* Without a virtio-net header nobody would do what a packet leaves undone. */
static netdev_features_t ptnet_fix_features(struct net_device *dev, netdev_features_t features)
{
	const struct ptnet *pt = netdev_priv(dev);

	if (!pt->hdr_len)
		features &= ~(PTNET_OFFLOADS | PTNET_USO);
	return features;
}

static const struct net_device_ops ptnet_netdev_ops = {
	.ndo_open		= ptnet_open,
	.ndo_stop		= ptnet_stop,
	.ndo_start_xmit		= ptnet_start_xmit,
	.ndo_features_check	= ptnet_features_check,
	.ndo_fix_features	= ptnet_fix_features,
	.ndo_get_stats64	= ptnet_get_stats64,
	.ndo_set_rx_mode	= ptnet_set_rx_mode,
	.ndo_validate_addr	= eth_validate_addr,
	/* No ndo_set_mac_address: the host has no way to be told another one. No ndo_tx_timeout: a queue that stands
	 * still because the other end of a pipe does not read is as it should be.
	 */
};

static int ptnet_map_regs(struct ptnet *pt)
{
	struct pci_dev *pdev = pt->pdev;
	int err;

	if (pci_resource_len(pdev, PTNET_BAR_REGS) < PTNET_IO_END || !pci_find_capability(pdev, PCI_CAP_ID_MSIX))
		return -ENODEV;
	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_regions(pdev, PTNET_NAME);
	if (err)
		goto disable;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto release;
	pt->regs = pci_iomap(pdev, PTNET_BAR_REGS, PTNET_IO_END);
	if (pt->regs) {
		pci_set_master(pdev);
		return 0;
	}
	err = -ENOMEM;
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

static void ptnet_unmap_regs(struct pci_dev *pdev, void __iomem *regs)
{
	pci_clear_master(pdev);
	pci_iounmap(pdev, regs);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

/* The two arrays of the CSB, a page each, and a vector for each ring. */
static int ptnet_alloc(struct ptnet *pt)
{
	unsigned int i, num = pt->num_rings;
	int err;

	pt->gh = dma_alloc_coherent(&pt->pdev->dev, 2 * PTNET_CSB_BYTES, &pt->csb, GFP_KERNEL);
	if (!pt->gh)
		return -ENOMEM;
	pt->hg = (void *)pt->gh + PTNET_CSB_BYTES;
	err = pci_alloc_irq_vectors(pt->pdev, num, num, PCI_IRQ_MSIX);
	if (err < 0) {
		dev_err(&pt->pdev->dev, "%u MSI-X vectors, one for each ring, cannot be had (%pe)\n",
			num, ERR_PTR(err));
		dma_free_coherent(&pt->pdev->dev, 2 * PTNET_CSB_BYTES, pt->gh, pt->csb);
		return err;
	}
	for (i = 0; i < num; i++) {
		struct ptnet_ring *ring = &pt->rings[i];

		ring->pt = pt;
		ring->tx = i < pt->shape.tx_rings;
		ring->index = ring->tx ? i : i - pt->shape.tx_rings;
		ring->gh = &pt->gh[i];
		ring->hg = &pt->hg[i];
		ring->kick = pt->regs + PTNET_IO_KICK_BASE + 4 * i;
		ring->irq = pci_irq_vector(pt->pdev, i);
		u64_stats_init(&ring->syncp);
		if (!ring->tx)
			netif_napi_add(pt->dev, &ring->napi, ptnet_rx_poll);
	}
	return 0;
}

static void ptnet_free(struct ptnet *pt)
{
	pci_free_irq_vectors(pt->pdev);
	dma_free_coherent(&pt->pdev->dev, 2 * PTNET_CSB_BYTES, pt->gh, pt->csb);
}

static void ptnet_set_address(struct ptnet *pt)
{
	u32 low = ioread32(pt->regs + PTNET_IO_MAC_LO), high = ioread32(pt->regs + PTNET_IO_MAC_HI);
	u8 mac[ETH_ALEN] = { high >> 8, high, low >> 24, low >> 16, low >> 8, low };

	if (is_valid_ether_addr(mac)) {
		eth_hw_addr_set(pt->dev, mac);
		return;
	}
	eth_hw_addr_random(pt->dev);
	dev_warn(&pt->pdev->dev, "%pM is no address of a station: a random one is used\n", mac);
}

static int ptnet_set_limits(struct ptnet *pt)
{
	struct net_device *dev = pt->dev;
	u32 room = ptnet_slot_room(pt->mem->buf_size);

	pt->limits = ptnet_limits(&pt->shape, room, PTNET_FRAME_MAX);
	if (pt->limits.frame < PTNET_FRAME_MIN) {
		dev_err(&pt->pdev->dev, "%u tx and %u rx slots of %u bytes are too few for a packet\n",
			pt->shape.tx_slots, pt->shape.rx_slots, room);
		return -EINVAL;
	}
	pt->tx_stop = ptnet_tx_stop_slots(pt->limits.chain, room);
	pt->tx_wake = ptnet_tx_wake_slots(pt->limits.chain, pt->shape.tx_slots);
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = min_t(u32, ETH_MAX_MTU, pt->limits.frame - VLAN_ETH_HLEN - VLAN_HLEN);
	dev->mtu = min_t(u32, ETH_DATA_LEN, dev->max_mtu);
	/* Beyond 64 KiB only for those who ask for it (gso_max_size, gso_ipv4_max_size): the other end may be anybody. */
	netif_set_tso_max_size(dev, pt->limits.frame - VLAN_ETH_HLEN - VLAN_HLEN);
	netif_set_tso_max_segs(dev, PTNET_SEGS_MAX);
	return 0;
}

static void ptnet_set_features(struct ptnet *pt)
{
	struct net_device *dev = pt->dev;

	dev->hw_features = NETIF_F_SG | NETIF_F_FRAGLIST;
	if (pt->hdr_len)
		dev->hw_features |= PTNET_OFFLOADS | NETIF_F_RXCSUM;
	dev->features = dev->hw_features | NETIF_F_HIGHDMA;
	dev->vlan_features = dev->features;
	/* Off until somebody who knows the other end switches it on: FreeBSD's driver, and others of Linux, know no UDP
	 * segments.
	 */
	if (pt->hdr_len)
		dev->hw_features |= PTNET_USO;
	dev->priv_flags |= IFF_UNICAST_FLT;
}

/* What the interface is like, from registers and the region. */
static int ptnet_set_up(struct ptnet *pt)
{
	int hdr_len = ptnet_negotiate(pt);
	int err;

	if (hdr_len < 0)
		return hdr_len;
	pt->hdr_len = hdr_len;
	err = ptnet_set_limits(pt);
	if (err)
		return err;
	ptnet_set_address(pt);
	ptnet_set_features(pt);
	pt->dev->netdev_ops = &ptnet_netdev_ops;
	pt->dev->ethtool_ops = &ptnet_ethtool_ops;
	ptnet_set_stat_ops(pt->dev);
	return 0;
}

/* The end of a hibernation that has come to nothing: the device itself is not told. */
static int ptnet_pm_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct ptnet *pt = container_of(nb, struct ptnet, pm);

	if (event == PM_POST_HIBERNATION && !netif_device_present(pt->dev))
		ptnet_netdev_resume(pt->pdev);
	return NOTIFY_DONE;
}

/* An interface for a device whose registers are mapped in @early. */
static int ptnet_make(struct ptnet *early)
{
	unsigned int num = early->shape.tx_rings + early->shape.rx_rings;
	struct pci_dev *pdev = early->pdev;
	struct net_device *dev;
	struct ptnet *pt;
	int err;

	dev = alloc_etherdev_mqs(struct_size(pt, rings, num), early->shape.tx_rings, early->shape.rx_rings);
	if (!dev)
		return -ENOMEM;
	SET_NETDEV_DEV(dev, &pdev->dev);
	pt = netdev_priv(dev);
	*pt = *early;
	pt->dev = dev;
	pt->num_rings = num;
	pt->tx = pt->rings;
	pt->rx = pt->rings + pt->shape.tx_rings;
	INIT_DELAYED_WORK(&pt->watch, ptnet_watch);
	pt->pm.notifier_call = ptnet_pm_event;
	err = ptnet_set_up(pt);
	if (err)
		goto free_dev;
	err = ptnet_alloc(pt);
	if (err)
		goto free_dev;
	netif_carrier_off(dev);
	pci_set_drvdata(pdev, pt);
	err = register_netdev(dev);
	if (err)
		goto free;
	register_pm_notifier(&pt->pm);
	return 0;

free:
	pci_set_drvdata(pdev, NULL);
	ptnet_free(pt);
free_dev:
	free_netdev(dev);
	return err;
}

int ptnet_netdev_probe(struct pci_dev *pdev)
{
	struct ptnet early = { .pdev = pdev };
	u32 memid;
	int err;

	err = ptnet_map_regs(&early);
	if (err)
		return err;
	memid = ioread32(early.regs + PTNET_IO_HOSTMEMID);
	early.mem = ptnet_mem_get(memid, &pdev->dev);
	if (IS_ERR(early.mem)) {
		err = dev_err_probe(&pdev->dev, PTR_ERR(early.mem), "netmap memory %u is not there\n", memid);
		goto unmap;
	}
	err = ptnet_read_shape(&early, &early.shape);
	if (err) {
		dev_err(&pdev->dev, "%u tx and %u rx rings of %u and %u slots cannot be: 1 to %u rings in all\n",
			early.shape.tx_rings, early.shape.rx_rings,
			early.shape.tx_slots, early.shape.rx_slots, PTNET_RINGS_MAX);
		goto put;
	}
	err = ptnet_make(&early);
	if (!err)
		return 0;
put:
	ptnet_mem_put(early.mem);
unmap:
	ptnet_unmap_regs(pdev, early.regs);
	return err;
}

void ptnet_netdev_remove(struct pci_dev *pdev)
{
	struct ptnet *pt = pci_get_drvdata(pdev);
	struct ptnet_mem *mem = pt->mem;
	void __iomem *regs = pt->regs;

	unregister_pm_notifier(&pt->pm);
	unregister_netdev(pt->dev);
	cancel_delayed_work_sync(&pt->watch);
	ptnet_free(pt);
	pci_set_drvdata(pdev, NULL);
	free_netdev(pt->dev);
	ptnet_mem_put(mem);
	ptnet_unmap_regs(pdev, regs);
}

/* Before suspend, hibernation, kexec and shutdown: the host lets go of our memory. */
void ptnet_netdev_suspend(struct pci_dev *pdev)
{
	struct ptnet *pt = pci_get_drvdata(pdev);

	rtnl_lock();
	netif_device_detach(pt->dev);
	if (netif_running(pt->dev))
		ptnet_unserve(pt);
	rtnl_unlock();
	cancel_delayed_work_sync(&pt->watch);
}

/* The host may have forgotten everything meanwhile, so all is said again. */
void ptnet_netdev_resume(struct pci_dev *pdev)
{
	struct ptnet *pt = pci_get_drvdata(pdev);

	pci_set_master(pdev);
	rtnl_lock();
	netif_device_attach(pt->dev);
	if (netif_running(pt->dev)) {
		ptnet_serve(pt);
		mod_delayed_work(PTNET_WQ, &pt->watch, HZ);
	}
	rtnl_unlock();
}
