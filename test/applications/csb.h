// netmap's CSB mode as a client uses it: the arrays, the options, and a loop in a thread.
#pragma once

#include <pthread.h>

#include "port.h"

struct nm_csb_atok {
  uint32_t head, cur, appl_need_kick, sync_flags, pad[12];
};
struct nm_csb_ktoa {
  uint32_t hwcur, hwtail, kern_need_kick, pad[13];
};
_Static_assert(sizeof(struct nm_csb_atok) == 64 && sizeof(struct nm_csb_ktoa) == 64, "csb");

struct nmreq_opt_csb {
  struct nmreq_option nro_opt;
  uint64_t csb_atok;
  uint64_t csb_ktoa;
};
struct nmreq_opt_sync_kloop_mode {
  struct nmreq_option nro_opt;
  uint32_t mode;
};
enum { CSB_RINGS = 8 };
struct nmreq_opt_sync_kloop_eventfds {
  struct nmreq_option nro_opt;
  struct {
    int32_t ioeventfd, irqfd;
  } eventfds[CSB_RINGS];
};
struct nmreq_sync_kloop_start {
  uint32_t sleep_us, pad1;
};

enum { OPT_KLOOP_EVENTFDS = 2, OPT_CSB = 3, OPT_KLOOP_MODE = 4 };
enum { REQ_SYNC_KLOOP_STOP = 14 };
enum { KLOOP_DIRECT_TX = 1, KLOOP_DIRECT_RX = 2 };

/// A port in CSB mode.
struct csb_port {
  struct port port;
  struct nm_csb_atok* atok;
  struct nm_csb_ktoa* ktoa;
};

/// A request with a chain of options. 0, or -1 with errno.
int control_with(int fd, uint16_t reqtype, const char* name, void* body, struct nmreq_option* options);
/// 0, or -1 with errno.
int csb_open(struct csb_port* csb, const char* name, uint64_t flags);
void csb_close(struct csb_port* csb);
int kloop_stop(int fd);

/// A loop in a thread of its own; `error` once it was joined.
struct kloop {
  pthread_t thread;
  int fd;
  uint32_t sleep_us;
  struct nmreq_option* options;
  int error;
};
int kloop_start(struct kloop* loop);
/// @return what its ioctl ended with.
int kloop_join(struct kloop* loop);
