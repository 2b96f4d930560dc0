// Whose memory this is: a child of vfork runs in its parent's, and its descriptors are not the parent's.
#pragma once

namespace ptnet::preload {

/// Whether what is noted here is about another process' descriptors, and stays as it is.
bool InParentsMemory();

}  // namespace ptnet::preload
