/* A plug-in for the tests that lacks a function. */
#include <ptnetmap/lookup.h>
#include <stddef.h>

static int create(const struct ptnet_lookup_setup *setup, void **state) {
  *state = (void *)setup;
  return 0;
}

static void destroy(void *state) { (void)state; }

const struct ptnet_lookup_functions ptnet_lookup_plugin = {
    .version = PTNET_LOOKUP_VERSION, .create = create, .destroy = destroy};
