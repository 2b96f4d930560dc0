// A FUSE server that answers what opening a file takes, and never what is asked of the file then: run by fuse.ts.
import { spawnSync } from 'node:child_process';
import { openSync, readSync, writeSync } from 'node:fs';

/** Numbers of <linux/fuse.h>. */
const OP = { LOOKUP: 1, GETATTR: 3, OPEN: 14, INIT: 26, OPENDIR: 27 };
const ROOT = 1;
const FILE = 2;
const ENOSYS = 38;

const [mountpoint] = process.argv.slice(2);
const device = openSync('/dev/fuse', 'r+');
const options = `fd=3,rootmode=40000,user_id=${process.getuid()},group_id=${process.getgid()},allow_other`;
const mounted = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'ptnet-test', mountpoint], {
  stdio: ['ignore', 'inherit', 'inherit', device],
});
if (mounted.status !== 0) process.exit(1);

function reply(unique, error, body = new Uint8Array()) {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setInt32(4, -error, true);
  view.setBigUint64(8, unique, true);
  bytes.set(body, 16);
  writeSync(device, bytes);
}

/** struct fuse_attr: a folder, or a file of 1 MiB. */
function attributes(view, at, node) {
  view.setBigUint64(at, BigInt(node), true);
  view.setBigUint64(at + 8, node === ROOT ? 0n : 1n << 20n, true);
  view.setUint32(at + 60, node === ROOT ? 0o40755 : 0o100666, true);
  view.setUint32(at + 64, 1, true);
  view.setUint32(at + 80, 4096, true);
}

const answers = {
  [OP.INIT]: () => {
    const body = new DataView(new ArrayBuffer(64));
    body.setUint32(0, 7, true);
    body.setUint32(4, 31, true);
    body.setUint32(20, 65_536, true); // max_write
    return body;
  },
  [OP.LOOKUP]: () => {
    const body = new DataView(new ArrayBuffer(128));
    body.setBigUint64(0, BigInt(FILE), true);
    body.setBigUint64(16, 1000n, true); // how long the name is good, in s; the attributes are not
    attributes(body, 40, FILE);
    return body;
  },
  [OP.OPEN]: () => new DataView(new ArrayBuffer(16)),
  [OP.OPENDIR]: () => new DataView(new ArrayBuffer(16)),
};

console.log('mounted');
const request = Buffer.alloc(1 << 17);
for (;;) {
  readSync(device, request);
  const opcode = request.readUInt32LE(4);
  const unique = request.readBigUInt64LE(8);
  const node = Number(request.readBigUInt64LE(16));
  const answer = answers[opcode];
  if (answer) reply(unique, 0, new Uint8Array(answer().buffer));
  else if (opcode === OP.GETATTR && node === ROOT) {
    const body = new DataView(new ArrayBuffer(104));
    body.setBigUint64(0, 1000n, true);
    attributes(body, 16, ROOT);
    reply(unique, 0, new Uint8Array(body.buffer));
  } else if (node === ROOT) reply(unique, opcode === 34 ? 0 : ENOSYS);
  // GETATTR, STATFS, READ, FLUSH and all else that is asked of the file: said, and never answered.
  else console.log(`silent ${opcode}`);
}
