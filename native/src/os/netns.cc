// Network namespaces: entering one on a thread that ends with its work.
#include "os/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include <thread>

#include "os/unique_fd.h"

namespace ptnet::os {
namespace {

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
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Explain(object, netns, errno);
  Status status;
  std::thread([&] { status = setns(fd.get(), CLONE_NEWNET) == 0 ? work() : Explain(object, netns, errno); }).join();
  return status;
}

}  // namespace ptnet::os
