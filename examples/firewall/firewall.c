/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stateless firewall for a VALE switch: what its rules let pass goes where a learning switch sends it, all else is
 * dropped. It looks at addresses, protocol and ports of IPv4 and IPv6, behind up to two VLAN tags.
 */
#include "firewall.h"

#include <errno.h>
#include <ptnetmap/lookup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, VLAN_TAG = 4, VLAN_TAGS_MAX = 2, IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20 };
enum { TYPE_IP4 = 0x0800, TYPE_ARP = 0x0806, TYPE_VLAN = 0x8100, TYPE_IP6 = 0x86dd, TYPE_QINQ = 0x88a8 };
enum { TCP = 6, UDP = 17, DCCP = 33, SCTP = 132, UDPLITE = 136 };
/* IPv6 headers that stand before that of the protocol. */
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTHENTICATION = 51, DESTINATION = 60 };

/* The part of a packet that was not read yet: `end` is where what there is ends, `seen` what of it can be looked at. */
struct view {
  const uint8_t *head;
  uint32_t at, seen, end;
};

struct transport {
  uint8_t protocol;
  bool ports;
  uint16_t source, destination;
};

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t load32(const uint8_t *p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

/* False: a header that is cut off, or not to be seen. */
static bool has(const struct view *v, uint32_t bytes) { return v->at + bytes <= v->seen; }

static bool knows_ports(uint8_t protocol) {
  return protocol == TCP || protocol == UDP || protocol == SCTP || protocol == UDPLITE || protocol == DCCP;
}

/* A fragment that is not the first has no ports. One that would overwrite those of the first, and a first one that has
 * none, are there to get past a firewall (RFC 1858, RFC 3128). */
static bool read_transport(const struct view *v, uint8_t protocol, uint32_t offset, struct transport *t) {
  *t = (struct transport){.protocol = protocol};
  if (offset > 0) return offset > 2;
  if (!knows_ports(protocol)) return true;
  if (!has(v, protocol == TCP ? TCP_HEADER : 4)) return false;
  t->ports = true;
  t->source = (uint16_t)be16(v->head + v->at);
  t->destination = (uint16_t)be16(v->head + v->at + 2);
  return true;
}

/* Whether one rule is about this packet; its addresses are. */
static inline bool matches(const struct rule *r, const struct transport *t) {
  const unsigned other = (unsigned)(r->protocol ^ t->protocol) & r->protocol_mask;
  return (other | (r->ports & !t->ports)) == 0 && (uint16_t)(t->source - r->source.first) <= r->source.more &&
         (uint16_t)(t->destination - r->destination.first) <= r->destination.more;
}

static bool passes4(const struct firewall *fw, struct view *v) {
  if (!has(v, IP4_HEADER)) return false;
  const uint8_t *ip = v->head + v->at;
  const uint32_t header = (ip[0] & 15u) * 4, length = be16(ip + 2);
  if (ip[0] >> 4 != 4 || header < IP4_HEADER || length < header || length > v->end - v->at || !has(v, header))
    return false;
  const uint32_t source = load32(ip + 12), destination = load32(ip + 16);
  v->end = v->at + length;
  if (v->seen > v->end) v->seen = v->end;
  v->at += header;
  struct transport t;
  if (!read_transport(v, ip[9], be16(ip + 6) & 0x1fff, &t)) return false;
  for (const struct rule4 *r = fw->rules4, *last = r + fw->count4; r < last; r++) {
    const uint32_t other =
        ((source ^ r->source) & r->source_mask) | ((destination ^ r->destination) & r->destination_mask);
    if (other == 0 && matches(&r->rule, &t)) return r->rule.pass;
  }
  return false;
}

/* Skips the headers before that of the protocol. False: there is one that cannot be read. */
static bool skip_headers6(struct view *v, uint8_t *next, uint32_t *offset) {
  *offset = 0;
  for (;;) {
    const uint8_t *header = v->head + v->at;
    uint32_t bytes;
    switch (*next) {
      case HOP_BY_HOP:
      case ROUTING:
      case DESTINATION:
      case AUTHENTICATION:
        if (!has(v, 8)) return false;
        bytes = *next == AUTHENTICATION ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
        break;
      case FRAGMENT:
        if (!has(v, 8)) return false;
        bytes = 8;
        *offset = be16(header + 2) >> 3;
        break;
      default:
        return true;
    }
    if (!has(v, bytes)) return false;
    *next = header[0];
    v->at += bytes;
    if (*offset > 0) return true; /* what follows is data */
  }
}

static bool passes6(const struct firewall *fw, struct view *v) {
  if (!has(v, IP6_HEADER)) return false;
  const uint8_t *ip = v->head + v->at;
  const uint32_t length = be16(ip + 4);
  if (ip[0] >> 4 != 6 || length > v->end - v->at - IP6_HEADER) return false;
  uint64_t source[2], destination[2];
  memcpy(source, ip + 8, sizeof source);
  memcpy(destination, ip + 24, sizeof destination);
  v->at += IP6_HEADER;
  v->end = v->at + length;
  if (v->seen > v->end) v->seen = v->end;
  uint8_t next = ip[6];
  uint32_t offset;
  struct transport t;
  if (!skip_headers6(v, &next, &offset) || !read_transport(v, next, offset, &t)) return false;
  for (const struct rule6 *r = fw->rules6, *last = r + fw->count6; r < last; r++) {
    const uint64_t other = ((source[0] ^ r->source[0]) & r->source_mask[0]) |
                           ((source[1] ^ r->source[1]) & r->source_mask[1]) |
                           ((destination[0] ^ r->destination[0]) & r->destination_mask[0]) |
                           ((destination[1] ^ r->destination[1]) & r->destination_mask[1]);
    if (other == 0 && matches(&r->rule, &t)) return r->rule.pass;
  }
  return false;
}

static bool passes(const struct firewall *fw, const struct ptnet_lookup_packet *packet) {
  struct view v = {.head = packet->head, .at = ETHERNET, .seen = packet->head_len, .end = packet->len};
  if (v.seen < ETHERNET) return false;
  uint32_t type = be16(v.head + ETHERNET - 2);
  for (int tags = 0; tags < VLAN_TAGS_MAX && (type == TYPE_VLAN || type == TYPE_QINQ); tags++) {
    if (!has(&v, VLAN_TAG)) return false;
    type = be16(v.head + v.at + 2);
    v.at += VLAN_TAG;
  }
  if (type == TYPE_IP4) return passes4(fw, &v);
  if (type == TYPE_IP6) return passes6(fw, &v);
  return type == TYPE_ARP ? fw->arp : fw->others;
}

static void find(void *state, const struct ptnet_lookup_batch *batch) {
  const struct firewall *fw = state;
  for (uint32_t i = 0; i < batch->count; i++)
    batch->to[i] = passes(fw, &batch->packets[i]) ? PTNET_LOOKUP_LEARNED : PTNET_LOOKUP_DROP;
}

static int create(const struct ptnet_lookup_setup *setup, void **state) {
  struct firewall *fw = calloc(1, sizeof *fw);
  if (fw == NULL) {
    snprintf(setup->error, setup->error_size, "no memory for its rules");
    return ENOMEM;
  }
  const int err = firewall_parse(fw, setup->options, setup->error, setup->error_size);
  if (err != 0) {
    free(fw);
    return err;
  }
  *state = fw;
  return 0;
}

const struct ptnet_lookup_functions ptnet_lookup_plugin = {
    .version = PTNET_LOOKUP_VERSION,
    .create = create,
    .find = find,
    .destroy = free,
};
