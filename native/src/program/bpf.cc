// BpfProgram: the check, and the interpreter, of the machine that McCanne and Jacobson describe (1992).
#include "program/bpf.h"

#include <errno.h>

#include <string>

namespace ptnet {
namespace {

// Of an instruction's code: its class, and what each class has.
constexpr uint16_t kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kJmp = 5, kRet = 6, kMisc = 7, kClassMask = 7;
constexpr uint16_t kWord = 0x00, kHalf = 0x08, kByte = 0x10, kSizeMask = 0x18;
constexpr uint16_t kImm = 0x00, kAbs = 0x20, kInd = 0x40, kMem = 0x60, kLen = 0x80, kMsh = 0xa0, kModeMask = 0xe0;
constexpr uint16_t kAdd = 0x00, kSub = 0x10, kMul = 0x20, kDiv = 0x30, kOr = 0x40, kAnd = 0x50, kLsh = 0x60,
                   kRsh = 0x70, kMod = 0x90, kXor = 0xa0, kOperationMask = 0xf0;
constexpr uint16_t kJa = 0x00, kJeq = 0x10, kJgt = 0x20, kJge = 0x30, kJset = 0x40;
constexpr uint16_t kX = 0x08;  // the other operand is X, not k
constexpr uint16_t kReturnA = 0x10;
constexpr uint16_t kTxa = 0x80;  // of kMisc; 0 is TAX

bool IsKnownAlu(uint16_t code, uint32_t k) {
  const uint16_t op = code & kOperationMask;
  if (op > kXor) return false;
  return (code & kX) != 0 || (op != kDiv && op != kMod) || k != 0;
}

bool IsKnownLoad(uint16_t code, uint32_t k) {
  switch (code) {
    case kLd | kImm:
    case kLd | kLen:
    case kLdx | kImm:
    case kLdx | kLen:
    case kLdx | kMsh | kByte:
      return true;
    case kLd | kMem:
    case kLdx | kMem:
    case kSt:
    case kStx:
      return k < BpfProgram::kMemory;
    default: {
      const uint16_t mode = code & kModeMask, size = code & kSizeMask;
      return (code & kClassMask) == kLd && (mode == kAbs || mode == kInd) && size <= kByte && code <= 0xff;
    }
  }
}

/// Whether the instruction, with so many behind it, is one.
bool IsKnown(const BpfInsn& i, size_t behind) {
  if (i.code > 0xff) return false;
  switch (i.code & kClassMask) {
    case kAlu:
      return IsKnownAlu(i.code, i.k);
    case kJmp: {
      const uint16_t op = i.code & kOperationMask;
      if (op == kJa) return i.k < behind;
      return op <= kJset && i.jt < behind && i.jf < behind;
    }
    case kRet:
      return (i.code & 0xf8) == 0 || (i.code & 0xf8) == kReturnA;
    case kMisc:
      return (i.code & 0xf8) == 0 || (i.code & 0xf8) == kTxa;
    default:
      return IsKnownLoad(i.code, i.k);
  }
}

/// The bytes of a packet that there are.
struct View {
  const uint8_t* packet;
  uint32_t have;

  /// False beyond its end.
  bool Load(uint64_t at, uint16_t size, uint32_t* out) const {
    const uint32_t bytes = size == kWord ? 4 : size == kHalf ? 2 : 1;
    if (at + bytes > have) return false;
    *out = 0;
    for (uint32_t n = 0; n < bytes; n++) *out = *out << 8 | packet[at + n];
    return true;
  }
};

/// False for a division by zero.
bool Compute(uint16_t op, uint32_t* a, uint32_t b) {
  switch (op) {
    case kAdd:
      return *a += b, true;
    case kSub:
      return *a -= b, true;
    case kMul:
      return *a *= b, true;
    case kDiv:
      return b != 0 && (*a /= b, true);
    case kMod:
      return b != 0 && (*a %= b, true);
    case kOr:
      return *a |= b, true;
    case kAnd:
      return *a &= b, true;
    case kXor:
      return *a ^= b, true;
    case kLsh:
      return *a = b < 32 ? *a << b : 0, true;
    case kRsh:
      return *a = b < 32 ? *a >> b : 0, true;
    default:
      return *a = 0 - *a, true;
  }
}

bool Holds(uint16_t op, uint32_t a, uint32_t b) {
  switch (op) {
    case kJeq:
      return a == b;
    case kJgt:
      return a > b;
    case kJge:
      return a >= b;
    default:
      return (a & b) != 0;
  }
}

}  // namespace

Status BpfProgram::Create(std::vector<BpfInsn> code, BpfProgram* out) {
  const auto fail = [](const std::string& text) { return Status::Fail(EINVAL, "filter: " + text); };
  if (code.size() > kMost)
    return fail(std::to_string(code.size()) + " instructions: at most " + std::to_string(kMost) + " would be right");
  for (size_t n = 0; n < code.size(); n++)
    if (!IsKnown(code[n], code.size() - n - 1))
      return fail("instruction " + std::to_string(n) + " is none of classic BPF, or leads out of the program");
  if (!code.empty() && (code.back().code & kClassMask) != kRet) return fail("it does not end with a return");
  out->code_ = std::move(code);
  return Status::Ok();
}

uint32_t BpfProgram::Run(const uint8_t* packet, uint32_t have, uint32_t len) const noexcept {
  if (code_.empty()) return UINT32_MAX;
  const View view{packet, have};
  uint32_t a = 0, x = 0, memory[kMemory] = {};
  for (const BpfInsn* i = code_.data();; i++) {
    const uint16_t rest = i->code & ~kClassMask;
    switch (i->code & kClassMask) {
      case kLd:
      case kLdx: {
        uint32_t& to = (i->code & kClassMask) == kLd ? a : x;
        const uint16_t mode = rest & kModeMask;
        if (mode == kImm) {
          to = i->k;
        } else if (mode == kMem) {
          to = memory[i->k];
        } else if (mode == kLen) {
          to = len;
        } else if (mode == kMsh) {
          if (!view.Load(i->k, kByte, &to)) return 0;
          to = (to & 0xf) << 2;
        } else if (!view.Load(uint64_t{i->k} + (mode == kInd ? x : 0), rest & kSizeMask, &to)) {
          return 0;
        }
        break;
      }
      case kSt:
        memory[i->k] = a;
        break;
      case kStx:
        memory[i->k] = x;
        break;
      case kAlu:
        if (!Compute(rest & kOperationMask, &a, (rest & kX) != 0 ? x : i->k)) return 0;
        break;
      case kJmp:
        if ((rest & kOperationMask) == kJa)
          i += i->k;
        else
          i += Holds(rest & kOperationMask, a, (rest & kX) != 0 ? x : i->k) ? i->jt : i->jf;
        break;
      case kRet:
        return rest == kReturnA ? a : i->k;
      default:
        rest == kTxa ? void(a = x) : void(x = a);
    }
  }
}

}  // namespace ptnet
