/* What the recorder writes down: in the memory of the test, which tells it where. */
#ifndef RECORDER_H
#define RECORDER_H

struct record {
  unsigned created, destroyed;
  unsigned long packets;
  char ports[512]; /* `+0 vale0:0;` for one that has joined, `-0 ;` for one that has left */
};

#endif
