// What C++ sources say, read from small pieces of them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { literalsOf } from '../../../../scripts/generate/cpp-messages.ts';

test.each([
  ['a literal', 'return "a lone text";', ['a lone text']],
  ['two that the compiler joins', 'error = "one, "\n    "and the other";', ['one, and the other']],
  [
    'values in between',
    'return "ring " + std::to_string(i) + ": " + what[0] + " is gone";',
    ['ring ...: ... is gone'],
  ],
  ['a value first', 'Fail(shape_.name + ": no room");', ['...: no room']],
  ['a literal as an object', 'return std::string("statistics: ") + call + "!";', ['statistics: ...!']],
  ['alternatives', 'x = ok ? "this one" : "that one";', ['this one', 'that one']],
  [
    'alternatives within',
    'x = "it is " + (ok ? "here" : "there") + " now";',
    ['here', 'there', 'it is ... now'],
  ],
  ['arguments, each alone', 'Fail(EINVAL, "first", name + " second");', ['first', '... second']],
  ['a branch within a text’s value', 'x = "a " + Get("name") + " b";', ['name', 'a ... b']],
  ['printf', 'Debug("%s: %-4.2llx of %zu\\n", name, a, b);', ['...: ... of ... ']],
  ['quotes and the like', String.raw`say("'it' \"is\"");`, [`'it' "is"`]],
  ['a list of them', 'const char* kNames[] = {"none", "one of them"};', ['none', 'one of them']],
  ['characters and separated digits', String.raw`x = c == '"' ? 1'000'000 : '\''; y = "text";`, ['text']],
])('%s', (_, source, texts) => {
  expect(literalsOf(source)).toEqual(texts);
});

test.each([
  ['comments', '// say "no"\n/* "nor\nthis" */'],
  ['includes and macros', '#include "file.h"\n#define TEXT \\\n  "of a macro"'],
  ['assertions of the compiler', 'static_assert(sizeof(Slot) == 16, "a slot of netmap");'],
  ['keys of objects', 'result.Set("a key of an object", value);'],
])('not %s', (_, source) => {
  expect(literalsOf(source)).toEqual([]);
});

test('the page has what the addon, the preloaded library and the guests say', () => {
  const page = readFileSync('docs/reference/messages.md', 'utf8');
  for (const message of [
    'neither pcap nor pcapng: what tcpdump or Wireshark has written would be right',
    '...: the host left buf_idx ...',
    'recv: the peer closed the vfio-user socket',
    "takes CAP_NET_ADMIN: 'ip link set",
    'must be a whole number from ... to ...',
  ])
    expect(page).toContain(message);
});
