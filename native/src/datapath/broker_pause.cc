// broker: an attachment that is not served for a while, and goes on, here or in another process.
#include "datapath/broker.h"

namespace ptnet {

/// As Bind(), of rings that somebody has served until now: not a word of the client's memory is written.
void Attachment::Rebind(uint32_t ring) {
  Kring& k = port_->kring(ring);
  SpinGuard guard(k.lock);
  k.atok = reinterpret_cast<CsbAtok*>(guest_to_host_->data()) + ring;
  k.ktoa = reinterpret_cast<CsbKtoa*>(host_to_guest_->data()) + ring;
  k.interrupt = interrupts_[ring].get();
  k.blocked = false;
  k.vnet_hdr_len = options_.vnet_hdr_len;
}

void Attachment::Suspend() {
  if (detached_ || suspended_) return;
  suspended_ = true;
  engine_->RemoveTicked(this);
  for (uint32_t i = 0; i < rings(); i++) {
    Flow* flow = port_->flow(i);
    if (flow == nullptr) continue;
    engine_->WithFlow(flow, [&] { TouchMemory([&] { flow->Settle(); }); });
    engine_->ReleaseFlow(flow);
  }
  engine_->ForgetReleased();
}

void Attachment::Relink() {
  engine_->AddTicked(this);
  for (uint32_t i = 0; i < rings(); i++)
    if (Flow* flow = port_->flow(i))
      engine_->Acquire(flow, activity_, options_.policy, options_.spin_ns, options_.worker);
}

/// What the process before was killed over: it has recorded more, maybe, than it has shown.
void Attachment::ShowAgain(uint32_t ring) {
  Kring& k = port_->kring(ring);
  const auto show = [&] {
    SpinGuard guard(k.lock);
    // A batch that is under way in this process is recorded as such already.
    if (PlaceRecord::Of(*k.counters).first != k.hwcur) k.Record();
    TouchMemory([&] { k.Publish(); });
  };
  Flow* const flow = port_->flow(ring);
  flow != nullptr ? engine_->WithFlow(flow, show) : show();
}

void Attachment::Resume() {
  if (detached_ || !suspended_) return;
  suspended_ = false;
  for (uint32_t i = 0; i < rings(); i++) ShowAgain(i);
  Relink();
  for (uint32_t i = 0; i < rings(); i++) {
    // What was published and not told of, as what was rung and not looked at: both may be of before.
    if (Flow* flow = port_->flow(i)) Engine::Kick(flow);
    interrupts_[i]->Miss();
    interrupts_[i]->RaiseMissed(*port_->kring(i).counters);
  }
  port_->OnServed(true);
}

}  // namespace ptnet
