/* A plug-in for the tests that is made for another version of the interface, of which nothing else is known. */
#include <stdint.h>

__attribute__((visibility("default"))) const uint32_t ptnet_lookup_plugin[1] = {2};
