// KickFramer: headers, doorbells, longer messages, and whose the descriptors are.
#include "datapath/kick_framer.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace ptnet {

namespace {

template <class T>
T Load(const uint8_t* bytes) {
  T value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

void KickFramer::SetDoorbells(const DoorbellWindow& window, uint32_t rings) {
  window_ = window;
  rings_ = rings;
}

std::span<uint8_t> KickFramer::Space() {
  if (!body_.empty()) return std::span(body_).subspan(body_filled_);
  const size_t whole = staged_bytes_ >= kHeaderBytes ? Load<VfioUserHeader>(staged_).size
                       : rings_ != 0                 ? kDoorbellBytes
                                                     : kHeaderBytes;
  return {staged_ + staged_bytes_, whole - staged_bytes_};
}

void KickFramer::Add(size_t bytes, std::vector<os::PeerFd>* fds) {
  fresh_.swap(*fds);
  fds->clear();
  (body_.empty() ? staged_bytes_ : body_filled_) += bytes;
}

KickFramer::Found KickFramer::Next(DoorbellWrite* doorbell, KickMessage* message) {
  if (!body_.empty()) return NextOfBody(message);
  if (staged_bytes_ < kHeaderBytes) return TakeFresh() ? Found::kNothing : Fail(E2BIG);
  const uint32_t size = Load<VfioUserHeader>(staged_).size;
  if (size < kHeaderBytes) return Fail(EPROTO);
  if (size > limits_.max_message_bytes) return Fail(EMSGSIZE);
  const bool complete = staged_bytes_ >= size;
  // Fresh descriptors belong to the last message that begins in what was read: the kernel ends a read with the segment
  // that carried them, and a sender puts them at the beginning of a message.
  if (staged_bytes_ <= size && !TakeFresh()) return Fail(E2BIG);
  if (!complete) {
    if (MayBeDoorbell(size)) return Found::kNothing;
    body_.resize(size);
    memcpy(body_.data(), staged_, staged_bytes_);
    body_filled_ = std::exchange(staged_bytes_, 0);
    return Found::kNothing;
  }
  const bool rung = IsDoorbell(size, doorbell);
  if (!rung) {
    message->bytes.assign(staged_, staged_ + size);
    message->fds = std::exchange(fds_, {});
  }
  staged_bytes_ -= size;
  memmove(staged_, staged_ + size, staged_bytes_);
  return rung ? Found::kDoorbell : Found::kMessage;
}

KickFramer::Found KickFramer::NextOfBody(KickMessage* message) {
  if (!TakeFresh()) return Fail(E2BIG);
  if (body_filled_ < body_.size()) return Found::kNothing;
  message->bytes = std::exchange(body_, {});
  message->fds = std::exchange(fds_, {});
  return Found::kMessage;
}

KickFramer::Found KickFramer::Fail(int error) {
  error_ = error;
  return Found::kError;
}

bool KickFramer::MayBeDoorbell(uint32_t size) const {
  return rings_ != 0 && size > sizeof(VfioUserRegionAccess) && size <= kMaxDoorbellBytes &&
         Load<VfioUserHeader>(staged_).command == kVfioUserRegionWrite;
}

bool KickFramer::IsDoorbell(uint32_t size, DoorbellWrite* doorbell) const {
  if (!MayBeDoorbell(size) || !fds_.empty()) return false;
  const auto access = Load<VfioUserRegionAccess>(staged_);
  const uint32_t count = access.count;
  if ((access.header.flags & ~kVfioUserNoReply) != 0 || access.region != window_.region) return false;
  if (size != sizeof access + count || (count != 1 && count != 2 && count != 4 && count != 8)) return false;
  if (access.offset < window_.offset) return false;
  const uint64_t distance = access.offset - window_.offset;
  const uint64_t ring = distance / window_.stride;
  if (distance % window_.stride != 0 || ring >= rings_) return false;
  *doorbell = {static_cast<uint32_t>(ring), access};
  return true;
}

/** The message that is being read gets the descriptors that came last; false when they are too many. */
bool KickFramer::TakeFresh() {
  if (fresh_.empty()) return true;
  if (fds_.size() + fresh_.size() > limits_.max_fds) return false;
  for (os::PeerFd& fd : fresh_) fds_.push_back(std::move(fd));
  fresh_.clear();
  return true;
}

std::vector<uint8_t> KickFramer::Taken() const {
  if (body_.empty()) return {staged_, staged_ + staged_bytes_};
  return {body_.begin(), body_.begin() + static_cast<std::ptrdiff_t>(body_filled_)};
}

std::vector<int> KickFramer::TakenFds() const {
  std::vector<int> fds;
  for (const os::PeerFd& fd : fds_) fds.push_back(fd.get());
  return fds;
}

void KickFramer::Clear() {
  staged_bytes_ = 0;
  body_ = {};
  fds_.clear();
  fresh_.clear();
}

}  // namespace ptnet
