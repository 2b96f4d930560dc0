/* A shared object for the tests that is no plug-in. */
extern int ptnet_nothing;
__attribute__((visibility("default"))) int ptnet_nothing = 1;
