// CSB mode and the sync kloop: every refusal, and packets through a pipe whose ends are driven by loops of every kind.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "csb.h"

enum { PACKETS = 20000, SIZE = 60 };

static int open_device(void) {
  int fd = open("/dev/netmap", O_RDWR);
  CHECK(fd >= 0);
  return fd;
}

static int register_with_csb(int fd, uint64_t flags, struct nmreq_opt_csb* csb) {
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC, .nr_flags = flags};
  csb->nro_opt = (struct nmreq_option){.nro_reqtype = OPT_CSB};
  return control_with(fd, REQ_REGISTER, "vale0:k", &reg, &csb->nro_opt);
}

static void what_csb_mode_wants(void) {
  static struct nm_csb_atok atok[4] __attribute__((aligned(64)));
  static struct nm_csb_ktoa ktoa[4] __attribute__((aligned(64)));
  const uint64_t good_atok = (uint64_t)(uintptr_t)atok, good_ktoa = (uint64_t)(uintptr_t)ktoa;
  const struct {
    uint64_t atok, ktoa, flags;
    uint32_t error;
  } kCases[] = {{good_atok, good_ktoa, 0, EINVAL},
                {0x10, good_ktoa, FLAG_EXCLUSIVE, EINVAL},
                {good_atok, good_ktoa + 8, FLAG_EXCLUSIVE, EINVAL},
                {64, good_ktoa, FLAG_EXCLUSIVE, EFAULT},
                {good_atok, 0, FLAG_EXCLUSIVE, EFAULT},
                {good_atok, UINT64_MAX - 63, FLAG_EXCLUSIVE, EFAULT},
                {0xffff800000000000u, good_ktoa, FLAG_EXCLUSIVE, EFAULT}};
  int fd = open_device();
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    struct nmreq_opt_csb csb = {.csb_atok = kCases[i].atok, .csb_ktoa = kCases[i].ktoa};
    EXPECT((int)kCases[i].error, register_with_csb(fd, kCases[i].flags, &csb));
    CHECK(csb.nro_opt.nro_status == kCases[i].error);
    // Nothing has been registered.
    EXPECT(ENXIO, ioctl(fd, NIOCTXSYNC));
  }
  // Memory that may only be read.
  void* page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct nmreq_opt_csb csb = {.csb_atok = good_atok, .csb_ktoa = (uint64_t)(uintptr_t)page};
  EXPECT(EFAULT, register_with_csb(fd, FLAG_EXCLUSIVE, &csb));
  munmap(page, 4096);

  csb = (struct nmreq_opt_csb){.csb_atok = good_atok, .csb_ktoa = good_ktoa};
  EXPECT(0, register_with_csb(fd, FLAG_EXCLUSIVE, &csb));
  CHECK(csb.nro_opt.nro_status == 0);
  CHECK(atok[0].head == 0 && atok[0].cur == 0 && atok[0].appl_need_kick == 1 && atok[0].sync_flags == 1);
  CHECK(ktoa[0].hwcur == 0 && ktoa[0].hwtail == 1023 && ktoa[0].kern_need_kick == 1);
  CHECK(ktoa[1].hwtail == 0 && ktoa[1].kern_need_kick == 1);
  EXPECT(EBUSY, ioctl(fd, NIOCTXSYNC));
  EXPECT(EBUSY, ioctl(fd, NIOCRXSYNC));
  struct pollfd entry = {fd, POLLIN | POLLOUT, 0};
  CHECK(poll(&entry, 1, 0) == 1 && entry.revents == POLLERR);
  close(fd);
}

static void csb_mode_later(void) {
  struct csb_port csb;
  int fd = open_device();
  EXPECT(EINVAL, control_with(fd, REQ_CSB_ENABLE, "", NULL, NULL));
  struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = OPT_CSB}, .csb_atok = 64, .csb_ktoa = 64};
  // As the kernel has it: there is no ring yet that it could be wrong for.
  EXPECT(0, control_with(fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt));
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC, .nr_flags = FLAG_EXCLUSIVE};
  EXPECT(0, control(fd, REQ_REGISTER, "vale0:k", &reg));
  EXPECT(0, ioctl(fd, NIOCTXSYNC));
  EXPECT(EFAULT, control_with(fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt));
  CHECK(option.nro_opt.nro_status == EFAULT);
  EXPECT(0, ioctl(fd, NIOCTXSYNC));
  close(fd);
  EXPECT(0, csb_open(&csb, "vale0:k", FLAG_EXCLUSIVE));
  struct nm_csb_atok* other = aligned_alloc(64, 4 * sizeof *other);
  option.csb_atok = (uint64_t)(uintptr_t)other;
  option.csb_ktoa = (uint64_t)(uintptr_t)csb.ktoa;
  EXPECT(0, control_with(csb.port.fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt));
  CHECK(option.nro_opt.nro_status == 0 && other[1].appl_need_kick == 1);
  csb_close(&csb);
  free(other);
}

static void what_a_loop_wants(void) {
  struct nmreq_sync_kloop_start start = {.sleep_us = 100};
  int fd = open_device();
  EXPECT(ENXIO, control_with(fd, REQ_SYNC_KLOOP_START, "", &start, NULL));
  EXPECT(ENXIO, kloop_stop(fd));
  EXPECT(EINVAL, control_with(fd, REQ_SYNC_KLOOP_START, "", NULL, NULL));
  EXPECT(EFAULT, control_with(fd, REQ_SYNC_KLOOP_START, "", (void*)16, NULL));
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC};
  EXPECT(0, control(fd, REQ_REGISTER, "vale0:k", &reg));
  EXPECT(EINVAL, control_with(fd, REQ_SYNC_KLOOP_START, "", &start, NULL));
  close(fd);

  struct csb_port csb;
  EXPECT(0, csb_open(&csb, "vale0:k", FLAG_EXCLUSIVE));
  fd = csb.port.fd;
  start.sleep_us = 1000001;
  EXPECT(EINVAL, control_with(fd, REQ_SYNC_KLOOP_START, "", &start, NULL));
  start.sleep_us = 100;
  struct nmreq_opt_sync_kloop_mode mode = {.nro_opt = {.nro_reqtype = OPT_KLOOP_MODE}, .mode = 4};
  EXPECT(EINVAL, control_with(fd, REQ_SYNC_KLOOP_START, "", &start, &mode.nro_opt));
  CHECK(mode.nro_opt.nro_status == EINVAL);

  const int event = eventfd(0, 0), file = open("/dev/null", O_RDWR);
  const struct {
    int ioeventfd, irqfd, size;
    uint32_t mode;
    int error;
    uint32_t status;
  } kCases[] = {{event, event, 24 + 8, 0, EINVAL, EINVAL},
                {event, event, 24 + 24, 0, EINVAL, EINVAL},
                {-1, event, 24 + 16, KLOOP_DIRECT_TX, EINVAL, EINVAL},
                {-1, -1, 24 + 16, KLOOP_DIRECT_RX, EINVAL, EINVAL},
                {file, event, 24 + 16, 0, EINVAL, 0},
                {event, file, 24 + 16, 0, EINVAL, 0},
                {999, event, 24 + 16, 0, EBADF, 0},
                {event, 999, 24 + 16, 0, EBADF, 0}};
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    mode.mode = kCases[i].mode;
    struct nmreq_opt_sync_kloop_eventfds events = {
        .nro_opt = {.nro_next = (uint64_t)(uintptr_t)&mode,
                    .nro_reqtype = OPT_KLOOP_EVENTFDS,
                    .nro_size = (uint64_t)kCases[i].size},
        .eventfds = {{kCases[i].ioeventfd, kCases[i].irqfd}, {kCases[i].ioeventfd, kCases[i].irqfd}}};
    EXPECT(kCases[i].error, control_with(fd, REQ_SYNC_KLOOP_START, "", &start, &events.nro_opt));
    CHECK(events.nro_opt.nro_status == kCases[i].status && mode.nro_opt.nro_status == 0);
  }
  close(event);
  close(file);
  csb_close(&csb);
}

static void one_loop_at_a_time(void) {
  struct csb_port csb;
  EXPECT(0, csb_open(&csb, "vale0:k", FLAG_EXCLUSIVE));
  struct kloop loops[2] = {{.fd = csb.port.fd, .sleep_us = 100}, {.fd = csb.port.fd, .sleep_us = 100}};
  // Stopped before it begins: it ends when it does.
  EXPECT(0, kloop_stop(csb.port.fd));
  CHECK(kloop_start(&loops[0]) == 0 && kloop_join(&loops[0]) == 0);
  for (int round = 0; round < 20; round++) {
    CHECK(kloop_start(&loops[0]) == 0);
    // Whichever comes first goes on.
    struct nmreq_sync_kloop_start start = {.sleep_us = 100};
    while (__atomic_load_n(&csb.ktoa[0].kern_need_kick, __ATOMIC_ACQUIRE) != 0) usleep(100);
    EXPECT(EBUSY, control_with(csb.port.fd, REQ_SYNC_KLOOP_START, "", &start, NULL));
    struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = OPT_CSB},
                                   .csb_atok = (uint64_t)(uintptr_t)csb.atok,
                                   .csb_ktoa = (uint64_t)(uintptr_t)csb.ktoa};
    EXPECT(EBUSY, control_with(csb.port.fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt));
    // A child has the same open file.
    if (round == 0) {
      const pid_t child = fork();
      if (child == 0) _exit(kloop_stop(csb.port.fd) == 0 ? 0 : 1);
      int status = -1;
      CHECK(waitpid(child, &status, 0) == child && status == 0);
    } else {
      EXPECT(0, kloop_stop(csb.port.fd));
    }
    CHECK(kloop_join(&loops[0]) == 0);
    EXPECT(0, control_with(csb.port.fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt));
  }
  // The descriptor may go while it runs; a copy of it stops the loop.
  const int copy = dup(csb.port.fd);
  CHECK(kloop_start(&loops[0]) == 0);
  while (__atomic_load_n(&csb.ktoa[0].kern_need_kick, __ATOMIC_ACQUIRE) != 0) usleep(100);
  close(csb.port.fd);
  EXPECT(0, kloop_stop(copy));
  CHECK(kloop_join(&loops[0]) == 0);
  csb.port.fd = copy;
  csb_close(&csb);
}

static int enable(const struct csb_port* csb) {
  struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = OPT_CSB},
                                 .csb_atok = (uint64_t)(uintptr_t)csb->atok,
                                 .csb_ktoa = (uint64_t)(uintptr_t)csb->ktoa};
  return control_with(csb->port.fd, REQ_CSB_ENABLE, "", NULL, &option.nro_opt);
}

// A child that runs the loop is killed; the parent may not have asked after it yet. It is as if it had been stopped.
static void killed_in_the_loop(int in_thread, int zombie, int stop) {
  struct csb_port csb;
  EXPECT(0, csb_open(&csb, "vale0:k", FLAG_EXCLUSIVE));
  struct kloop loop = {.fd = csb.port.fd, .sleep_us = 100};
  const pid_t child = fork();
  if (child == 0) {
    struct nmreq_sync_kloop_start start = {.sleep_us = 100};
    if (in_thread && kloop_start(&loop) == 0)
      for (;;) pause();
    (void)control_with(csb.port.fd, REQ_SYNC_KLOOP_START, "", &start, NULL);
    _exit(1);
  }
  while (enable(&csb) == 0) usleep(100);
  EXPECT(EBUSY, enable(&csb));
  kill(child, SIGKILL);
  siginfo_t ended;
  CHECK(waitid(P_PID, (id_t)child, &ended, zombie ? WEXITED | WNOWAIT : WEXITED) == 0);
  CHECK(ended.si_code == CLD_KILLED);
  if (stop) EXPECT(0, kloop_stop(csb.port.fd));
  EXPECT(0, enable(&csb));
  CHECK(kloop_start(&loop) == 0);
  while (failures == 0 && __atomic_load_n(&csb.ktoa[0].kern_need_kick, __ATOMIC_ACQUIRE) != 0) usleep(100);
  if (failures == 0) EXPECT(0, kloop_stop(csb.port.fd));
  CHECK(kloop_join(&loop) == 0);
  if (zombie) waitpid(child, NULL, 0);
  csb_close(&csb);
}

/// One end of a pipe, and what a program keeps of its ring.
struct end {
  struct csb_port csb;
  struct kloop loop;
  int kicks[2], irqs[2];
  struct nmreq_opt_sync_kloop_eventfds events;
  struct nmreq_opt_sync_kloop_mode mode;
};

static void start_end(struct end* end, const char* name, int with_eventfds, uint32_t mode) {
  EXPECT(0, csb_open(&end->csb, name, FLAG_EXCLUSIVE));
  end->loop = (struct kloop){.fd = end->csb.port.fd, .sleep_us = 50};
  if (with_eventfds) {
    end->events.nro_opt = (struct nmreq_option){.nro_reqtype = OPT_KLOOP_EVENTFDS, .nro_size = 24 + 16};
    for (int i = 0; i < 2; i++) {
      end->events.eventfds[i].ioeventfd = end->kicks[i] = eventfd(0, 0);
      end->events.eventfds[i].irqfd = end->irqs[i] = eventfd(0, 0);
    }
    end->mode = (struct nmreq_opt_sync_kloop_mode){.nro_opt = {.nro_reqtype = OPT_KLOOP_MODE}, .mode = mode};
    end->events.nro_opt.nro_next = (uint64_t)(uintptr_t)&end->mode;
    end->loop.options = &end->events.nro_opt;
  }
  CHECK(kloop_start(&end->loop) == 0);
}

static void stop_end(struct end* end) {
  EXPECT(0, kloop_stop(end->csb.port.fd));
  CHECK(kloop_join(&end->loop) == 0);
  csb_close(&end->csb);
  for (int i = 0; i < 2 && end->loop.options != NULL; i++) {
    close(end->kicks[i]);
    close(end->irqs[i]);
  }
}

static uint32_t get(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

/// Publishes head, and kicks when the loop wants it.
static void advance(struct end* end, int ring, uint32_t head) {
  end->csb.atok[ring].cur = head;
  __atomic_store_n(&end->csb.atok[ring].head, head, __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (end->loop.options != NULL && get(&end->csb.ktoa[ring].kern_need_kick) != 0) eventfd_write(end->kicks[ring], 1);
}

/// Until the tail is another than `head`: by the interrupt, or by looking again.
static uint32_t wait_for_tail(struct end* end, int ring, uint32_t head) {
  for (uint32_t tail; (tail = get(&end->csb.ktoa[ring].hwtail)) != head;) return tail;
  end->csb.atok[ring].appl_need_kick = 1;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  for (;;) {
    const uint32_t tail = get(&end->csb.ktoa[ring].hwtail);
    if (tail != head) {
      end->csb.atok[ring].appl_need_kick = 0;
      return tail;
    }
    if (end->loop.options == NULL) {
      usleep(50);
      continue;
    }
    struct pollfd entry = {end->irqs[ring], POLLIN, 0};
    if (poll(&entry, 1, 10000) != 1) {
      CHECK(!"an interrupt within ten seconds");
      exit(1);
    }
    eventfd_t times;
    eventfd_read(end->irqs[ring], &times);
  }
}

static void* send_all(void* argument) {
  struct end* end = argument;
  struct netmap_ring* ring = tx_ring(&end->csb.port, 0);
  uint32_t head = 0, tail = get(&end->csb.ktoa[0].hwtail);
  for (uint32_t seq = 0; seq < PACKETS; seq++) {
    if (head == tail) {
      advance(end, 0, head);
      tail = wait_for_tail(end, 0, head);
    }
    struct netmap_slot* slot = &ring->slot[head];
    memset(buffer_of(ring, slot->buf_idx), (int)(seq % 251), SIZE);
    memcpy(buffer_of(ring, slot->buf_idx), &seq, sizeof seq);
    slot->len = SIZE;
    slot->flags = 0;
    head = next_of(ring, head);
    // By ones and by many.
    if (seq % 64 == 0 || seq % 7 == 0) advance(end, 0, head);
  }
  advance(end, 0, head);
  // Until all of them have been taken.
  while (get(&end->csb.ktoa[0].hwcur) != head) usleep(100);
  return NULL;
}

static void receive_all(struct end* end) {
  struct netmap_ring* ring = rx_ring(&end->csb.port, 0);
  uint32_t head = 0, tail = get(&end->csb.ktoa[1].hwtail), wrong = 0;
  for (uint32_t expected = 0; expected < PACKETS; expected++) {
    if (head == tail) {
      advance(end, 1, head);
      tail = wait_for_tail(end, 1, head);
    }
    const struct netmap_slot* slot = &ring->slot[head];
    const char* packet = buffer_of(ring, slot->buf_idx);
    uint32_t seq;
    memcpy(&seq, packet, sizeof seq);
    wrong += slot->len != SIZE || seq != expected || packet[SIZE - 1] != (char)(expected % 251);
    head = next_of(ring, head);
  }
  advance(end, 1, head);
  CHECK(wrong == 0);
}

static void packets(int with_eventfds, uint32_t mode) {
  static struct end ends[2];
  memset(ends, 0, sizeof ends);
  start_end(&ends[0], "a{1", with_eventfds, mode);
  start_end(&ends[1], "a}1", with_eventfds, mode);
  pthread_t sender;
  CHECK(pthread_create(&sender, NULL, send_all, &ends[0]) == 0);
  receive_all(&ends[1]);
  pthread_join(sender, NULL);
  stop_end(&ends[0]);
  stop_end(&ends[1]);
}

/// Indices that are none stop nobody else, and what comes after them is taken.
static void wild_indices(int with_eventfds) {
  static struct end end;
  memset(&end, 0, sizeof end);
  start_end(&end, "null:x", with_eventfds, 0);
  for (uint32_t i = 0; i < 50; i++) {
    end.csb.atok[0].cur = i % 3 == 0 ? 1u << i % 32 : 5;
    __atomic_store_n(&end.csb.atok[0].head, i % 2 == 0 ? 0xffffffffu - i : 2000, __ATOMIC_RELEASE);
    if (with_eventfds) eventfd_write(end.kicks[0], 1);
    usleep(100);
  }
  CHECK(get(&end.csb.ktoa[0].hwcur) == 0);
  advance(&end, 0, 17);
  if (with_eventfds) eventfd_write(end.kicks[0], 1);
  while (get(&end.csb.ktoa[0].hwcur) != 17) usleep(100);
  stop_end(&end);
}

int main(void) {
  what_csb_mode_wants();
  csb_mode_later();
  what_a_loop_wants();
  one_loop_at_a_time();
  for (int i = 0; i < 8; i++) killed_in_the_loop(i & 1, i & 2, i & 4);
  packets(0, 0);
  packets(1, 0);
  packets(1, KLOOP_DIRECT_TX | KLOOP_DIRECT_RX);
  packets(1, KLOOP_DIRECT_RX);
  wild_indices(0);
  wild_indices(1);
  return verdict();
}
