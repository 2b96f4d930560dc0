// Fibers: the switch itself, and what stands in for thread_local variables.
#include "fiber.h"

#include <link.h>

#include <cstring>
#include <utility>

extern "C" void PtnetModelSwitch(void** from, void* to);
asm(R"(
.text
.globl PtnetModelSwitch
PtnetModelSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace ptnet::model {
namespace {

constexpr size_t kStackBytes = 128 * 1024;

/// The program's own thread_local variables: where they lie in this thread, and how they begin.
struct Locals {
  uint8_t* at = nullptr;
  const uint8_t* initial = nullptr;
  size_t initial_bytes = 0;
  size_t bytes = 0;
};

int FindLocals(dl_phdr_info* info, size_t, void* out) {
  auto* locals = static_cast<Locals*>(out);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_TLS) continue;
    const size_t align = header.p_align > 0 ? header.p_align : 1;
    auto* thread = static_cast<uint8_t*>(__builtin_thread_pointer());
    *locals = {thread - (header.p_memsz + align - 1) / align * align,
               reinterpret_cast<const uint8_t*>(info->dlpi_addr + header.p_vaddr), header.p_filesz, header.p_memsz};
  }
  return 1;  // the program comes first
}

const Locals& OfProgram() {
  static const Locals locals = [] {
    Locals found;
    dl_iterate_phdr(FindLocals, &found);
    return found;
  }();
  return locals;
}

std::vector<std::unique_ptr<uint8_t[]>>& SpareStacks() {
  static std::vector<std::unique_ptr<uint8_t[]>> stacks;
  return stacks;
}

}  // namespace

Fiber::~Fiber() {
  if (stack_) SpareStacks().push_back(std::move(stack_));
}

void Fiber::Prepare(void (*entry)()) {
  auto& spare = SpareStacks();
  if (spare.empty()) spare.push_back(std::make_unique<uint8_t[]>(kStackBytes));
  stack_ = std::move(spare.back());
  spare.pop_back();
  // As the switch leaves a stack: six registers, then where to go on; aligned as after a call.
  auto top = (reinterpret_cast<uintptr_t>(stack_.get()) + kStackBytes) & ~uintptr_t{15};
  auto* words = reinterpret_cast<uint64_t*>(top) - 10;
  memset(words, 0, 10 * sizeof *words);
  words[6] = reinterpret_cast<uint64_t>(entry);
  stack_pointer_ = words;
  const Locals& program = OfProgram();
  locals_.assign(program.bytes, 0);
  if (program.initial_bytes > 0) memcpy(locals_.data(), program.initial, program.initial_bytes);
}

void Switch(Fiber& from, Fiber& to) {
  const Locals& program = OfProgram();
  from.locals_.assign(program.at, program.at + program.bytes);
  if (program.bytes > 0) memcpy(program.at, to.locals_.data(), program.bytes);
  PtnetModelSwitch(&from.stack_pointer_, to.stack_pointer_);
}

}  // namespace ptnet::model
