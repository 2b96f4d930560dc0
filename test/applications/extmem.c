// Memory of the program's own as a port's (NETMAP_REQ_OPT_EXTMEM): what is refused, and what is given.
#include "extmem.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "csb.h"

/// One that is refused leaves the memory as it was. The option's status says the same.
static void refused_as(int error, const char* name, struct nmreq_opt_extmem option) {
  struct port port;
  const uint64_t pointer = option.nro_usrptr;
  EXPECT(error, open_in(&port, name, &option));
  CHECK((int)option.nro_opt.nro_status == error && option.nro_usrptr == pointer);
}

static void addresses(void) {
  char* memory = memory_of(SIZE, MAP_PRIVATE);
  memset(memory, 0x5a, SIZE);
  refused_as(EFAULT, "vale0:x", option_of(NULL, SIZE));
  refused_as(EFAULT, "vale0:x", option_of((void*)(uintptr_t)(UINT64_MAX - PAGE + 1), SIZE));
  refused_as(EFAULT, "vale0:x", option_of(memory, UINT64_MAX));
  refused_as(EFAULT, "vale0:x", option_of(memory, SIZE + (1ull << 40)));
  refused_as(EINVAL, "vale0:x", option_of(memory + 8, SIZE - PAGE));
  refused_as(ENOMEM, "vale0:x", option_of(memory, 0));
  refused_as(ENOMEM, "vale0:x", option_of(memory, PAGE - 1));
  refused_as(ENOMEM, "vale0:x", option_of(memory, PAGE));
  // The stack that this runs on, and the part of it that nobody has touched.
  char here[2 * PAGE];
  memset(here, 1, sizeof here);
  char* page = (char*)(((uintptr_t)here + PAGE - 1) / PAGE * PAGE);
  refused_as(EFAULT, "vale0:x", option_of(page, PAGE));
  refused_as(EFAULT, "vale0:x", option_of(page - 16 * PAGE, 64 * PAGE));
  CHECK(here[0] == 1 && here[sizeof here - 1] == 1);
  // A page that may not be written, one that may not be touched, and one that is not there.
  EXPECT(0, mprotect(memory + SIZE / 2, PAGE, PROT_READ));
  refused_as(EFAULT, "vale0:x", option_of(memory, SIZE));
  EXPECT(0, mprotect(memory + SIZE / 2, PAGE, PROT_NONE));
  refused_as(EFAULT, "vale0:x", option_of(memory, SIZE));
  EXPECT(0, munmap(memory + SIZE / 2, PAGE));
  refused_as(EFAULT, "vale0:x", option_of(memory, SIZE));
  for (int i = 0; i < SIZE; i += PAGE) CHECK(i == SIZE / 2 || memory[i] == 0x5a);
  munmap(memory, SIZE);
}

static void pools(void) {
  char* memory = memory_of(SIZE, MAP_SHARED);
  memset(memory, 0x5a, SIZE);
  static const struct {
    uint32_t ifs, if_size, rings, ring_size, bufs, buf_size;
    int error;
  } kCases[] = {
      {20000, 0, 0, 0, 0, 0, EINVAL}, {0, 8192, 0, 0, 0, 0, EINVAL},       {0, 0, 1, 0, 0, 0, EINVAL},
      {0, 0, 5000, 0, 0, 0, EINVAL},  {0, 0, 0, 1 << 20, 0, 0, EINVAL},    {0, 0, 0, 100, 0, 0, EINVAL},
      {0, 0, 0, 0, 3, 0, EINVAL},     {0, 0, 0, 0, UINT32_MAX, 0, EINVAL}, {0, 0, 0, 0, 0, 63, EINVAL},
      {0, 0, 0, 0, 0, 65537, EINVAL}, {0, 0, 1024, 131072, 0, 0, ENOMEM},
  };
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    struct nmreq_opt_extmem option = option_of(memory, SIZE);
    option.nro_info.nr_if_pool_objtotal = kCases[i].ifs;
    option.nro_info.nr_if_pool_objsize = kCases[i].if_size;
    option.nro_info.nr_ring_pool_objtotal = kCases[i].rings;
    option.nro_info.nr_ring_pool_objsize = kCases[i].ring_size;
    option.nro_info.nr_buf_pool_objtotal = kCases[i].bufs;
    option.nro_info.nr_buf_pool_objsize = kCases[i].buf_size;
    refused_as(kCases[i].error, "vale0:x", option);
  }
  // Twice.
  struct nmreq_opt_extmem two[2] = {option_of(memory, SIZE), option_of(memory, SIZE)};
  two[0].nro_opt.nro_next = (uint64_t)(uintptr_t)&two[1];
  struct port port;
  EXPECT(EINVAL, open_in(&port, "vale0:x", &two[0]));
  CHECK(two[0].nro_opt.nro_status == EINVAL && two[1].nro_opt.nro_status == EINVAL);
  // With one that nobody knows: nothing is in its place.
  two[0] = option_of(memory, SIZE);
  two[1] = (struct nmreq_opt_extmem){.nro_opt.nro_reqtype = 1234};
  two[0].nro_opt.nro_next = (uint64_t)(uintptr_t)&two[1];
  EXPECT(EOPNOTSUPP, open_in(&port, "vale0:x", &two[0]));
  // Rings that are too short for what the port is to have: the memory is good, the register is not.
  struct nmreq_opt_extmem option = option_of(memory, SIZE);
  option.nro_info.nr_ring_pool_objsize = 512;
  CHECK(open_in(&port, "vale0:x", &option) < 0 && option.nro_opt.nro_status == 0);
  EXPECT(EINVAL, open_at(&port, "no such name", memory, SIZE));
  EXPECT(EBUSY, open_at(&port, "vale0:1", memory, SIZE));
  // Ports that have a region already.
  struct port there;
  EXPECT(0, port_open(&there, "vale0:there", REG_ALL_NIC, 0));
  EXPECT(EINVAL, open_at(&port, "vale0:there", memory, SIZE));
  port_close(&there);
  EXPECT(0, port_open(&there, "q{1", REG_ALL_NIC, 0));
  EXPECT(EINVAL, open_at(&port, "q}1", memory, SIZE));
  port_close(&there);
  for (int i = 0; i < SIZE; i += PAGE) CHECK(memory[i] == 0x5a);
  munmap(memory, SIZE);
}

/// What the host has agreed to and the library cannot do: the register is given back, and the memory is as it was.
static void given_back(void) {
  char* memory = memory_of(SIZE, MAP_SHARED);
  memset(memory, 0x5a, SIZE);
  struct nmreq_opt_extmem option = option_of(memory, SIZE);
  struct {
    struct nmreq_option header;
    uint64_t atok, ktoa;
  } csb = {{.nro_reqtype = OPT_CSB}, 64, 128};
  option.nro_opt.nro_next = (uint64_t)(uintptr_t)&csb;
  struct port port;
  EXPECT(EFAULT, port_open_with(&port, "vale0:x", REG_ALL_NIC, FLAG_EXCLUSIVE, &option.nro_opt));
  CHECK(csb.header.nro_status == EFAULT);
  const int fd = open("/dev/netmap", O_RDWR);
  struct rlimit all, none;
  CHECK(getrlimit(RLIMIT_AS, &all) == 0);
  none = all;
  none.rlim_cur = SIZE;
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  option = option_of(memory, SIZE);
  EXPECT(ENOMEM, open_short(&port, "vale0:x", &option));
  CHECK(setrlimit(RLIMIT_AS, &all) == 0);
  for (int i = 0; i < SIZE; i++) CHECK(memory[i] == 0x5a || failures > 9);
  EXPECT(0, open_short(&port, "vale0:x", &option));
  close(port.fd);
  close(fd);
  munmap(memory, SIZE);
}

/// As netmap's own check does it: sizes that add up to the memory, which ends within a page.
static void what_is_given(void) {
  char* memory = memory_of(SIZE, MAP_SHARED);
  memset(memory, 0x5a, SIZE);
  struct nmreq_opt_extmem option = option_of(memory, 2 * 1024 + 64 * 512 + 4096 * 2048);
  const uint64_t memsize = option.nro_info.nr_memsize;
  option.nro_info.nr_if_pool_objtotal = 2;
  option.nro_info.nr_if_pool_objsize = 1024;
  option.nro_info.nr_ring_pool_objtotal = 64;
  option.nro_info.nr_ring_pool_objsize = 512;
  option.nro_info.nr_buf_pool_objtotal = 4096;
  option.nro_info.nr_buf_pool_objsize = 2048;
  struct port port;
  EXPECT(0, open_short(&port, "vale0:0", &option));
  const struct nmreq_register reg = port.reg;
  const struct nmreq_pools_info* info = &option.nro_info;
  CHECK(option.nro_opt.nro_status == 0 && option.nro_usrptr == (uint64_t)(uintptr_t)memory &&
        info->nr_memsize == memsize && info->nr_mem_id == reg.nr_mem_id && reg.nr_memsize <= memsize);
  CHECK(info->nr_if_pool_objtotal >= 2 && info->nr_if_pool_objsize == 1024 && info->nr_if_pool_offset == 0);
  CHECK(info->nr_ring_pool_objtotal == 64 && info->nr_ring_pool_objsize == 512);
  CHECK(info->nr_buf_pool_objtotal > 4000 && info->nr_buf_pool_objtotal <= 4096 && info->nr_buf_pool_objsize == 2048);
  CHECK(strcmp(port.nifp->ni_name, "vale0:0") == 0 && first_tx(&port)->num_slots == 16);
  CHECK(first_tx(&port)->buf_ofs + ((char*)first_tx(&port) - memory) == (int64_t)info->nr_buf_pool_offset);
  // What is not the region's is as it was.
  CHECK(memory[memsize] == 0x5a && memory[SIZE - 1] == 0x5a);
  for (uint64_t i = reg.nr_memsize; i < SIZE; i += PAGE) CHECK(memory[i] == 0x5a);
  // The descriptor shows the same memory elsewhere.
  char* other = mmap(NULL, reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
  CHECK(other != MAP_FAILED && memcmp(other, memory, reg.nr_memsize) == 0);
  char* buffer = buffer_of(first_tx(&port), first_tx(&port)->slot[0].buf_idx);
  memcpy(buffer, "here and there", 15);
  CHECK(strcmp(other + (buffer - memory), "here and there") == 0);
  munmap(other, reg.nr_memsize);

  // A second register with it finds it.
  struct port same;
  struct nmreq_opt_extmem again = option_of(memory, memsize);
  EXPECT(0, open_short(&same, "vale0:same", &again));
  CHECK(memcmp(&again.nro_info, info, sizeof *info) == 0);
  CHECK(same.reg.nr_mem_id == reg.nr_mem_id && same.reg.nr_memsize == reg.nr_memsize);
  CHECK(strcmp(buffer, "here and there") == 0);
  refused_as(EBUSY, "vale0:third", option_of(memory, reg.nr_memsize - PAGE));
  CHECK(strcmp(buffer, "here and there") == 0);
  close(same.fd);
  // The region stays while somebody lies in it, whoever came first.
  EXPECT(0, open_short(&same, "vale0:same", &again));
  close(port.fd);
  struct port back;
  EXPECT(0, open_short(&back, "vale0:0", &again));
  CHECK(back.reg.nr_mem_id == reg.nr_mem_id);
  close(back.fd);
  close(same.fd);
  munmap(memory, SIZE);
}

/// From now on large shared mappings fail: those in the place of another one with EINVAL, as in the place of hugepages;
/// the others with `others`, when that is not 0.
static void restrict_mappings(int others) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1 << 20, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED | MAP_FIXED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, others != 0 ? SECCOMP_RET_ERRNO | (uint32_t)others : SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof program / sizeof *program, program};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

/// Memory of which nothing can be replaced in part, as hugepages: what cannot be had leaves it as it was.
static void in_one_piece(void) {
  if (fork() == 0) {
    char* memory = memory_of(SIZE, MAP_PRIVATE);
    memset(memory, 0x5a, SIZE);
    struct port a, b;
    EXPECT(0, port_open(&b, "vale0:far", REG_ALL_NIC, 0));
    restrict_mappings(0);
    struct nmreq_opt_extmem option = option_of(memory, SIZE);
    EXPECT(0, open_short(&a, "vale0:piece", &option));
    CHECK(first_tx(&a)->num_slots == 16);
    exchange(&a, &b);
    CHECK(memory[SIZE - 1] == 0);
    close(a.fd);
    // As when the host has gone between.
    memset(memory, 0x5a, SIZE);
    restrict_mappings(ENODEV);
    option = option_of(memory, SIZE);
    EXPECT(ENODEV, open_short(&a, "vale0:piece", &option));
    for (int i = 0; i < SIZE; i += PAGE) CHECK(memory[i] == 0x5a || failures > 9);
    _exit(failures != 0);
  }
  int status = -1;
  CHECK(wait(&status) > 0 && status == 0);
}

int main(void) {
  const int before = descriptors();
  addresses();
  pools();
  given_back();
  what_is_given();
  in_one_piece();
  CHECK(descriptors() == before);
  return verdict();
}
