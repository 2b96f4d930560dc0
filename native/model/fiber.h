// Threads of control that change places in one thread, each with its own thread_local variables.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace ptnet::model {

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();
  /// It will begin in `entry`, which never returns.
  void Prepare(void (*entry)());

 private:
  friend void Switch(Fiber& from, Fiber& to);
  void* stack_pointer_ = nullptr;
  std::unique_ptr<uint8_t[]> stack_;
  std::vector<uint8_t> locals_;
};

/// Goes on in `to`; returns when somebody switches to `from` again.
void Switch(Fiber& from, Fiber& to);

}  // namespace ptnet::model
