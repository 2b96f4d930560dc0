/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lookup function of a VALE switch as a plug-in: a shared object that says where packets go, a batch at a time.
 *
 * The object defines one symbol, ptnet_lookup_plugin. The host copies the file, loads the copy for each switch that
 * names it, and calls create() once. From then on find() is called for all that any port of the switch sends.
 * docs/lookup.md tells the whole story; examples/firewall is a plug-in.
 */
#ifndef PTNETMAP_LOOKUP_H
#define PTNETMAP_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of this interface. A host takes plug-ins of its own version only. */
#define PTNET_LOOKUP_VERSION 1

/* Packets of a batch, at most. */
#define PTNET_LOOKUP_BATCH_MAX 64
/* Bytes of a packet that find() sees, at most. */
#define PTNET_LOOKUP_HEAD_MAX 128
/* Ports of a switch: their numbers are below it. */
#define PTNET_LOOKUP_PORTS_MAX 254

/* Destinations, beside the number of a port. Any other value, and a port that is not there, is a destination that does
 * not exist: the packet is dropped and counted as `no-destination`. */
#define PTNET_LOOKUP_DROP UINT32_C(0xffffffff)    /* to nobody; counted as `filtered` by the sender's port */
#define PTNET_LOOKUP_FLOOD UINT32_C(0xfffffffe)   /* to every port but the sender's */
#define PTNET_LOOKUP_LEARNED UINT32_C(0xfffffffd) /* where a learning switch sends it: the plug-in has no objection */

struct ptnet_lookup_packet {
  /* The Ethernet frame, from its destination address on: 14 bytes at least. A copy that nobody else writes to, and what
   * is delivered: a guest that changes its packet now changes nothing of this. */
  const uint8_t *head;
  uint32_t head_len; /* the smaller one of `len` and PTNET_LOOKUP_HEAD_MAX */
  uint32_t len;      /* of the whole frame; 64 KiB and more where segments are still to be cut */
};

struct ptnet_lookup_batch {
  const struct ptnet_lookup_packet *packets; /* in the order in which they were sent */
  uint32_t *to;                              /* the answer, for each packet: PTNET_LOOKUP_DROP until find() writes it */
  uint32_t count;                            /* from 1 to PTNET_LOOKUP_BATCH_MAX */
  uint32_t source;                           /* the port that has sent all of them */
};

struct ptnet_lookup_setup {
  const char *switch_name; /* such as `vale0` */
  const char *options;     /* the text of the configuration; empty where there is none */
  char *error;             /* room for a line of text, without a line break: what is wrong, and what would be right */
  size_t error_size;
};

struct ptnet_lookup_functions {
  uint32_t version; /* PTNET_LOOKUP_VERSION */
  /* Makes the state of one switch, which is handed to all other calls. On the host's control thread. Returns 0, or an
   * errno with words in setup->error; then there is no state, and the switch keeps the function that it has. */
  int (*create)(const struct ptnet_lookup_setup *setup, void **state);
  /* Any number of workers at once, each with a batch of its own: it may not write to the state without atomics. It may
   * not allocate, wait, or make a system call: all ports of its worker stand still meanwhile. Nothing of the batch is
   * there any more when it returns. */
  void (*find)(void *state, const struct ptnet_lookup_batch *batch);
  /* A port has joined the switch under this number: called before its first packet, and for those that are there when
   * the plug-in takes over, before find() is. `name` is that of the configuration, such as `vale0:1` or `tap:lan`.
   * On the control thread, while workers may be in find(). NULL: nobody wants to know. */
  void (*joined)(void *state, uint32_t port, const char *name);
  /* It has left: nothing comes from it any more, and its number may be another one's soon. NULL as above. */
  void (*left)(void *state, uint32_t port);
  /* The end of the state. No worker is in find(), and none will be. */
  void (*destroy)(void *state);
};

#ifdef __GNUC__
__attribute__((visibility("default")))
#endif
extern const struct ptnet_lookup_functions ptnet_lookup_plugin;

#ifdef __cplusplus
}
#endif

#endif
