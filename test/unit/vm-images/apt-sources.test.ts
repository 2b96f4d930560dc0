/** Reading apt's two source syntaxes and finding the Debian mirror in them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  findDebianMirror,
  parseDeb822,
  parseSourcesList,
  readAptSources,
} from '../../../vm-images/apt-sources.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

test('a one-line source has a URI, a suite and components; comments and deb-src are left out', () => {
  const text = `
# deb http://old.example/debian bookworm main
deb-src http://a.example/debian bookworm main
deb http://a.example/debian bookworm main contrib # the closest
  deb [arch=amd64 signed-by=${KEYRING}] https://b.example/debian trixie main
deb [signed-by=/k.gpg] https://flat.example/repo ./
deb
`;
  expect(parseSourcesList(text)).toEqual([
    { uris: ['http://a.example/debian'], suites: ['bookworm'], components: ['main', 'contrib'] },
    { uris: ['https://b.example/debian'], suites: ['trixie'], components: ['main'], signedBy: KEYRING },
    { uris: ['https://flat.example/repo'], suites: ['./'], components: [], signedBy: '/k.gpg' },
  ]);
});

test('deb822 stanzas: lists, continuation lines, comments inside, any case, disabled ones', () => {
  const text = `# a comment before
Types: deb deb-src
# a comment inside
URIs: http://a.example/debian
  http://b.example/debian
suites: bookworm bookworm-updates
Components: main
Signed-By: ${KEYRING}

Types: deb-src
URIs: http://src.example/debian
Suites: bookworm
Components: main
   \t
Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main


Types: deb
URIs: http://key.example/debian
Suites: sid
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
`;
  expect(parseDeb822(text)).toEqual([
    {
      uris: ['http://a.example/debian', 'http://b.example/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main'],
      signedBy: KEYRING,
    },
    {
      uris: ['http://key.example/debian'],
      suites: ['sid'],
      components: ['main'],
      signedBy: '-----BEGIN PGP PUBLIC KEY BLOCK----- . mQINBF',
    },
  ]);
});

const source = (uri: string, suite: string, extra: { components?: string[]; signedBy?: string } = {}) => ({
  uris: [uri],
  suites: [suite],
  components: ['main'],
  ...extra,
});

test('the mirror is that of the Debian archive, not of its security archive nor of a third party', () => {
  const sources = [
    source('http://security.example', 'bookworm-security'),
    source('http://vendor.example', 'nodistro'),
    source('http://tool.example', 'bookworm', { components: ['stable'] }),
    source('http://signed-by-others.example', 'bookworm', { signedBy: '/etc/apt/keyrings/others.gpg' }),
    source('cdrom:[Debian 12]/', 'bookworm'),
    source('http://mirror.example/debian', 'bookworm-updates', { signedBy: KEYRING }),
    source('http://second.example/debian', 'trixie'),
  ];
  expect(findDebianMirror(sources)).toBe('http://mirror.example/debian');
});

test('without a Debian archive there is no mirror', () => {
  expect(findDebianMirror([source('http://ubuntu.example', 'noble')])).toBeUndefined();
  expect(findDebianMirror([])).toBeUndefined();
});

test('sources.list comes before the parts, the parts in order of their names; other files are ignored', async () => {
  const etc = await mkdtemp(join(tmpdir(), 'ptnet-apt-'));
  try {
    expect(await readAptSources(etc)).toEqual([]);
    const parts = join(etc, 'sources.list.d');
    await mkdir(parts);
    await writeFile(join(etc, 'sources.list'), 'deb http://0.example sid main\n');
    await writeFile(join(parts, 'b.list'), 'deb http://b.example sid main\n');
    await writeFile(
      join(parts, 'a.sources'),
      'Types: deb\nURIs: http://a.example\nSuites: sid\nComponents: main\n',
    );
    await writeFile(join(parts, 'c.list.disabled'), 'deb http://c.example sid main\n');
    expect((await readAptSources(etc)).map(({ uris }) => uris[0])).toEqual([
      'http://0.example',
      'http://a.example',
      'http://b.example',
    ]);
  } finally {
    await rm(etc, { recursive: true });
  }
});
