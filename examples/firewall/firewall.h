/* SPDX-License-Identifier: BSD-2-Clause */
/* The firewall's rules, as they are matched: a list for each family, in the order of the text. */
#ifndef FIREWALL_H
#define FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ports from `first` on: `more` of them follow it. */
struct port_range {
  uint16_t first, more;
};

/* What both families have; fields of a packet that `mask` leaves out may be anything. */
struct rule {
  uint8_t protocol, protocol_mask;
  bool ports; /* it is about ports, so a packet without any does not match */
  bool pass;
  struct port_range source, destination;
};

struct rule4 {
  uint32_t source, source_mask, destination, destination_mask; /* as they lie in a packet */
  struct rule rule;
};

struct rule6 {
  uint64_t source[2], source_mask[2], destination[2], destination_mask[2];
  struct rule rule;
};

#define FIREWALL_RULES_MAX 1024

struct firewall {
  size_t count4, count6;
  bool arp, others; /* whether they pass */
  struct rule4 rules4[FIREWALL_RULES_MAX];
  struct rule6 rules6[FIREWALL_RULES_MAX];
};

/* Reads rules from a text. 0, or an errno with words in `error`. */
int firewall_parse(struct firewall *fw, const char *text, char *error, size_t error_size);

#endif
