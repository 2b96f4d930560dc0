/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the firewall's rules: one a line, the first that matches counts, and what none matches is dropped.
 *
 *   pass|drop  all | arp | ip4 | ip6 | tcp | udp | sctp | icmp | icmp6 | NUMBER
 *              [from ADDRESS[/PREFIX]|any [port N[-M]]]  [to ADDRESS[/PREFIX]|any [port N[-M]]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewall.h"

enum { LINE_MAX_BYTES = 512, WORDS_MAX = 12 };
enum { FAMILY4 = 1, FAMILY6 = 2, ARP = 4, OTHERS = 8, ANY_PROTOCOL = -1 };

static const struct name {
  const char *word;
  int families, protocol;
} NAMES[] = {
    {"all", FAMILY4 | FAMILY6 | ARP | OTHERS, ANY_PROTOCOL},
    {"arp", ARP, ANY_PROTOCOL},
    {"ip4", FAMILY4, ANY_PROTOCOL},
    {"ip6", FAMILY6, ANY_PROTOCOL},
    {"tcp", FAMILY4 | FAMILY6, 6},
    {"udp", FAMILY4 | FAMILY6, 17},
    {"sctp", FAMILY4 | FAMILY6, 132},
    {"icmp", FAMILY4, 1},
    {"icmp6", FAMILY6, 58},
};

/* One end of a packet: an address of one family, or of any. */
struct end {
  int families;
  uint8_t address[16], mask[16];
  bool has_ports;
  struct port_range ports;
};

struct line {
  bool pass;
  int families, protocol;
  struct end source, destination;
};

struct reader {
  const char *words[WORDS_MAX];
  int count, at;
  int number; /* of the line */
  char *error;
  size_t error_size;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct reader *r, const char *format, ...) {
  const int n = snprintf(r->error, r->error_size, "options, line %d: ", r->number);
  va_list arguments;
  va_start(arguments, format);
  if (n >= 0 && (size_t)n < r->error_size) vsnprintf(r->error + n, r->error_size - (size_t)n, format, arguments);
  va_end(arguments);
  return false;
}

static const char *peek(const struct reader *r) { return r->at < r->count ? r->words[r->at] : NULL; }

/* A decimal number up to `most`, with nothing behind it but `end`. */
static bool number(const char *text, long most, char end, const char **behind, long *out) {
  char *stop;
  if (*text < '0' || *text > '9') return false;
  errno = 0;
  *out = strtol(text, &stop, 10);
  if (errno != 0 || *out > most || (*stop != '\0' && *stop != end)) return false;
  if (behind != NULL) *behind = *stop == end && *stop != '\0' ? stop + 1 : NULL;
  return true;
}

static bool read_address(struct reader *r, struct end *end) {
  const char *word = peek(r);
  *end = (struct end){.families = FAMILY4 | FAMILY6, .ports = {0, 0xffff}};
  if (word == NULL) return wrong(r, "it ends without an address: 'any' or '10.0.0.0/8' would be right");
  r->at++;
  if (strcmp(word, "any") == 0) return true;
  char text[INET6_ADDRSTRLEN + 1] = {0};
  const char *slash = strchr(word, '/');
  const size_t length = slash != NULL ? (size_t)(slash - word) : strlen(word);
  if (length < sizeof text) memcpy(text, word, length);
  const bool is4 = inet_pton(AF_INET, text, end->address) == 1;
  if (!is4 && inet_pton(AF_INET6, text, end->address) != 1)
    return wrong(r, "'%s' is not an address: 'any', '10.0.0.0/8' or '2001:db8::/32' would be right", word);
  const long most = is4 ? 32 : 128;
  long prefix = most;
  if (slash != NULL && !number(slash + 1, most, '\0', NULL, &prefix))
    return wrong(r, "'%s' has no prefix of 0 to %ld bits: '%s/%d' would be right", word, most, text, is4 ? 24 : 64);
  for (long bit = 0; bit < prefix; bit++) end->mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
  for (int i = 0; i < 16; i++) end->address[i] &= end->mask[i];
  end->families = is4 ? FAMILY4 : FAMILY6;
  return true;
}

static bool read_ports(struct reader *r, struct end *end) {
  const char *word = peek(r), *to;
  if (word == NULL || strcmp(word, "port") != 0) return true;
  r->at++;
  word = peek(r);
  long first, last;
  if (word == NULL || !number(word, 65535, '-', &to, &first) ||
      (to != NULL ? !number(to, 65535, '\0', NULL, &last) || last < first : (last = first, false)))
    return wrong(r, "'%s' is not a port: '80' or '1024-65535' would be right", word != NULL ? word : "");
  r->at++;
  end->has_ports = true;
  end->ports = (struct port_range){(uint16_t)first, (uint16_t)(last - first)};
  return true;
}

static bool read_end(struct reader *r, const char *word, struct end *end) {
  const char *next = peek(r);
  *end = (struct end){.families = FAMILY4 | FAMILY6, .ports = {0, 0xffff}};
  if (next == NULL || strcmp(next, word) != 0) return true;
  r->at++;
  return read_address(r, end) && read_ports(r, end);
}

static bool read_protocol(struct reader *r, struct line *line) {
  const char *word = peek(r);
  if (word == NULL)
    return wrong(r, "it says nothing about what: '%s tcp' would be right", line->pass ? "pass" : "drop");
  r->at++;
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    if (strcmp(word, NAMES[i].word) != 0) continue;
    line->families = NAMES[i].families;
    line->protocol = NAMES[i].protocol;
    return true;
  }
  long protocol;
  if (!number(word, 255, '\0', NULL, &protocol))
    return wrong(
        r, "'%s' is not a protocol: all, arp, ip4, ip6, tcp, udp, sctp, icmp, icmp6 or a number would be right", word);
  line->families = FAMILY4 | FAMILY6;
  line->protocol = (int)protocol;
  return true;
}

static bool read_line(struct reader *r, struct line *line) {
  const char *word = peek(r);
  line->pass = strcmp(word, "pass") == 0;
  if (!line->pass && strcmp(word, "drop") != 0)
    return wrong(r, "'%s' is no action: 'pass' or 'drop' would be right", word);
  r->at++;
  if (!read_protocol(r, line)) return false;
  const bool ends = r->at < r->count;
  if (!read_end(r, "from", &line->source) || !read_end(r, "to", &line->destination)) return false;
  if (peek(r) != NULL) return wrong(r, "'%s' is not known here: 'from', 'to' or 'port' would be right", peek(r));
  const bool ports = line->source.has_ports || line->destination.has_ports;
  if (ports && line->protocol != 6 && line->protocol != 17 && line->protocol != 132)
    return wrong(r, "it names ports, and not every packet of it has some: tcp, udp or sctp would be right");
  /* A packet with an address is one of a family. */
  if (ends) line->families &= FAMILY4 | FAMILY6;
  line->families &= line->source.families | ARP | OTHERS;
  line->families &= line->destination.families | ARP | OTHERS;
  if (line->families == 0) return wrong(r, "no packet is like that: one family of addresses would be right");
  return true;
}

static struct rule rule_of(const struct line *line) {
  return (struct rule){
      .protocol = line->protocol < 0 ? 0 : (uint8_t)line->protocol,
      .protocol_mask = line->protocol < 0 ? 0 : 0xff,
      .ports = line->source.has_ports || line->destination.has_ports,
      .pass = line->pass,
      .source = line->source.ports,
      .destination = line->destination.ports,
  };
}

/* The first line about frames that are no IP counts. */
struct decided {
  bool arp, others;
};

static void add(struct firewall *fw, const struct line *line, struct decided *decided) {
  if (line->families & FAMILY4) {
    struct rule4 *r = &fw->rules4[fw->count4++];
    memcpy(&r->source, line->source.address, 4);
    memcpy(&r->source_mask, line->source.mask, 4);
    memcpy(&r->destination, line->destination.address, 4);
    memcpy(&r->destination_mask, line->destination.mask, 4);
    r->rule = rule_of(line);
  }
  if (line->families & FAMILY6) {
    struct rule6 *r = &fw->rules6[fw->count6++];
    memcpy(r->source, line->source.address, 16);
    memcpy(r->source_mask, line->source.mask, 16);
    memcpy(r->destination, line->destination.address, 16);
    memcpy(r->destination_mask, line->destination.mask, 16);
    r->rule = rule_of(line);
  }
  if (line->families & ARP && !decided->arp) decided->arp = true, fw->arp = line->pass;
  if (line->families & OTHERS && !decided->others) decided->others = true, fw->others = line->pass;
}

/* Cuts a line into words; false when it has too many. */
static bool cut(struct reader *r, char *text) {
  r->count = r->at = 0;
  char *rest = NULL;
  for (char *word = strtok_r(text, " \t\r", &rest); word != NULL; word = strtok_r(NULL, " \t\r", &rest)) {
    if (word[0] == '#') return true;
    if (r->count == WORDS_MAX) return false;
    r->words[r->count++] = word;
  }
  return true;
}

int firewall_parse(struct firewall *fw, const char *text, char *error, size_t error_size) {
  struct reader r = {.error = error, .error_size = error_size};
  struct decided decided = {0};
  while (*text != '\0') {
    const size_t length = strcspn(text, "\n");
    char buffer[LINE_MAX_BYTES];
    struct line line;
    r.number++;
    if (length >= sizeof buffer) return wrong(&r, "it is too long: two lines would be right"), EINVAL;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    text += length + (text[length] == '\n');
    if (!cut(&r, buffer)) return wrong(&r, "it has too many words: 'pass tcp to any port 80' would be right"), EINVAL;
    if (r.count == 0) continue;
    if (!read_line(&r, &line)) return EINVAL;
    if (fw->count4 == FIREWALL_RULES_MAX || fw->count6 == FIREWALL_RULES_MAX)
      return wrong(&r, "there are more than %d rules: fewer would be right", FIREWALL_RULES_MAX), EINVAL;
    add(fw, &line, &decided);
  }
  if (r.number > 0 && (fw->count4 || fw->count6 || decided.arp || decided.others)) return 0;
  snprintf(error, error_size, "options: there is no rule, so nothing would pass: 'pass all' would be right");
  return EINVAL;
}
