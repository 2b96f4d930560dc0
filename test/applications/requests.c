// Every request and every refusal, with its error number. The host has: a VM on vale0:1, a port null:b with 2 tx and 3
// rx rings, and nothing else that is made before it is opened.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

static const char* const kNowhere = (const char*)16;

static int open_device(void) {
  int fd = open("/dev/netmap", O_RDWR);
  CHECK(fd >= 0);
  return fd;
}

static struct nmreq_header header_of(uint16_t reqtype, const char* name, void* body) {
  struct nmreq_header header = {.nr_version = 15, .nr_reqtype = reqtype, .nr_body = (uint64_t)(uintptr_t)body};
  strncpy(header.nr_name, name, sizeof header.nr_name - 1);
  return header;
}

static int poll_for(int fd, short events) {
  struct pollfd entry = {fd, events, 0};
  return poll(&entry, 1, 0) < 0 ? -1 : entry.revents;
}

static void opening(void) {
  int fds[] = {open("/dev/netmap", O_RDWR | O_CLOEXEC), open64("/dev/netmap", O_RDWR | O_NONBLOCK),
               openat(AT_FDCWD, "/dev/netmap", O_RDWR), openat64(AT_FDCWD, "/dev/netmap", O_RDWR)};
  for (int i = 0; i < 4; i++) CHECK(fds[i] >= 0);
  CHECK(fcntl(fds[0], F_GETFD) == FD_CLOEXEC && fcntl(fds[1], F_GETFD) == 0);
  CHECK((fcntl(fds[1], F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fds[0], F_GETFL) & O_NONBLOCK) == 0);
  for (int i = 0; i < 4; i++) EXPECT(0, close(fds[i]));
  EXPECT(EBADF, close(fds[0]));
  EXPECT(ENOENT, open("/dev/netmap-is-not-this", O_RDWR));
}

static void before_a_register(void) {
  int fd = open_device();
  EXPECT(ENXIO, ioctl(fd, NIOCTXSYNC));
  EXPECT(ENXIO, ioctl(fd, NIOCRXSYNC));
  EXPECT(EINVAL, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
  CHECK(poll_for(fd, POLLIN | POLLOUT) == POLLERR);
  EXPECT(EINVAL, ioctl(fd, NIOCCTRL, NULL));
  EXPECT(EOPNOTSUPP, ioctl(fd, _IO('i', 200), NULL));
  EXPECT(EOPNOTSUPP, ioctl(fd, 0x5401 /* TCGETS */, NULL));
  // Those that the kernel answers whatever the device.
  int on = 1, off = 0;
  EXPECT(0, ioctl(fd, FIONBIO, &on));
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  EXPECT(0, ioctl(fd, FIONBIO, &off));
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  EXPECT(0, ioctl(fd, FIOCLEX));
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  EXPECT(0, ioctl(fd, FIONCLEX));
  CHECK(fcntl(fd, F_GETFD) == 0);
  close(fd);
}

static void pointers_to_nowhere(void) {
  int fd = open_device();
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC};
  EXPECT(EFAULT, ioctl(fd, NIOCCTRL, kNowhere));
  struct nmreq_header header = header_of(REQ_REGISTER, "vale0:a", (void*)kNowhere);
  EXPECT(EFAULT, ioctl(fd, NIOCCTRL, &header));
  header = header_of(REQ_REGISTER, "vale0:a", NULL);
  EXPECT(EINVAL, ioctl(fd, NIOCCTRL, &header));
  header = header_of(REQ_REGISTER, "vale0:a", &reg);
  header.nr_options = (uint64_t)(uintptr_t)kNowhere;
  EXPECT(EFAULT, ioctl(fd, NIOCCTRL, &header));
  CHECK(header.nr_body == (uint64_t)(uintptr_t)&reg && header.nr_options == (uint64_t)(uintptr_t)kNowhere);
  memset(header.nr_name, 'v', sizeof header.nr_name);
  header.nr_options = 0;
  EXPECT(EINVAL, ioctl(fd, NIOCCTRL, &header));
  close(fd);
}

static void versions_and_types(void) {
  static const struct {
    int version, type, error;
  } kCases[] = {{0, 1, EINVAL},  {10, 1, EINVAL},  {13, 1, EINVAL},   {16, 1, EINVAL},
                {15, 0, EINVAL}, {15, 16, EINVAL}, {15, 999, EINVAL}, {14, 1, 0}};
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++) {
    int fd = open_device();
    struct nmreq_register reg = {.nr_mode = REG_ALL_NIC};
    struct nmreq_header header = header_of((uint16_t)kCases[i].type, "vale0:a", &reg);
    header.nr_version = (uint16_t)kCases[i].version;
    EXPECT(kCases[i].error, ioctl(fd, NIOCCTRL, &header));
    close(fd);
  }
}

static void options(void) {
  int fd = open_device();
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC};
  struct nmreq_header header = header_of(REQ_REGISTER, "vale0:a", &reg);
  struct nmreq_option two[2] = {{.nro_reqtype = 1234}, {.nro_reqtype = 1234}};
  header.nr_options = (uint64_t)(uintptr_t)two;
  EXPECT(EOPNOTSUPP, ioctl(fd, NIOCCTRL, &header));
  CHECK(two[0].nro_status == EOPNOTSUPP && two[0].nro_next == 0);
  CHECK(header.nr_options == (uint64_t)(uintptr_t)two);
  two[0].nro_next = (uint64_t)(uintptr_t)&two[1];
  EXPECT(EOPNOTSUPP, ioctl(fd, NIOCCTRL, &header));
  CHECK(two[0].nro_status == EOPNOTSUPP && two[1].nro_status == EOPNOTSUPP);
  // One that is known, twice.
  two[0].nro_reqtype = two[1].nro_reqtype = 5;
  EXPECT(EINVAL, ioctl(fd, NIOCCTRL, &header));
  CHECK(two[0].nro_status == EINVAL && two[1].nro_status == EINVAL);
  two[0].nro_reqtype = two[1].nro_reqtype = 77;
  two[1].nro_next = (uint64_t)(uintptr_t)&two[0];
  EXPECT(EMSGSIZE, ioctl(fd, NIOCCTRL, &header));
  two[0].nro_next = 0;
  two[0].nro_reqtype = 2;  // of any length
  two[0].nro_size = UINT64_MAX;
  EXPECT(EMSGSIZE, ioctl(fd, NIOCCTRL, &header));
  // What was refused has not been registered.
  EXPECT(ENXIO, ioctl(fd, NIOCTXSYNC));
  close(fd);
}

static void names(void) {
  static const struct {
    const char* name;
    int error;
  } kNames[] = {
      {"", EINVAL},
      {"vale0", ENXIO},
      {"vale0:", EINVAL},
      {"vale:1", 0},
      {"vale0:a b", EINVAL},
      {"vale0:1", EBUSY},
      {"vale9:1", 0},
      {"netmap:", EINVAL},
      {"nosuch0", ENXIO},
      {"netmap:nosuch0", ENXIO},
      {"a{1", 0},
      {"a}1", 0},
      {"a{", EINVAL},
      {"{1", EINVAL},
      {"a{1{2", EINVAL},
      {"null:x", 0},
      {"echo:x", 0},
      {"null:", EINVAL},
      {"tap:x", ENXIO},
      {"../../x", EINVAL},
      {"netmap:vale0:z", 0},
      {"netmap:null:x", 0},
      {"vale0:\xff", EINVAL},
  };
  for (size_t i = 0; i < sizeof kNames / sizeof *kNames; i++) {
    struct port port;
    errno = 0;
    int got = port_open(&port, kNames[i].name, REG_ALL_NIC, 0) < 0 ? errno : 0;
    if (got == 0) port_close(&port);
    if (got == kNames[i].error) continue;
    failures++;
    fprintf(stderr, "'%s': %s, not %s\n", kNames[i].name, strerror(got), strerror(kNames[i].error));
  }
}

static void what_a_register_shows(void) {
  struct port port;
  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  const struct nmreq_register* reg = &port.reg;
  CHECK(reg->nr_memsize > 0 && reg->nr_offset < reg->nr_memsize && reg->nr_mem_id != 0);
  CHECK(reg->nr_tx_rings == 1 && reg->nr_rx_rings == 1 && reg->nr_tx_slots == 1024 && reg->nr_rx_slots == 1024);
  CHECK(strcmp(port.nifp->ni_name, "vale0:a") == 0 && port.nifp->ni_version == 15 && port.nifp->ni_tx_rings == 1);
  CHECK(port.nifp->ni_rx_rings == 1 && port.nifp->ni_host_tx_rings == 1 && port.nifp->ni_host_rx_rings == 1);
  CHECK(port.nifp->ring_ofs[0] != 0 && port.nifp->ring_ofs[1] == 0 && port.nifp->ring_ofs[2] != 0 &&
        port.nifp->ring_ofs[3] == 0);
  struct netmap_ring *tx = tx_ring(&port, 0), *rx = rx_ring(&port, 0);
  CHECK(tx->num_slots == 1024 && tx->nr_buf_size == 2048 && tx->head == 0 && tx->cur == 0 && tx->tail == 1023);
  CHECK(rx->num_slots == 1024 && rx->head == 0 && rx->cur == 0 && rx->tail == 0 && rx->ringid == 0);
  EXPECT(EBUSY, control(port.fd, REQ_REGISTER, "vale0:b", &port.reg));
  EXPECT(EINVAL, mmap(NULL, reg->nr_memsize + 4096, PROT_READ, MAP_SHARED, port.fd, 0) == MAP_FAILED ? -1 : 0);
  EXPECT(EINVAL, mmap(NULL, 4096, PROT_READ, MAP_SHARED, port.fd, (off_t)reg->nr_memsize) == MAP_FAILED ? -1 : 0);
  char* part = mmap(NULL, 4096, PROT_READ, MAP_SHARED, port.fd, 4096);
  CHECK(part != MAP_FAILED && memcmp(part, port.memory + 4096, 4096) == 0);
  munmap(part, 4096);
  port_close(&port);
}

static void modes_and_flags(void) {
  struct port port;
  static const struct {
    uint32_t mode;
    uint64_t flags;
    int error;
  } kCases[] = {{0, 0, EINVAL},          {9, 0, EINVAL},
                {REG_SW, 0, EINVAL},     {REG_NIC_SW, 0, EINVAL},
                {REG_ONE_SW, 0, EINVAL}, {REG_ALL_NIC, FLAG_RX_RINGS_ONLY | FLAG_TX_RINGS_ONLY, EINVAL}};
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; i++)
    EXPECT(kCases[i].error, port_open(&port, "null:b", kCases[i].mode, kCases[i].flags));

  EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, FLAG_RX_RINGS_ONLY));
  CHECK(first_tx(&port) == NULL && rx_ring(&port, 2) != NULL);
  CHECK(poll_for(port.fd, POLLOUT) == 0);
  port_close(&port);
  EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, FLAG_TX_RINGS_ONLY));
  CHECK(tx_ring(&port, 1) != NULL && first_rx(&port) == NULL && poll_for(port.fd, POLLOUT | POLLIN) == POLLOUT);
  port_close(&port);

  // Whatever its name, it is nobody's port.
  EXPECT(0, port_open(&port, "null:b", REG_NULL, 0));
  CHECK(first_tx(&port) == NULL && first_rx(&port) == NULL && port.reg.nr_tx_rings == 1 && port.reg.nr_rx_rings == 1);
  EXPECT(0, ioctl(port.fd, NIOCTXSYNC));
  EXPECT(0, ioctl(port.fd, NIOCRXSYNC));
  port_close(&port);
}

static int register_ring(int fd, uint16_t ring, uint64_t flags) {
  struct nmreq_register reg = {.nr_mode = REG_ONE_NIC, .nr_ringid = ring, .nr_flags = flags};
  return control(fd, REQ_REGISTER, "null:b", &reg);
}

static void one_ring_each(void) {
  int fds[4];
  for (int i = 0; i < 4; i++) fds[i] = open_device();
  EXPECT(EINVAL, register_ring(fds[0], 3, 0));
  EXPECT(0, register_ring(fds[0], 0, FLAG_EXCLUSIVE));
  // There are two tx rings: for the third pair the first one stands.
  EXPECT(EBUSY, register_ring(fds[1], 2, 0));
  EXPECT(0, register_ring(fds[1], 2, FLAG_EXCLUSIVE | FLAG_RX_RINGS_ONLY));
  EXPECT(EBUSY, register_ring(fds[2], 0, FLAG_EXCLUSIVE));
  EXPECT(EBUSY, register_ring(fds[2], 0, 0));
  EXPECT(0, register_ring(fds[2], 1, 0));
  EXPECT(EBUSY, register_ring(fds[3], 1, FLAG_EXCLUSIVE));
  EXPECT(0, register_ring(fds[3], 1, 0));
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC};
  int other = open_device();
  EXPECT(EBUSY, control(other, REQ_REGISTER, "null:b", &reg));
  CHECK(poll_for(fds[1], POLLOUT) == 0);
  CHECK(poll_for(fds[2], POLLOUT) == POLLOUT);
  for (int i = 0; i < 4; i++) close(fds[i]);
  // Whoever closes and opens again does not meet himself.
  EXPECT(0, control(other, REQ_REGISTER, "null:b", &reg));
  CHECK(poll_for(other, POLLOUT) == POLLOUT);
  close(other);
}

static void what_is_asked_for(void) {
  struct port port, same;
  int fd = open_device();
  struct nmreq_register reg = {.nr_mode = REG_ALL_NIC, .nr_tx_slots = 512, .nr_rx_rings = 2, .nr_extra_bufs = 8};
  EXPECT(0, control(fd, REQ_REGISTER, "vale0:own", &reg));
  CHECK(reg.nr_tx_slots == 512 && reg.nr_rx_slots == 1024 && reg.nr_tx_rings == 1 && reg.nr_rx_rings == 2);
  CHECK(reg.nr_extra_bufs == 8);
  char* memory = mmap(NULL, reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  struct netmap_if* nifp = (struct netmap_if*)(memory + reg.nr_offset);
  struct netmap_ring* ring = (struct netmap_ring*)((char*)nifp + nifp->ring_ofs[0]);
  uint32_t index = nifp->ni_bufs_head, count = 0;
  while (index != 0 && count < 100) {
    index = *(uint32_t*)(void*)buffer_of(ring, index);
    count++;
  }
  CHECK(count == 8 && index == 0);

  struct nmreq_register other = {.nr_mode = REG_ALL_NIC, .nr_tx_slots = 256};
  int second = open_device();
  EXPECT(EINVAL, control(second, REQ_REGISTER, "vale0:own", &other));
  other = (struct nmreq_register){.nr_mode = REG_ALL_NIC, .nr_mem_id = 999};
  EXPECT(EINVAL, control(second, REQ_REGISTER, "vale0:other", &other));
  other.nr_mem_id = reg.nr_mem_id;
  EXPECT(0, control(second, REQ_REGISTER, "vale0:other", &other));
  CHECK(other.nr_mem_id == reg.nr_mem_id && other.nr_memsize == reg.nr_memsize && other.nr_offset != reg.nr_offset);
  // More than there are: as many as there are.
  int third = open_device();
  other = (struct nmreq_register){.nr_mode = REG_ALL_NIC, .nr_mem_id = reg.nr_mem_id, .nr_extra_bufs = 900000};
  EXPECT(0, control(third, REQ_REGISTER, "vale0:own", &other));
  CHECK(other.nr_extra_bufs > 0 && other.nr_extra_bufs <= 32768);
  munmap(memory, reg.nr_memsize);
  close(third);
  close(second);
  close(fd);

  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&same, "vale0:a", REG_ALL_NIC, 0));
  CHECK(port.reg.nr_mem_id == same.reg.nr_mem_id && port.reg.nr_offset != same.reg.nr_offset);
  port_close(&same);
  CHECK(poll_for(port.fd, POLLOUT) == POLLOUT);
  port_close(&port);
}

static void information(void) {
  struct port port;
  int fd = open_device();
  struct nmreq_port_info_get info = {0};
  EXPECT(0, control(fd, REQ_PORT_INFO_GET, "null:b", &info));
  CHECK(info.nr_tx_rings == 2 && info.nr_rx_rings == 3 && info.nr_tx_slots == 1024 && info.nr_memsize > 0);
  EXPECT(EBUSY, control(fd, REQ_PORT_INFO_GET, "vale0:1", &info));
  info = (struct nmreq_port_info_get){0};
  EXPECT(ENXIO, control(fd, REQ_PORT_INFO_GET, "vale0", &info));
  struct nmreq_pools_info pools = {0};
  EXPECT(EINVAL, control(fd, REQ_POOLS_INFO_GET, "", &pools));
  EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, 0));
  EXPECT(0, control(port.fd, REQ_POOLS_INFO_GET, "null:b", &pools));
  CHECK(pools.nr_memsize == port.reg.nr_memsize && pools.nr_mem_id == port.reg.nr_mem_id &&
        pools.nr_if_pool_offset == 0);
  CHECK(pools.nr_ring_pool_offset > 0 && pools.nr_buf_pool_offset > pools.nr_ring_pool_offset);
  CHECK(pools.nr_buf_pool_objsize == 2048 && pools.nr_buf_pool_objtotal >= 4098);
  CHECK(first_tx(&port)->buf_ofs + ((char*)first_tx(&port) - port.memory) == (int64_t)pools.nr_buf_pool_offset);
  port_close(&port);

  struct nmreq_vale_list list = {0};
  EXPECT(ENOENT, control(fd, REQ_VALE_LIST, "vale0:nobody", &list));
  EXPECT(0, control(fd, REQ_VALE_LIST, "vale0:1", &list));
  struct nmreq_header header = header_of(REQ_VALE_LIST, "", &list);
  list = (struct nmreq_vale_list){0};
  EXPECT(0, ioctl(fd, NIOCCTRL, &header));
  CHECK(strcmp(header.nr_name, "vale0:1") == 0);
  list.nr_port_idx++;
  header = header_of(REQ_VALE_LIST, "", &list);
  EXPECT(ENOENT, ioctl(fd, NIOCCTRL, &header));
  close(fd);
}

static void header_lengths(void) {
  struct port port, other;
  struct nmreq_port_hdr header = {.nr_hdr_len = 12};
  int fd = open_device();
  EXPECT(ENXIO, control(fd, REQ_PORT_HDR_SET, "vale0:a", &header));
  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  for (uint32_t i = 0; i < 3; i++) {
    static const uint32_t kLengths[] = {12, 0, 10};
    header.nr_hdr_len = kLengths[i];
    EXPECT(0, control(fd, REQ_PORT_HDR_SET, "vale0:a", &header));
    header.nr_hdr_len = 77;
    EXPECT(0, control(fd, REQ_PORT_HDR_GET, "vale0:a", &header));
    CHECK(header.nr_hdr_len == kLengths[i]);
  }
  header.nr_hdr_len = 11;
  EXPECT(EINVAL, control(fd, REQ_PORT_HDR_SET, "vale0:a", &header));
  EXPECT(EIO, port_open(&other, "vale0:a", REG_ALL_NIC, 0));
  EXPECT(0, port_open(&other, "vale0:a", REG_ALL_NIC, FLAG_ACCEPT_VNET_HDR));
  port_close(&other);
  CHECK(poll_for(port.fd, POLLOUT) == POLLOUT);
  port_close(&port);
  close(fd);
}

static void polling(void) {
  struct port port;
  EXPECT(0, port_open(&port, "vale0:a", REG_ALL_NIC, 0));
  struct netmap_ring *tx = first_tx(&port), *rx = first_rx(&port);
  CHECK(poll_for(port.fd, POLLIN) == 0);
  CHECK(poll_for(port.fd, POLLIN | POLLOUT) == POLLOUT);
  rx->ts.tv_sec = 0;
  EXPECT(0, ioctl(port.fd, NIOCRXSYNC));
  CHECK(rx->ts.tv_sec > 1000000000);
  // Beyond what is ours: put right, and said.
  tx->head = tx->cur = 5000;
  CHECK((poll_for(port.fd, POLLOUT) & POLLERR) != 0 && tx->head == 0 && tx->cur == 0 && tx->tail == 1023);
  rx->head = 7;
  CHECK((poll_for(port.fd, POLLIN) & POLLERR) != 0 && rx->head == 0);
  tx->head = tx->cur = 1023;
  tx->tail = 3;
  EXPECT(0, ioctl(port.fd, NIOCTXSYNC));
  CHECK(poll_for(port.fd, POLLOUT) >= 0);
  struct pollfd both[2] = {{port.fd, POLLIN, 0}, {-1, POLLIN, 0}};
  CHECK(poll(both, 2, 20) == 0);
  int pipes[2];
  CHECK(pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1);
  both[1].fd = pipes[0];
  CHECK(poll(both, 2, -1) == 1 && both[0].revents == 0 && both[1].revents == POLLIN);
  close(pipes[0]);
  close(pipes[1]);
  port_close(&port);

  // Without tx poll nothing is sent but when it is asked for.
  EXPECT(0, port_open(&port, "null:b", REG_ALL_NIC, FLAG_NO_TX_POLL));
  tx = first_tx(&port);
  tx->head = tx->cur = 10;
  CHECK(poll_for(port.fd, POLLIN) == 0 && tx->tail == 1023);
  CHECK(poll_for(port.fd, POLLOUT) == POLLOUT);
  port_close(&port);
}

int main(void) {
  opening();
  before_a_register();
  pointers_to_nowhere();
  versions_and_types();
  options();
  names();
  what_a_register_shows();
  modes_and_flags();
  one_ring_each();
  what_is_asked_for();
  information();
  header_lengths();
  polling();
  return verdict();
}
