// Network namespaces: entering one on a thread that ends with its work.
#include "os/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/vfs.h>

#include "os/thread.h"
#include "os/unique_fd.h"

namespace ptnet::os {
namespace {

constexpr auto kNsfs = 0x6e736673;  // NSFS_MAGIC of linux/magic.h, which older ones lack

Status Explain(const std::string& object, const std::string& netns, int err) {
  const std::string what = object + ": network namespace '" + netns + "'";
  switch (err) {
    case ENOENT:
      return Status::Fail(err, what + " is not there: 'ip netns add " + netns + "', or another name, would be right");
    case EINVAL:
      return Status::Fail(err, what + " is something else: a name that 'ip netns' shows would be right");
    case EPERM:
    case EACCES:
      return Status::Fail(err, what + ": entering it takes CAP_SYS_ADMIN: root, or no netns, would be right");
    default:
      return Status::Fail(err, what + ": " + strerror(err));
  }
}

}  // namespace

Status InNetns(const std::string& object, const std::string& netns, const std::function<Status()>& work) {
  if (netns.empty()) return work();
  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  // It may be anything: whoever opens a FIFO waits for its other end.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Explain(object, netns, errno);
  struct statfs of = {};
  if (fstatfs(fd.get(), &of) != 0 || of.f_type != kNsfs) return Explain(object, netns, EINVAL);
  Status status;
  Thread thread;
  const auto enter = [&] { status = setns(fd.get(), CLONE_NEWNET) == 0 ? work() : Explain(object, netns, errno); };
  if (!thread.Start("ptnet-netns", enter)) return Explain(object, netns, EAGAIN);
  thread.Join();
  return status;
}

}  // namespace ptnet::os
