// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Whether the host serves the rings: up, down, and what happens when it goes away, refuses, or says what cannot be. */
#include <linux/interrupt.h>
#include <linux/rtnetlink.h>

#include "ptnet_csb.h"

#define PTNET_WATCH_S		1
#define PTNET_PATIENCE_MAX_S	60

static void ptnet_watch_after(struct ptnet *pt, unsigned int seconds)
{
	mod_delayed_work(PTNET_WQ, &pt->watch, seconds * HZ);
}

/* The one line about why there is no carrier. */
void ptnet_complain(struct ptnet *pt, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (pt->reported)
		return;
	pt->reported = true;
	va_start(args, fmt);
	vaf.va = &args;
	netdev_err(pt->dev, "%pV: no carrier\n", &vaf);
	va_end(args);
}

/* By the data path, in any context: the ring is not touched any more, and ptnet_watch stops all of them. */
void ptnet_fault(struct ptnet_ring *ring, enum ptnet_fault fault)
{
	struct ptnet *pt = ring->pt;

	if (ring->faulty)
		return;
	ring->faulty = true;
	ptnet_complain(pt, "%s ring %u of %u slots: the host published hwtail %u",
		       ring->tx ? "tx" : "rx", ring->index, ring->num_slots, ptnet_load_hwtail(ring));
	WRITE_ONCE(pt->fault, fault);
	ptnet_watch_after(pt, 0);
}

/* Starts what needs the host. When that fails there is no carrier and ptnet_watch tries again. */
void ptnet_serve(struct ptnet *pt)
{
	struct net_device *dev = pt->dev;
	u32 hdr_len = pt->hdr_len;
	unsigned int i;
	int err;

	err = ptnet_create(pt);
	if (err) {
		pt->fault = err == -ENODEV ? PTNET_GONE : PTNET_REFUSED;
		if (err == -ENODEV)
			ptnet_complain(pt, "the host does not answer");
		else
			ptnet_complain(pt, "the host does not serve the rings (%pe)", ERR_PTR(err));
		return;
	}
	if (pt->reported)
		netdev_info(dev, "the host serves the rings again\n");
	pt->reported = false;
	pt->stuck = 0;
	WRITE_ONCE(pt->fault, PTNET_FINE);
	for (i = 0; i < pt->shape.rx_rings; i++)
		napi_enable(&pt->rx[i].napi);
	/* Rings before serving: pairs with the load of serving in ptnet_start_xmit(). */
	smp_store_release(&pt->serving, true);
	if (pt->hdr_len != hdr_len)
		netdev_update_features(dev);
	netif_tx_wake_all_queues(dev);
	netif_carrier_on(dev);
	/* An interrupt that came before NAPI was there is not repeated. */
	local_bh_disable();
	for (i = 0; i < pt->shape.rx_rings; i++)
		napi_schedule(&pt->rx[i].napi);
	local_bh_enable();
}

void ptnet_unserve(struct ptnet *pt)
{
	unsigned int i;

	netif_carrier_off(pt->dev);
	if (!pt->serving)
		return;
	WRITE_ONCE(pt->serving, false);
	/* Who is in ptnet_start_xmit() has left it after this; who comes later sees that nothing is served. */
	netif_tx_disable(pt->dev);
	for (i = 0; i < pt->shape.rx_rings; i++)
		napi_disable(&pt->rx[i].napi);
	for (i = 0; i < pt->num_rings; i++)
		ptnet_irq_off(&pt->rings[i]);
	ptnet_delete(pt);
	for (i = 0; i < pt->num_rings; i++)
		synchronize_irq(pt->rings[i].irq);
}

/* Whether a tx ring has had work for the host since the last look and the host has done none of it. */
static bool ptnet_stands_still(struct ptnet *pt)
{
	bool still = false;
	unsigned int i;

	for (i = 0; i < pt->shape.tx_rings; i++) {
		struct ptnet_ring *ring = &pt->tx[i];
		u32 hwcur = ptnet_load_hwcur(ring);

		if (hwcur != READ_ONCE(ring->published) && hwcur == ring->last_hwcur)
			still = true;
		ring->last_hwcur = hwcur;
	}
	return still;
}

/*
 * A tx ring that stands still may do so rightly (the other end of a pipe does not read), so it is looked at ever more
 * seldom whether there is a host at all: a register read stops the virtual CPU.
 */
static void ptnet_look_for_host(struct ptnet *pt)
{
	struct ptnet_shape shape;
	unsigned int i;

	pt->stuck++;
	if (pt->stuck & (pt->stuck - 1))
		return;
	if (ptnet_read_shape(pt, &shape) == -ENODEV) {
		ptnet_complain(pt, "the host is gone");
		pt->fault = PTNET_GONE;
		return;
	}
	for (i = 0; i < pt->shape.tx_rings; i++)
		if (ptnet_kick_if_wanted(&pt->tx[i]))
			ptnet_count(&pt->tx[i], PTNET_KICKS);
}

/* Under rtnl, with the interface up: something is not as it should be. */
static void ptnet_mend(struct ptnet *pt)
{
	if (pt->serving && pt->fault == PTNET_FINE)
		ptnet_look_for_host(pt);
	if (pt->serving && pt->fault == PTNET_FINE)
		return;
	if (pt->serving)
		ptnet_unserve(pt);
	else
		ptnet_serve(pt);
	if (!pt->serving)
		pt->patience = min(2 * pt->patience, PTNET_PATIENCE_MAX_S);
}

/* Once a second while the interface is up. It costs no VM exit while all is well. */
void ptnet_watch(struct work_struct *work)
{
	struct ptnet *pt = container_of(to_delayed_work(work), struct ptnet, watch);
	unsigned int seconds = PTNET_WATCH_S;
	bool up = true;

	/* Pairs with the store in ptnet_serve(): rings are looked at. */
	if (smp_load_acquire(&pt->serving) && READ_ONCE(pt->fault) == PTNET_FINE && !ptnet_stands_still(pt)) {
		pt->stuck = 0;
		pt->patience = max(pt->patience / 2, 1U);
	} else {
		rtnl_lock();
		up = netif_running(pt->dev) && netif_device_present(pt->dev);
		if (up)
			ptnet_mend(pt);
		if (!pt->serving)
			seconds = pt->patience;
		rtnl_unlock();
	}
	if (up)
		ptnet_watch_after(pt, seconds);
}

static void ptnet_free_irqs(struct ptnet *pt, unsigned int num)
{
	while (num--) {
		irq_set_affinity_and_hint(pt->rings[num].irq, NULL);
		free_irq(pt->rings[num].irq, &pt->rings[num]);
	}
}

static int ptnet_request_irqs(struct ptnet *pt)
{
	unsigned int i;

	for (i = 0; i < pt->num_rings; i++) {
		struct ptnet_ring *ring = &pt->rings[i];
		unsigned int cpu;
		int err;

		snprintf(ring->name, sizeof(ring->name), "%s-%s-%u",
			 pt->dev->name, ring->tx ? "tx" : "rx", ring->index);
		err = request_irq(ring->irq, ring->tx ? ptnet_tx_interrupt : ptnet_rx_interrupt,
				  0, ring->name, ring);
		if (err) {
			ptnet_free_irqs(pt, i);
			return err;
		}
		cpu = cpumask_local_spread(ring->index, dev_to_node(&pt->pdev->dev));
		irq_set_affinity_and_hint(ring->irq, cpumask_of(cpu));
		/* What a CPU sends is answered there: hosts keep a flow on the rings that it came from. */
		if (ring->tx)
			netif_set_xps_queue(pt->dev, cpumask_of(cpu), ring->index);
	}
	return 0;
}

int ptnet_open(struct net_device *dev)
{
	struct ptnet *pt = netdev_priv(dev);
	unsigned int i;
	int err;

	for (i = 0; i < pt->shape.rx_rings; i++) {
		err = ptnet_rx_open(&pt->rx[i]);
		if (err)
			goto close;
	}
	err = ptnet_request_irqs(pt);
	if (err)
		goto close;
	pt->reported = false;
	pt->patience = 1;
	ptnet_serve(pt);
	ptnet_watch_after(pt, PTNET_WATCH_S);
	return 0;

close:
	while (i--)
		ptnet_rx_close(&pt->rx[i]);
	return err;
}

int ptnet_stop(struct net_device *dev)
{
	struct ptnet *pt = netdev_priv(dev);
	unsigned int i;

	ptnet_unserve(pt);
	ptnet_free_irqs(pt, pt->num_rings);
	for (i = 0; i < pt->shape.rx_rings; i++)
		ptnet_rx_close(&pt->rx[i]);
	return 0;
}
