// NIOCCTRL, whose structures lie where the program's pointers lead, its older forms, the syncs, and mapping the region.
#include "requests.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "abi.h"
#include "calls.h"
#include "extmem.h"
#include "kloop.h"
#include "legacy.h"
#include "sync.h"
#include "user_memory.h"

namespace ptnet::preload {
namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

/// A request as it is sent, written from the front.
struct Message {
  uint8_t bytes[kMessageMax];
  size_t size = 0;

  void Put(const void* from, size_t length) {
    memcpy(bytes + size, from, length);
    size += length;
  }
};

/// The chain of options: where each header lies, and those that netmap knows by their types.
struct Options {
  uint64_t at[kOptionsMax];
  uint32_t count = 0;
  uint64_t known[kKnownOptions + 1] = {};
  uint8_t* content[kKnownOptions + 1] = {};  // in the message

  /// A copy, as one begins wherever the one before it ended. False: it was not given.
  template <class Content>
  bool Get(Option type, Content* to) const {
    if (content[type] == nullptr) return false;
    memcpy(to, content[type], sizeof *to);
    return true;
  }
};

void PutStatus(uint64_t option, int error) {
  const auto status = static_cast<uint32_t>(error);
  (void)CopyOut(option + offsetof(nmreq_option, nro_status), &status, sizeof status);
}

/// What the kernel's copy of a request takes before its options, and beside each of them.
constexpr size_t kCopyBytes = 2 * sizeof(uint64_t) + (kKnownOptions + 1) * sizeof(uint64_t);
constexpr size_t kOptionCopyBytes = sizeof(nmreq_option) + sizeof(uint64_t);

/// Follows the chain and appends the options to the message. 0 or an errno. Each status is written, whatever comes of
/// the request: until somebody says otherwise, that the option is not known.
int TakeOptions(uint64_t first, size_t body_size, Message* message, Options* options) {
  size_t total = kCopyBytes + body_size;
  for (uint64_t at = first; at != 0;) {
    nmreq_option option;
    if (!CopyIn(&option, at, sizeof option)) return EFAULT;
    const uint32_t type = option.nro_reqtype;
    const uint64_t content = OptionSize(type, option.nro_size);
    if (type <= kKnownOptions && options->known[type] != 0) {
      PutStatus(options->known[type], EINVAL);
      PutStatus(at, EINVAL);
      return EINVAL;
    }
    if (type <= kKnownOptions) options->known[type] = at;
    // Also what ends a chain that is a circle.
    if (content > kOptionBytesMax || (total += kOptionCopyBytes + content) > kOptionBytesMax) return EMSGSIZE;
    PutStatus(at, EOPNOTSUPP);
    options->at[options->count++] = at;
    const uint32_t header[] = {type, static_cast<uint32_t>(content)};
    message->Put(header, sizeof header);
    if (type <= kKnownOptions) options->content[type] = message->bytes + message->size;
    if (!CopyIn(message->bytes + message->size, at + sizeof option, content)) return EFAULT;
    message->size += content;
    at = option.nro_next;
  }
  return 0;
}

/// What the program's memory has to do with a register that the host has made. 0 or an errno.
int FinishRegister(int fd, Context& context, const Options& options, Reply* reply) {
  int error = 0;
  Bound* bound = MakeBound(reply, &error);
  CsbOption csb;
  if (bound != nullptr && options.Get(NETMAP_REQ_OPT_CSB, &csb)) {
    error = EnableCsb(*bound, csb);
    PutStatus(options.known[NETMAP_REQ_OPT_CSB], error);
  }
  ExtmemOption extmem;
  if (error == 0 && options.Get(NETMAP_REQ_OPT_EXTMEM, &extmem)) {
    error = PlaceRegion(fd, extmem, bound->memsize);
    PutStatus(options.known[NETMAP_REQ_OPT_EXTMEM], error);
  }
  if (error == 0) {
    Bind(context, bound);
    return 0;
  }
  if (bound != nullptr) Discard(bound);
  Reply none;
  if (Ask(fd, Operation::kUnbind, &none) == 0) CloseFds(&none);
  return error;
}

/// Writes what options are to say behind their headers. False: a pointer leads nowhere.
bool PutContents(const Reply& reply, const Options& options) {
  const uint8_t* from = reply.contents;
  ContentHeader header;
  for (size_t left = reply.header.content_bytes; left >= sizeof header;) {
    memcpy(&header, from, sizeof header);
    from += sizeof header;
    left -= sizeof header;
    if (header.option >= options.count || header.bytes > left) return false;
    if (!CopyOut(options.at[header.option] + sizeof(nmreq_option), from, header.bytes)) return false;
    from += header.bytes;
    left -= header.bytes;
  }
  return true;
}

/// Asks the host and writes back what it says. 0 or an errno.
int AskHost(int fd, Context& context, const Message& message, const nmreq_header& header, uint64_t argument,
            size_t body_size, const Options& options) {
  Reply reply;
  if (int error = Ask(fd, message.bytes, message.size, &reply)) return error;
  for (uint32_t i = 0; i < options.count && i < reply.header.statuses; i++)
    PutStatus(options.at[i], static_cast<int>(reply.statuses[i]));
  int error = static_cast<int>(reply.header.error);
  if (error == 0 && header.nr_reqtype == NETMAP_REQ_REGISTER) error = FinishRegister(fd, context, options, &reply);
  CloseFds(&reply);
  if (error != 0) return error;
  if (!PutContents(reply, options)) return EFAULT;
  if (reply.header.body_bytes == body_size && !CopyOut(header.nr_body, reply.body, body_size)) return EFAULT;
  return CopyOut(argument + offsetof(nmreq_header, nr_name), reply.header.name, sizeof reply.header.name) ? 0 : EFAULT;
}

int EnableCsbOf(int fd, Context& context, const Options& options) {
  CsbOption csb;
  if (!options.Get(NETMAP_REQ_OPT_CSB, &csb)) return EINVAL;
  // Before a register there is no ring that an entry could be wrong for.
  Bound* bound = BoundOf(fd, context);
  const int error = bound == nullptr ? 0 : EnableCsb(*bound, csb);
  PutStatus(options.known[NETMAP_REQ_OPT_CSB], error);
  return error;
}

int StartKloop(int fd, Context& context, const uint8_t* body, const Options& options) {
  uint32_t sleep_us;
  memcpy(&sleep_us, body, sizeof sleep_us);
  nmreq_option eventfds = {};
  const uint64_t at = options.known[NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS];
  if (at != 0 && !CopyIn(&eventfds, at, sizeof eventfds)) return EFAULT;
  uint32_t mode;
  const bool has_mode = options.Get(NETMAP_REQ_OPT_SYNC_KLOOP_MODE, &mode);
  const uint8_t* fds = options.content[NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS];
  KloopOptions asked = {has_mode ? &mode : nullptr, reinterpret_cast<const KloopEventfds*>(fds), eventfds.nro_size};
  const int error = RunKloop(fd, context, sleep_us, &asked);
  if (asked.mode != nullptr) PutStatus(options.known[NETMAP_REQ_OPT_SYNC_KLOOP_MODE], asked.mode_status);
  if (asked.eventfds != nullptr) PutStatus(at, asked.eventfds_status);
  return error;
}

/// What is between the program and us alone. -1: it is the host's.
int ControlHere(int fd, Context& context, const nmreq_header& header, const uint8_t* body, const Options& options) {
  const bool here = header.nr_reqtype >= NETMAP_REQ_SYNC_KLOOP_START && header.nr_reqtype <= NETMAP_REQ_CSB_ENABLE;
  if (!here) return -1;
  if (header.nr_version < kApiMin || header.nr_version > kApiMax) return EINVAL;
  switch (header.nr_reqtype) {
    case NETMAP_REQ_SYNC_KLOOP_START:
      return StartKloop(fd, context, body, options);
    case NETMAP_REQ_SYNC_KLOOP_STOP:
      return StopKloop(fd, context);
    default:
      return EnableCsbOf(fd, context, options);
  }
}

int Control(int fd, Context& context, uint64_t argument) {
  if (argument == 0) return EINVAL;
  nmreq_header header;
  if (!CopyIn(&header, argument, sizeof header)) return EFAULT;
  const int size = BodySize(header.nr_reqtype);
  if (size < 0 || header.nr_reserved != 0) return EINVAL;
  const auto body_size = static_cast<size_t>(size);
  if ((body_size != 0) != (header.nr_body != 0)) return EINVAL;
  Message message;
  const RequestHeader request = {kRequest, kVersion, static_cast<uint32_t>(Operation::kControl)};
  ControlHeader control = {header.nr_version, header.nr_reqtype, static_cast<uint32_t>(body_size), 0, {}};
  memcpy(control.name, header.nr_name, sizeof control.name);
  message.Put(&request, sizeof request);
  const size_t control_at = message.size;
  message.Put(&control, sizeof control);
  const uint8_t* body = message.bytes + message.size;
  if (!CopyIn(message.bytes + message.size, header.nr_body, body_size)) return EFAULT;
  message.size += body_size;
  Options options;
  if (int error = TakeOptions(header.nr_options, body_size, &message, &options)) return error;
  if (const int error = ControlHere(fd, context, header, body, options); error >= 0) return error;
  ExtmemOption extmem;
  if (header.nr_reqtype == NETMAP_REQ_REGISTER && options.Get(NETMAP_REQ_OPT_EXTMEM, &extmem)) {
    if (const int error = OfferMemory(&extmem)) {
      PutStatus(options.known[NETMAP_REQ_OPT_EXTMEM], error);
      return error;
    }
    memcpy(options.content[NETMAP_REQ_OPT_EXTMEM], &extmem, sizeof extmem);
  }
  control.options = options.count;
  memcpy(message.bytes + control_at, &control, sizeof control);
  return AskHost(fd, context, message, header, argument, body_size, options);
}

int Legacy(int fd, Context& context, unsigned long request, uint64_t argument) {
  nmreq asked;
  if (argument == 0) return EINVAL;
  if (!CopyIn(&asked, argument, sizeof asked)) return EFAULT;
  NewRequest translated;
  if (int error = FromLegacy(asked, request, &translated)) return error;
  if (int error = Control(fd, context, reinterpret_cast<uint64_t>(&translated.header))) return error;
  ToLegacy(translated, &asked);
  return CopyOut(argument, &asked, sizeof asked) ? 0 : EFAULT;
}

/// As the kernel does, a ring whose indices are wrong is put right and the call succeeds.
int SyncAll(int fd, Context& context, bool tx) {
  Bound* bound = BoundOf(fd, context);
  if (bound == nullptr || context.gone.load(std::memory_order_relaxed)) return ENXIO;
  if (bound->in_csb_mode()) return EBUSY;
  Ring* rings = tx ? bound->tx() : bound->rx();
  bool found = false;
  for (uint32_t i = 0; i < (tx ? bound->tx_rings : bound->rx_rings); i++) {
    (void)Sync(fd, context, rings[i]);
    if (!tx) Stamp(rings[i]);
    found |= HasRoom(rings[i]);
  }
  if (!found) LookForHost(fd, context);
  return 0;
}

}  // namespace

int Ioctl(int fd, Context& context, unsigned long request, void* argument) {
  // The kernel's own, whatever device it is.
  if (request == FIOCLEX || request == FIONCLEX || request == FIONBIO) return Real().ioctl(fd, request, argument);
  int error = EOPNOTSUPP;
  if (request == NIOCTXSYNC || request == NIOCRXSYNC)
    error = SyncAll(fd, context, request == NIOCTXSYNC);
  else if (request == NIOCCTRL)
    error = Control(fd, context, reinterpret_cast<uint64_t>(argument));
  else if (request == NIOCREGIF || request == NIOCGINFO)
    error = Legacy(fd, context, request, reinterpret_cast<uint64_t>(argument));
  return error == 0 ? 0 : Fail(error);
}

void* Map(int fd, void* address, size_t length, int protection, int flags, off_t offset) {
  const auto fail = [](int error) {
    errno = error;
    return MAP_FAILED;
  };
  Reply reply;
  if (int error = preload::Ask(fd, Operation::kRegion, &reply)) return fail(error);
  const uint64_t memsize = reply.bound ? reply.binding.memsize : 0;
  int error = 0;
  // Nobody has registered it yet, or the region ends before.
  if (reply.header.error != 0 || offset < 0 || length > memsize || static_cast<uint64_t>(offset) > memsize - length)
    error = EINVAL;
  // Whoever asks for a private mapping gets the shared one, as a device's is.
  void* p = MAP_FAILED;
  if (error == 0) {
    p = Real().mmap(address, length, protection, (flags & ~MAP_TYPE) | MAP_SHARED, reply.fds[0], offset);
    error = errno;
  }
  CloseFds(&reply);
  return p != MAP_FAILED ? p : fail(error);
}

}  // namespace ptnet::preload
