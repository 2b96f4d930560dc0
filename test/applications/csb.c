// Ports in CSB mode, and loops for them.
#include "csb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int control_with(int fd, uint16_t reqtype, const char* name, void* body, struct nmreq_option* options) {
  struct nmreq_header header = {.nr_version = 15,
                                .nr_reqtype = reqtype,
                                .nr_options = (uint64_t)(uintptr_t)options,
                                .nr_body = (uint64_t)(uintptr_t)body};
  strncpy(header.nr_name, name, sizeof header.nr_name - 1);
  return ioctl(fd, NIOCCTRL, &header);
}

int csb_open(struct csb_port* csb, const char* name, uint64_t flags) {
  memset(csb, 0, sizeof *csb);
  struct port* port = &csb->port;
  port->fd = open("/dev/netmap", O_RDWR);
  if (port->fd < 0) return -1;
  csb->atok = aligned_alloc(64, CSB_RINGS * sizeof *csb->atok);
  csb->ktoa = aligned_alloc(64, CSB_RINGS * sizeof *csb->ktoa);
  struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = OPT_CSB},
                                 .csb_atok = (uint64_t)(uintptr_t)csb->atok,
                                 .csb_ktoa = (uint64_t)(uintptr_t)csb->ktoa};
  port->reg.nr_mode = REG_ALL_NIC;
  port->reg.nr_flags = flags;
  int error = 0;
  if (control_with(port->fd, REQ_REGISTER, name, &port->reg, &option.nro_opt) != 0) error = errno;
  if (error == 0 && option.nro_opt.nro_status != 0) error = EIO;
  if (error == 0) {
    port->memory = mmap(NULL, port->reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
    if (port->memory == MAP_FAILED) error = errno;
  }
  if (error != 0) {
    csb_close(csb);
    errno = error;
    return -1;
  }
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

void csb_close(struct csb_port* csb) {
  if (csb->port.memory != NULL) munmap(csb->port.memory, csb->port.reg.nr_memsize);
  close(csb->port.fd);
  free(csb->atok);
  free(csb->ktoa);
}

int kloop_stop(int fd) { return control_with(fd, REQ_SYNC_KLOOP_STOP, "", NULL, NULL); }

static void* run(void* argument) {
  struct kloop* loop = argument;
  struct nmreq_sync_kloop_start body = {.sleep_us = loop->sleep_us};
  loop->error = control_with(loop->fd, REQ_SYNC_KLOOP_START, "", &body, loop->options) == 0 ? 0 : errno;
  return NULL;
}

int kloop_start(struct kloop* loop) { return pthread_create(&loop->thread, NULL, run, loop); }

int kloop_join(struct kloop* loop) {
  pthread_join(loop->thread, NULL);
  return loop->error;
}
