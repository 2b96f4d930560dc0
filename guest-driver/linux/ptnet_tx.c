// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * Transmission. A packet is copied into the buffers of the region and its skb freed at once: the host reads nothing but
 * the region, so there is nothing to complete later, and an interrupt is only needed by a queue that has stopped.
 */
#include <linux/interrupt.h>
#include <linux/virtio_net.h>

#include "ptnet_csb.h"

/* Free slots, asking the host again when fewer than @wanted are known of. */
static u32 ptnet_tx_room(struct ptnet_ring *ring, u32 wanted)
{
	u32 room = ptnet_available(ring);

	if (room >= wanted || !ptnet_refresh(ring))
		return room;
	return ptnet_available(ring);
}

/* Gives the host what it does not know of yet. */
static void ptnet_tx_flush(struct ptnet_ring *ring)
{
	if (ring->published == ring->head)
		return;
	ptnet_publish(ring);
	if (ptnet_kick_if_wanted(ring))
		ptnet_count(ring, PTNET_KICKS);
}

/* Stops the queue unless the host makes room meanwhile. Everything has been published. */
static void ptnet_tx_stop(struct ptnet_ring *ring, struct netdev_queue *txq)
{
	netif_tx_stop_queue(txq);
	/* Also orders the stop before the look at hwtail: pairs with the interrupt's look at both. */
	ptnet_irq_on(ring);
	if (ptnet_tx_room(ring, ring->pt->tx_wake) < ring->pt->tx_wake || ring->faulty) {
		ptnet_count(ring, PTNET_TURNS);
		return;
	}
	ptnet_irq_off(ring);
	netif_tx_start_queue(txq);
}

/* Has a stopped queue go on when there is room: by its interrupt, or in passing by an rx ring that is being polled. */
void ptnet_tx_wake(struct ptnet_ring *ring)
{
	struct ptnet *pt = ring->pt;
	struct netdev_queue *txq = netdev_get_tx_queue(pt->dev, ring->index);
	u32 hwtail;

	if (!netif_tx_queue_stopped(txq) || !READ_ONCE(pt->serving))
		return;
	hwtail = ptnet_load_hwtail(ring);
	if (unlikely(hwtail >= ring->num_slots)) {
		ptnet_fault(ring, PTNET_BROKEN);
		return;
	}
	if (ptnet_distance(READ_ONCE(ring->head), hwtail, ring->num_slots) < pt->tx_wake)
		return;
	ptnet_irq_off(ring);
	netif_tx_wake_queue(txq);
}

irqreturn_t ptnet_tx_interrupt(int irq, void *data)
{
	struct ptnet_ring *ring = data;

	ring->irqs++;
	ptnet_tx_wake(ring);
	return IRQ_HANDLED;
}

/* The header of 12 bytes has a count of buffers behind it, which only means something to a receiver. */
static bool ptnet_tx_header(const struct sk_buff *skb, u8 *to, u32 hdr_len)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};

	if (virtio_net_hdr_from_skb(skb, &hdr.hdr, true, false, 0))
		return false;
	memcpy(to, &hdr, hdr_len);
	return true;
}

/* Copies a packet into @slots slots from head on. False: it cannot be sent; head stays where it was. */
static bool ptnet_tx_copy(struct ptnet_ring *ring, const struct sk_buff *skb, u32 slots)
{
	u32 hdr_len = ring->pt->hdr_len;
	u32 ofs = 0, i = ring->head;

	while (slots--) {
		u32 buf_idx = ptnet_slot_buf(le64_to_cpu(READ_ONCE(ring->slots[i].word)));
		u32 skip = ofs ? 0 : hdr_len;
		u32 len = min(skb->len - ofs, ring->room - skip);
		u64 word = ptnet_slot_pack(buf_idx, skip + len, slots ? PTNET_NS_MOREFRAG : 0);
		u8 *to;

		if (unlikely(!ptnet_buf_ok(buf_idx, ring->buf_num)))
			return false;
		to = ptnet_buf(ring, buf_idx);
		if (skip && !ptnet_tx_header(skb, to, hdr_len))
			return false;
		if (skb_copy_bits(skb, ofs, to + skip, len))
			return false;
		WRITE_ONCE(ring->slots[i].word, cpu_to_le64(word));
		ofs += len;
		i = ptnet_add(i, 1, ring->num_slots);
	}
	WRITE_ONCE(ring->head, i);
	return true;
}

/* A queued packet may be older than the header that is in force now. */
static bool ptnet_tx_fits(const struct ptnet *pt, struct sk_buff *skb, u32 slots)
{
	if (skb->len < ETH_HLEN || slots > pt->limits.chain)
		return false;
	if (pt->hdr_len || likely(skb->ip_summed != CHECKSUM_PARTIAL && !skb_is_gso(skb)))
		return true;
	return !skb_is_gso(skb) && !skb_checksum_help(skb);
}

netdev_tx_t ptnet_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct ptnet *pt = netdev_priv(dev);
	u16 queue = skb_get_queue_mapping(skb);
	struct netdev_queue *txq = netdev_get_tx_queue(dev, queue);
	struct ptnet_ring *ring = &pt->tx[queue];
	bool more = netdev_xmit_more();
	enum ptnet_stat_id lost = PTNET_DROPPED;
	u32 slots;

	/* Pairs with the store in ptnet_serve(). */
	if (unlikely(!smp_load_acquire(&pt->serving) || ring->faulty))
		goto drop;
	slots = ptnet_slots_for(pt->hdr_len + skb->len, ring->room);
	if (unlikely(!ptnet_tx_fits(pt, skb, slots)))
		goto flush_and_drop;
	if (unlikely(slots > ring->stop))
		ring->stop = slots;
	if (unlikely(ptnet_tx_room(ring, slots) < slots)) {
		/* Only after a wake-up that was overtaken by another one, or of a packet longer than any before. */
		ptnet_tx_flush(ring);
		ptnet_tx_stop(ring, txq);
		return NETDEV_TX_BUSY;
	}
	if (unlikely(!ptnet_tx_copy(ring, skb, slots))) {
		lost = PTNET_ERRORS;
		goto flush_and_drop;
	}
	ptnet_count_packet(ring, skb->len);
	skb_tx_timestamp(skb);
	dev_consume_skb_any(skb);
	if (ptnet_tx_room(ring, ring->stop) < ring->stop) {
		ptnet_tx_flush(ring);
		ptnet_tx_stop(ring, txq);
	} else if (!more) {
		ptnet_tx_flush(ring);
	}
	return NETDEV_TX_OK;

flush_and_drop:
	if (!more)
		ptnet_tx_flush(ring);
drop:
	ptnet_count(ring, lost);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

/* A packet that would need too many slots is cut by the stack. */
netdev_features_t ptnet_features_check(struct sk_buff *skb, struct net_device *dev,
				       netdev_features_t features)
{
	const struct ptnet *pt = netdev_priv(dev);

	if (skb->len > pt->limits.frame)
		features &= ~NETIF_F_GSO_MASK;
	return vlan_features_check(skb, features);
}
