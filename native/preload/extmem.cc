// Which of the program's memory may be replaced is read from the kernel's list of its mappings: as the kernel would, we
// refuse what is not all there.
#include "extmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <initializer_list>

#include "calls.h"
#include "requests.h"

namespace ptnet::preload {
namespace {

/// What the host calls its regions' files.
constexpr char kRegionFile[] = "/memfd:ptnetmap-region-";
constexpr char kStack[] = "[stack]";
/// Of a number that is not that of a region's file, but made from a file of the program's.
constexpr uint64_t kOtherFile = 1ull << 63;

struct Mapping {
  uint64_t start, end, offset, device, inode;
  char permissions[4];  // as "rw-s"
  char path[32];        // what fits, with a zero at its end

  bool IsWritable() const { return permissions[0] == 'r' && permissions[1] == 'w'; }
  bool IsShared() const { return permissions[3] == 's'; }
  bool Begins(const char* with) const { return strncmp(path, with, strlen(with)) == 0; }
};

/// The mappings of this process, by their addresses.
class Mappings {
 public:
  Mappings() : fd_(Real().open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~Mappings() {
    if (fd_ >= 0) Real().close(fd_);
  }
  Mappings(const Mappings&) = delete;
  Mappings& operator=(const Mappings&) = delete;

  bool opened() const { return fd_ >= 0; }

  /// False: that was the last one.
  bool Next(Mapping* mapping) {
    if (Peek() < 0) return false;
    mapping->start = Number(16);
    mapping->end = Number(16);
    for (char& permission : mapping->permissions) permission = static_cast<char>(Take());
    (void)Take();
    mapping->offset = Number(16);
    const uint64_t major = Number(16);
    mapping->device = major << 32 | Number(16);
    mapping->inode = Number(10);
    while (Peek() == ' ') (void)Take();
    size_t length = 0;
    for (int c; (c = Take()) >= 0 && c != '\n';)
      if (length < sizeof mapping->path - 1) mapping->path[length++] = static_cast<char>(c);
    mapping->path[length] = 0;
    return true;
  }

 private:
  /// -1 at the end.
  int Peek() {
    if (at_ == size_) {
      ssize_t n;
      do n = read(fd_, bytes_, sizeof bytes_);
      while (n < 0 && errno == EINTR);
      at_ = 0;
      size_ = n > 0 ? static_cast<size_t>(n) : 0;
      if (size_ == 0) return -1;
    }
    return static_cast<unsigned char>(bytes_[at_]);
  }
  int Take() {
    const int c = Peek();
    if (c >= 0) at_++;
    return c;
  }
  /// And what ends it, unless that is the end of the line.
  uint64_t Number(unsigned base) {
    uint64_t value = 0;
    for (int c; (c = Peek()) >= 0 && c != '\n'; value = value * base + static_cast<unsigned>(Digit(Take()))) {
      if (Digit(c) >= 0) continue;
      (void)Take();
      break;
    }
    return value;
  }
  static int Digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  }

  const int fd_;
  char bytes_[2048];
  size_t at_ = 0, size_ = 0;
};

uint64_t PageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

/// Of what was offered, whole pages: what else lies in the last one is not netmap's.
uint64_t OfferedBytes(const ExtmemOption& option) { return option.nr_memsize & ~(PageSize() - 1); }

/// Who offers the same memory gets the same region, also in another process. A region that is there already is known by
/// its file; else a file that is shared counts, by its number and the place in it.
uint64_t MemoryNumber(const Mapping& mapping, uint64_t at, uint64_t bytes) {
  const uint64_t offset = mapping.offset + (at - mapping.start);
  if (mapping.Begins(kRegionFile)) return offset == 0 ? mapping.inode : 0;
  if (!mapping.IsShared() || mapping.inode == 0 || mapping.end - at < bytes) return 0;
  uint64_t number = 0;
  for (const uint64_t part : {mapping.device, mapping.inode, offset}) {
    number = (number ^ part) * 0x9E3779B97F4A7C15ull;
    number ^= number >> 29;
  }
  return number | kOtherFile;
}

/// The process in which somebody replaces memory: one at a time. Nobody waits, as the second one may be a signal
/// handler of the first; what a child of fork finds here is its parent's.
class Turn {
 public:
  Turn() : process_(getpid()) {
    pid_t there = placing.load();
    mine_ = there != process_ && placing.compare_exchange_strong(there, process_);
  }
  ~Turn() {
    if (mine_) placing.store(0);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  bool mine() const { return mine_; }

 private:
  static std::atomic<pid_t> placing;

  const pid_t process_;
  bool mine_;
};
std::atomic<pid_t> Turn::placing{0};

void* MapAt(uint64_t at) { return reinterpret_cast<void*>(at); }

}  // namespace

int OfferMemory(ExtmemOption* option) {
  const uint64_t at = option->usrptr, bytes = OfferedBytes(*option);
  option->nr_if_pool_offset = 0;
  if (at % PageSize() != 0) return EINVAL;
  if (bytes == 0) return ENOMEM;
  if (at + bytes < at) return EFAULT;
  const auto here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  if (here >= at && here - at < bytes) return EFAULT;
  const int before = errno;
  Mappings mappings;
  if (!mappings.opened()) {
    const int error = errno;
    errno = before;
    return error == ENOENT ? EOPNOTSUPP : error;
  }
  uint64_t there = at;  // up to where all is well
  Mapping mapping;
  while (there < at + bytes && mappings.Next(&mapping)) {
    if (mapping.end <= there) continue;
    if (mapping.start > there || !mapping.IsWritable() || mapping.Begins(kStack)) break;
    if (there == at) option->nr_if_pool_offset = MemoryNumber(mapping, at, bytes);
    there = mapping.end;
  }
  errno = before;
  return there >= at + bytes ? 0 : EFAULT;
}

namespace {

/// The host is asked before anything of the program's goes: the region lies elsewhere until there is room for it.
int PlaceInHugepages(int fd, uint64_t at, uint64_t bytes, uint64_t memsize) {
  void* const region = Map(fd, nullptr, memsize, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  if (region == MAP_FAILED) return errno;
  const void* const room =
      Real().mmap(MapAt(at), bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (room != MAP_FAILED && mremap(region, memsize, memsize, MREMAP_MAYMOVE | MREMAP_FIXED, MapAt(at)) != MAP_FAILED)
    return 0;
  const int error = errno;
  munmap(region, memsize);
  return error;
}

}  // namespace

int PlaceRegion(int fd, const ExtmemOption& option, uint64_t memsize) {
  const uint64_t bytes = OfferedBytes(option);
  if (memsize + PageSize() - 1 < memsize || ((memsize + PageSize() - 1) & ~(PageSize() - 1)) > bytes) return ENOMEM;
  const int before = errno;
  // While the host was asked, another thread may have unmapped the memory, or made it another port's.
  const Turn turn;
  if (!turn.mine()) return EBUSY;
  ExtmemOption now = option;
  if (const int error = OfferMemory(&now)) return error;
  if (now.nr_if_pool_offset != option.nr_if_pool_offset) return EBUSY;
  const auto place = [&] {
    void* p = Map(fd, MapAt(option.usrptr), memsize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0);
    return p == MAP_FAILED ? errno : 0;
  };
  int error = place();
  // Hugepages cannot be replaced in part: then all of them are, and what the region leaves over is empty.
  if (error == EINVAL) error = PlaceInHugepages(fd, option.usrptr, bytes, memsize);
  errno = before;
  return error;
}

}  // namespace ptnet::preload
