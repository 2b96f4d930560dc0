// Packets between ports in memory of the program's own, and others. `extmem_traffic FILE`: a file of the program's,
// which is made.
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "extmem.h"

/// Whatever else it may be that a program gives away.
static void odd_memory(void) {
  struct port a, b;
  EXPECT(0, port_open(&b, "vale0:far", REG_ALL_NIC, 0));
  // Several mappings, one of them a file's that is not shared, and what malloc gave.
  char* memory = memory_of(SIZE, MAP_PRIVATE);
  const int fd = open("/proc/self/exe", O_RDONLY);
  CHECK(mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == memory + PAGE);
  CHECK(mprotect(memory + SIZE / 2, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  close(fd);
  EXPECT(0, open_at(&a, "vale0:odd", memory, SIZE));
  exchange(&a, &b);
  close(a.fd);
  munmap(memory, SIZE);
  EXPECT(0, posix_memalign((void**)&memory, PAGE, SIZE));
  EXPECT(0, open_at(&a, "vale0:odd", memory, SIZE));
  exchange(&a, &b);
  close(a.fd);
  free(memory);
  // A region's own memory, as the descriptor gives it: the port lies in that region.
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC, .nr_extra_bufs = 4096};
  const int first = open("/dev/netmap", O_RDWR);
  EXPECT(0, control(first, REQ_REGISTER, "vale0:plain", &reg));
  memory = mmap(NULL, reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, first, 0);
  EXPECT(0, open_at(&a, "vale0:odd", memory, reg.nr_memsize));
  CHECK(a.reg.nr_mem_id == reg.nr_mem_id);
  exchange(&a, &b);
  close(a.fd);
  close(first);
  munmap(memory, reg.nr_memsize);
  port_close(&b);
}

/// A port without rings, and a monitor with copies.
static void other_kinds(void) {
  char *memory = memory_of(SIZE, MAP_PRIVATE), *others = memory_of(SIZE, MAP_PRIVATE);
  struct nmreq_opt_extmem option = option_of(memory, SIZE);
  struct port a, b, monitor;
  EXPECT(0, port_open_with(&a, "whatever", REG_NULL, 0, &option.nro_opt));
  EXPECT(0, open_at(&b, "vale0:b", memory, SIZE));
  CHECK(a.reg.nr_mem_id == b.reg.nr_mem_id && first_tx(&a) == NULL);
  port_close(&a);
  option = option_of(others, SIZE);
  EXPECT(EINVAL, port_open_with(&monitor, "vale0:b", REG_ALL_NIC, FLAG_MONITOR_TX | FLAG_ZCOPY_MON, &option.nro_opt));
  option = option_of(others, SIZE);
  EXPECT(0, port_open_with(&monitor, "vale0:b", REG_ALL_NIC, FLAG_MONITOR_TX, &option.nro_opt));
  EXPECT(0, port_open(&a, "vale0:a", REG_ALL_NIC, 0));
  send_one(&b, 5);
  CHECK(receive_one(&monitor, 5) != 0);
  CHECK(receive_one(&a, 5) != 0);
  CHECK(others + monitor.reg.nr_offset < others + SIZE && memcmp(others, monitor.memory, monitor.reg.nr_memsize) == 0);
  port_close(&monitor);
  port_close(&a);
  close(b.fd);
  munmap(memory, SIZE);
  munmap(others, SIZE);
}

static void traffic(void) {
  char* memory = memory_of(SIZE, MAP_PRIVATE);
  struct port a, b, far;
  // A pipe: the buffer itself passes to the other side.
  struct nmreq_opt_extmem option = option_of(memory, SIZE);
  option.nro_info.nr_if_pool_objtotal = 4;
  EXPECT(0, open_in(&a, "m{1", &option));
  EXPECT(0, open_at(&b, "m}1", memory, SIZE));
  CHECK(a.reg.nr_mem_id == b.reg.nr_mem_id && a.reg.nr_offset != b.reg.nr_offset);
  const uint32_t sent = first_tx(&a)->slot[0].buf_idx;
  send_one(&a, 3);
  CHECK(receive_one(&b, 3) == sent);
  exchange(&a, &b);
  close(a.fd);
  close(b.fd);
  // Its memory is the program's as before, and may be a port's again: of another region.
  memset(memory, 0x11, SIZE);
  EXPECT(0, open_at(&a, "vale0:m", memory, SIZE));
  char* others = memory_of(SIZE, MAP_SHARED);
  EXPECT(0, open_at(&b, "vale0:n", others, SIZE));
  CHECK(a.reg.nr_mem_id != b.reg.nr_mem_id);
  exchange(&a, &b);
  close(b.fd);
  EXPECT(0, port_open(&far, "vale0:far", REG_ALL_NIC, 0));
  exchange(&a, &far);
  port_close(&far);

  // A child shares it, and what it does with its own mappings is nothing to the parent.
  const pid_t child = fork();
  if (child == 0) {
    failures = 0;
    struct port second;
    EXPECT(0, open_at(&second, "vale0:child", memory, SIZE));
    CHECK(second.reg.nr_mem_id == a.reg.nr_mem_id);
    exchange(&a, &second);
    munmap(memory, SIZE);
    _exit(failures == 0 ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  EXPECT(0, open_at(&b, "vale0:n", others, SIZE));
  exchange(&a, &b);
  // Memory that is taken away is nothing to the host: it can be given again, elsewhere.
  munmap(others, SIZE);
  close(b.fd);
  close(a.fd);
  munmap(memory, SIZE);
}

/// A port in a file, as the libraries' names with `@extmem:FILE` have it.
static void* file_of(const char* path, int create) {
  const int fd = open(path, O_RDWR | (create ? O_CREAT : 0), 0600);
  CHECK(fd >= 0 && (!create || ftruncate(fd, SIZE) == 0));
  void* memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(memory != MAP_FAILED);
  close(fd);
  return memory;
}

/// Two processes that share nothing but the file: one region, and buffers that pass between them.
static void files(const char* path) {
  char* memory = file_of(path, 1);
  struct port a, b;
  struct nmreq_opt_extmem option = option_of(memory, SIZE);
  option.nro_info.nr_if_pool_objtotal = 4;
  EXPECT(0, open_in(&a, "f{1", &option));
  const pid_t child = fork();
  if (child == 0) {
    failures = 0;
    char* own = file_of(path, 0);
    EXPECT(0, open_at(&b, "f}1", own, SIZE));
    CHECK(b.reg.nr_mem_id == a.reg.nr_mem_id);
    for (uint32_t i = 0; i < 200 && failures == 0; i++) {
      send_one(&b, i);
      CHECK(receive_one(&b, i + 1) != 0);
    }
    _exit(failures == 0 ? 0 : 1);
  }
  for (uint32_t i = 0; i < 200 && failures == 0; i++) {
    CHECK(receive_one(&a, i) != 0);
    send_one(&a, i + 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  close(a.fd);
  // The file itself is as it was: its bytes are not netmap's.
  munmap(memory, SIZE);
  memory = file_of(path, 0);
  for (int i = 0; i < SIZE; i += PAGE) CHECK(memory[i] == 0);
  munmap(memory, SIZE);
}

static void hugepages(void) {
  char* memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (memory == MAP_FAILED) return;
  struct port a, b;
  EXPECT(EINVAL, open_at(&a, "vale0:h", memory, SIZE - PAGE));
  EXPECT(0, open_at(&a, "vale0:h", memory, SIZE));
  EXPECT(0, port_open(&b, "vale0:far", REG_ALL_NIC, 0));
  exchange(&a, &b);
  port_close(&b);
  close(a.fd);
  munmap(memory, SIZE);
}

static pthread_barrier_t barrier;
static char* common;

struct thread {
  char name[16];
  struct port port;
  int error;
};

static void* opens(void* argument) {
  struct thread* thread = argument;
  struct nmreq_opt_extmem option = option_of(common, SIZE);
  pthread_barrier_wait(&barrier);
  thread->error = open_in(&thread->port, thread->name, &option) == 0 ? 0 : errno;
  CHECK((int)option.nro_opt.nro_status == thread->error);
  return NULL;
}

/// Threads that give the same memory at the same time: all that are not refused lie in one region, and that is there.
static void at_once(void) {
  enum { THREADS = 2, TIMES = 40 };
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int round = 0; round < TIMES && failures == 0; round++) {
    common = memory_of(SIZE, MAP_PRIVATE);
    struct thread threads[THREADS] = {{.name = "vale0:t0"}, {.name = "vale0:t1"}};
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&ids[i], NULL, opens, &threads[i]) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(ids[i], NULL);
    int opened = 0;
    uint16_t region = 0;
    for (int i = 0; i < THREADS; i++) {
      const struct thread* t = &threads[i];
      CHECK(t->error == 0 || t->error == EBUSY);
      if (t->error != 0) continue;
      CHECK(opened++ == 0 || t->port.reg.nr_mem_id == region);
      region = t->port.reg.nr_mem_id;
      CHECK(strcmp(t->port.nifp->ni_name, t->name) == 0);
      close(t->port.fd);
    }
    CHECK(opened > 0);
    munmap(common, SIZE);
  }
  pthread_barrier_destroy(&barrier);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int before = descriptors();
  traffic();
  odd_memory();
  other_kinds();
  files(argv[1]);
  hugepages();
  at_once();
  CHECK(descriptors() == before);
  return verdict();
}
