// Memory of the program's own as a port's (NETMAP_REQ_OPT_EXTMEM): what is refused, what is given, and packets.
// `extmem FILE`: a file of the program's own, which is made.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

enum { PAGE = 4096, SIZE = 12 << 20, SMALL = 4 << 20, LENGTH = 200 };

static struct nmreq_opt_extmem option_of(const void* memory, uint64_t size) {
  struct nmreq_opt_extmem option = {.nro_opt.nro_reqtype = OPT_EXTMEM, .nro_usrptr = (uint64_t)(uintptr_t)memory};
  option.nro_info.nr_memsize = size;
  return option;
}

/// As clients' libraries do it: what they use is their own memory, nothing is mapped.
static int open_in(struct port* port, const char* name, struct nmreq_opt_extmem* option) {
  if (port_open_with(port, name, REG_ALL_NIC, 0, &option->nro_opt) != 0) return -1;
  munmap(port->memory, port->reg.nr_memsize);
  port->memory = (char*)(uintptr_t)option->nro_usrptr;
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

static int open_at(struct port* port, const char* name, void* memory, uint64_t size) {
  struct nmreq_opt_extmem option = option_of(memory, size);
  return open_in(port, name, &option);
}

static void* memory_of(uint64_t size, int flags) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

static void fill(char* packet, uint32_t number) {
  memset(packet, 0xff, 6);
  memcpy(packet + 6, "\x02\0\0\0\x7f\x02\x88\xb5", 8);
  for (uint32_t i = 14; i < LENGTH; i++) packet[i] = (char)(i * 31 + number);
}

static int is_filled(const char* packet, uint32_t number) {
  char wanted[LENGTH];
  fill(wanted, number);
  return memcmp(packet, wanted, LENGTH) == 0;
}

static void send_one(struct port* port, uint32_t number) {
  struct netmap_ring* ring = first_tx(port);
  struct netmap_slot* slot = &ring->slot[ring->head];
  fill(buffer_of(ring, slot->buf_idx), number);
  slot->len = LENGTH;
  slot->flags = 0;
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCTXSYNC));
}

/// The buffer that it came in; 0: none came within a second.
static uint32_t receive_one(struct port* port, uint32_t number) {
  struct pollfd entry = {port->fd, POLLIN, 0};
  if (poll(&entry, 1, 1000) != 1) return 0;
  struct netmap_ring* ring = first_rx(port);
  struct netmap_slot* slot = &ring->slot[ring->head];
  const uint32_t index = slot->buf_idx;
  CHECK(slot->len == LENGTH && is_filled(buffer_of(ring, index), number));
  ring->head = ring->cur = next_of(ring, ring->head);
  EXPECT(0, ioctl(port->fd, NIOCRXSYNC));
  return index;
}

static void exchange(struct port* a, struct port* b) {
  for (uint32_t i = 0; i < 2000; i++) {
    send_one(a, i);
    CHECK(receive_one(b, i) != 0);
    send_one(b, i + 7);
    CHECK(receive_one(a, i + 7) != 0);
    if (failures > 0) return;
  }
}

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
      {20000, 0, 0, 0, 0, 0, EINVAL}, {0, 8192, 0, 0, 0, 0, EINVAL},    {0, 0, 1, 0, 0, 0, EINVAL},
      {0, 0, 5000, 0, 0, 0, EINVAL},  {0, 0, 0, 1 << 20, 0, 0, EINVAL}, {0, 0, 0, 100, 0, 0, EINVAL},
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

/// One that asks for rings of 16 slots.
static int open_short(struct port* port, const char* name, struct nmreq_opt_extmem* option) {
  *port = (struct port){.fd = open("/dev/netmap", O_RDWR), .memory = (char*)(uintptr_t)option->nro_usrptr};
  port->reg = (struct nmreq_register){.nr_mode = REG_ALL_NIC, .nr_tx_slots = 16, .nr_rx_slots = 16, .nr_mem_id = 4711};
  struct nmreq_header header = {.nr_version = 15,
                                .nr_reqtype = REQ_REGISTER,
                                .nr_options = (uint64_t)(uintptr_t)option,
                                .nr_body = (uint64_t)(uintptr_t)&port->reg};
  strncpy(header.nr_name, name, sizeof header.nr_name - 1);
  if (ioctl(port->fd, NIOCCTRL, &header) != 0) {
    const int error = errno;
    close(port->fd);
    errno = error;
    return -1;
  }
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
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
    for (uint32_t i = 0; i < 1000 && failures == 0; i++) {
      send_one(&b, i);
      CHECK(receive_one(&b, i + 1) != 0);
    }
    _exit(failures == 0 ? 0 : 1);
  }
  for (uint32_t i = 0; i < 1000 && failures == 0; i++) {
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

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  addresses();
  pools();
  what_is_given();
  traffic();
  files(argv[1]);
  hugepages();
  return verdict();
}
