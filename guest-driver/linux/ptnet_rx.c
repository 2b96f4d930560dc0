// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * Reception. The buffers stay the host's, which could change them at any time, so packets are copied before anybody
 * looks at them: short ones in one piece, long ones into pages, longer ones into blocks of pages; both are recycled.
 */
#include <linux/interrupt.h>
#include <linux/virtio_net.h>

#include "ptnet_csb.h"

#define PTNET_RX_WHOLE		2048	/* bytes up to which a packet is one piece */
#define PTNET_RX_HEAD		256	/* bytes of a longer one that are: its headers */
#define PTNET_RX_PAGES		1024	/* pages that a ring keeps */
#define PTNET_RX_LONG		(4 * PAGE_SIZE)	/* bytes from which packets go into blocks of pages */
#define PTNET_RX_ORDER		3	/* pages of a block, as a power of 2 */
#define PTNET_RX_BLOCKS		256	/* blocks that a ring keeps */
#define PTNET_RX_PUBLISH	32	/* slots that go back to the host at a time */

static void ptnet_rx_bump(struct ptnet_ring *ring, u32 slots)
{
	ring->head = ptnet_add(ring->head, slots, ring->num_slots);
	if (ptnet_distance(ring->published, ring->head, ring->num_slots) >= PTNET_RX_PUBLISH)
		ptnet_publish(ring);
}

enum ptnet_rx_found {
	PTNET_RX_NOTHING,
	PTNET_RX_PACKET,
	PTNET_RX_GARBAGE,	/* slots that make no packet: chain.slots of them are to be given back */
};

/* Reads the slots of the next packet into ring->chain. */
static enum ptnet_rx_found ptnet_rx_next(struct ptnet_ring *ring)
{
	struct ptnet_chain *chain = &ring->chain;
	enum ptnet_chain_state state = PTNET_CHAIN_OPEN;
	u64 word = 0;
	u32 i = ring->head;

	if (i == ring->hwtail && (!ptnet_refresh(ring) || i == ring->hwtail))
		return PTNET_RX_NOTHING;
	chain->slots = 0;
	chain->bytes = 0;
	while (i != ring->hwtail && (state == PTNET_CHAIN_OPEN ||
				     (state == PTNET_CHAIN_BAD && ptnet_slot_more(word)))) {
		word = le64_to_cpu(READ_ONCE(ring->slots[i].word));
		if (state == PTNET_CHAIN_OPEN)
			state = ptnet_chain_add(chain, word, ring->buf_num, ring->buf_size, ring->pt->hdr_len);
		i = ptnet_add(i, 1, ring->num_slots);
	}
	if (state == PTNET_CHAIN_WHOLE)
		return PTNET_RX_PACKET;
	/* Hosts publish whole packets: one without an end gets none. */
	chain->slots = ptnet_distance(ring->head, i, ring->num_slots);
	return PTNET_RX_GARBAGE;
}

/* Appends @len bytes to a packet that has its first PTNET_RX_HEAD bytes in one piece, and the others in @pages. */
static bool ptnet_rx_append(struct page_pool *pages, struct sk_buff *skb, const u8 *from, u32 len)
{
	u32 part = min_t(u32, len, PTNET_RX_HEAD - skb_headlen(skb));
	u32 size = PAGE_SIZE << pages->p.order;

	/* Not even nothing may be put where pages follow. */
	if (part)
		skb_put_data(skb, from, part);
	for (from += part, len -= part; len; from += part, len -= part) {
		int n = skb_shinfo(skb)->nr_frags;
		u32 used = skb->data_len & (size - 1);

		part = min_t(u32, len, size - used);
		if (used) {
			skb_frag_t *frag = &skb_shinfo(skb)->frags[n - 1];

			memcpy(skb_frag_address(frag) + used, from, part);
			skb_frag_size_add(frag, part);
			skb->len += part;
			skb->data_len += part;
		} else {
			struct page *page = page_pool_dev_alloc_pages(pages);

			if (unlikely(!page))
				return false;
			memcpy(page_address(page), from, part);
			skb_add_rx_frag(skb, n, page, 0, part, size);
		}
	}
	return true;
}

/* Copies the chain, without its header, into a new skb: in one piece, or into @pages. NULL: no memory. */
static struct sk_buff *ptnet_rx_copy(struct ptnet_ring *ring, u32 hdr_len, struct page_pool *pages)
{
	const struct ptnet_chain *chain = &ring->chain;
	struct sk_buff *skb = napi_alloc_skb(&ring->napi, pages ? PTNET_RX_HEAD : chain->bytes - hdr_len);
	u32 i;

	if (unlikely(!skb))
		return NULL;
	if (pages)
		skb_mark_for_recycle(skb);
	for (i = 0; i < chain->slots; i++) {
		u32 skip = i ? 0 : hdr_len;
		const u8 *from = ptnet_buf(ring, ptnet_slot_buf(chain->words[i])) + skip;
		u32 part = ptnet_slot_len(chain->words[i]) - skip;

		if (!pages) {
			skb_put_data(skb, from, part);
		} else if (!ptnet_rx_append(pages, skb, from, part)) {
			dev_kfree_skb_any(skb);
			return NULL;
		}
	}
	return skb;
}

/* Bytes of the longest packet that fits pieces of so many pages. */
static u32 ptnet_rx_most(unsigned int order)
{
	return PTNET_RX_HEAD + MAX_SKB_FRAGS * (PAGE_SIZE << order);
}

/* The packet, of @len bytes without its header, where it fits best. NULL: no memory. */
static struct sk_buff *ptnet_rx_take(struct ptnet_ring *ring, u32 hdr_len, u32 len)
{
	struct sk_buff *skb;

	if (len <= PTNET_RX_WHOLE)
		return ptnet_rx_copy(ring, hdr_len, NULL);
	if (len > PTNET_RX_LONG) {
		skb = ptnet_rx_copy(ring, hdr_len, ring->blocks);
		if (likely(skb) || len > ptnet_rx_most(0))
			return skb;
		/* There may be pages when there are no more blocks of them. */
	}
	return ptnet_rx_copy(ring, hdr_len, ring->pages);
}

/* Takes over from the virtio-net header what the sender has left undone, or has checked. */
static bool ptnet_rx_header(const struct ptnet_ring *ring, struct sk_buff *skb, u32 hdr_len)
{
	struct virtio_net_hdr hdr;

	if (!hdr_len)
		return true;
	/* A copy: the kernel's functions read it more than once. */
	memcpy(&hdr, ptnet_buf(ring, ptnet_slot_buf(ring->chain.words[0])), sizeof(hdr));
	barrier();
	if (hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID && ring->pt->dev->features & NETIF_F_RXCSUM)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	return !virtio_net_hdr_to_skb(skb, &hdr, true);
}

static void ptnet_rx_packet(struct ptnet_ring *ring)
{
	struct net_device *dev = ring->pt->dev;
	u32 hdr_len = ring->pt->hdr_len;
	u32 len = ring->chain.bytes - hdr_len;
	struct sk_buff *skb;

	if (unlikely(len < ETH_HLEN || len > ptnet_rx_most(PTNET_RX_ORDER))) {
		ptnet_count(ring, PTNET_ERRORS);
		return;
	}
	skb = ptnet_rx_take(ring, hdr_len, len);
	if (unlikely(!skb)) {
		ptnet_count(ring, PTNET_DROPPED);
		return;
	}
	skb_reset_mac_header(skb);
	if (unlikely(!ptnet_rx_header(ring, skb, hdr_len))) {
		ptnet_count(ring, PTNET_ERRORS);
		dev_kfree_skb_any(skb);
		return;
	}
	ptnet_count_packet(ring, len);
	skb_record_rx_queue(skb, ring->index);
	skb->protocol = eth_type_trans(skb, dev);
	napi_gro_receive(&ring->napi, skb);
}

/* tx queues that have stopped need no interrupt while somebody is here anyway. */
static void ptnet_rx_wake_tx(const struct ptnet_ring *ring)
{
	struct ptnet *pt = ring->pt;
	unsigned int i;

	for (i = ring->index; i < pt->shape.tx_rings; i += pt->shape.rx_rings)
		ptnet_tx_wake(&pt->tx[i]);
}

int ptnet_rx_poll(struct napi_struct *napi, int budget)
{
	struct ptnet_ring *ring = container_of(napi, struct ptnet_ring, napi);
	int done = 0;

	ptnet_count(ring, PTNET_TURNS);
	while (done < budget && !ring->faulty) {
		enum ptnet_rx_found found = ptnet_rx_next(ring);

		if (found == PTNET_RX_NOTHING)
			break;
		if (found == PTNET_RX_PACKET)
			ptnet_rx_packet(ring);
		else
			ptnet_count(ring, PTNET_ERRORS);
		ptnet_rx_bump(ring, ring->chain.slots);
		done++;
	}
	ptnet_rx_wake_tx(ring);
	if (ring->published != ring->head)
		ptnet_publish(ring);
	if (done && ptnet_kick_if_wanted(ring))
		ptnet_count(ring, PTNET_KICKS);
	if (done == budget || !napi_complete_done(napi, done) || ring->faulty)
		return done;
	ptnet_irq_on(ring);
	if (ptnet_load_hwtail(ring) != ring->hwtail && napi_schedule_prep(napi)) {
		ptnet_irq_off(ring);
		__napi_schedule(napi);
	}
	return done;
}

irqreturn_t ptnet_rx_interrupt(int irq, void *data)
{
	struct ptnet_ring *ring = data;

	ring->irqs++;
	ptnet_irq_off(ring);
	napi_schedule_irqoff(&ring->napi);
	return IRQ_HANDLED;
}

static struct page_pool *ptnet_rx_pool(struct ptnet_ring *ring, unsigned int order, unsigned int size)
{
	struct page_pool_params params = {
		.order = order,
		.pool_size = size,
		.nid = NUMA_NO_NODE,
		.dev = &ring->pt->pdev->dev,
#ifdef PTNET_HAVE_PAGE_POOL_NAPI
		.napi = &ring->napi,
#endif
	};

	return page_pool_create(&params);
}

int ptnet_rx_open(struct ptnet_ring *ring)
{
	struct page_pool *pages = ptnet_rx_pool(ring, 0, PTNET_RX_PAGES);
	struct page_pool *blocks;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	blocks = ptnet_rx_pool(ring, PTNET_RX_ORDER, PTNET_RX_BLOCKS);
	if (IS_ERR(blocks)) {
		page_pool_destroy(pages);
		return PTR_ERR(blocks);
	}
	ring->pages = pages;
	ring->blocks = blocks;
	return 0;
}

void ptnet_rx_close(struct ptnet_ring *ring)
{
	page_pool_destroy(ring->pages);
	page_pool_destroy(ring->blocks);
	ring->pages = NULL;
	ring->blocks = NULL;
}
