// Checks that say what they found, and go on.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failures;

/// `call` has to fail with `wanted`; 0: it has to succeed.
#define EXPECT(wanted, call)                                                                                \
  do {                                                                                                      \
    errno = 0;                                                                                              \
    const int want = (wanted), got = (call) < 0 ? errno : 0;                                                \
    if (got != want) {                                                                                      \
      failures++;                                                                                           \
      fprintf(stderr, "%s:%d: %s: %s, not %s\n", __FILE__, __LINE__, #call, strerror(got), strerror(want)); \
    }                                                                                                       \
  } while (0)

#define CHECK(what)                                                      \
  do {                                                                   \
    if (!(what)) {                                                       \
      failures++;                                                        \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
    }                                                                    \
  } while (0)

static inline int verdict(void) {
  printf("{\"failures\":%d}\n", failures);
  return failures == 0 ? 0 : 1;
}
