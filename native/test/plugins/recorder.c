/* A plug-in for the tests: says one thing of every packet, and writes down what is done with it. */
#include "recorder.h"

#include <errno.h>
#include <ptnetmap/lookup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
  struct record *record;
  unsigned verdict;
};

static int create(const struct ptnet_lookup_setup *setup, void **state) {
  if (strcmp(setup->options, "silent") == 0) return ENOSPC;
  if (strcmp(setup->options, "negative") == 0) return -5;
  void *record;
  unsigned verdict;
  if (sscanf(setup->options, "%p %u", &record, &verdict) != 2) {
    snprintf(setup->error, setup->error_size, "options: '%s' for\n%s: a record and a verdict would be right",
             setup->options, setup->switch_name);
    return EINVAL;
  }
  struct state *s = malloc(sizeof *s);
  s->record = record;
  s->verdict = verdict;
  __atomic_fetch_add(&s->record->created, 1, __ATOMIC_RELAXED);
  *state = s;
  return 0;
}

static void find(void *state, const struct ptnet_lookup_batch *batch) {
  struct state *s = state;
  for (uint32_t i = 0; i < batch->count; i++) batch->to[i] = s->verdict;
  __atomic_fetch_add(&s->record->packets, batch->count, __ATOMIC_RELAXED);
}

static void write_name(struct record *record, char what, uint32_t port, const char *name) {
  const size_t used = strlen(record->ports);
  snprintf(record->ports + used, sizeof record->ports - used, "%c%u %s;", what, port, name);
}

static void joined(void *state, uint32_t port, const char *name) {
  write_name(((struct state *)state)->record, '+', port, name);
}

static void left(void *state, uint32_t port) { write_name(((struct state *)state)->record, '-', port, ""); }

static void destroy(void *state) {
  struct state *s = state;
  __atomic_fetch_add(&s->record->destroyed, 1, __ATOMIC_RELAXED);
  memset(s, 0xff, sizeof *s);
  free(s);
}

const struct ptnet_lookup_functions ptnet_lookup_plugin = {PTNET_LOOKUP_VERSION, create, find, joined, left, destroy};
