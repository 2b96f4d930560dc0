// The applications of a configuration: what is filled in, and what cannot be.
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { configWarnings } from '../../../../backend/config/warnings.ts';
import { planRegions } from '../../../../backend/ports/plan.ts';
import { messageOf } from './messages.ts';

const parse = (text: string) => parseConfig(text, 'host.yaml');

describe('what is filled in', () => {
  test('an empty section is enough, and a file needs no VM with it', () => {
    for (const text of ['applications: {}', 'applications:']) {
      const config = parse(text);
      expect(config.applications).toEqual({ socket: {}, ports: [] });
      expect(config.ports.size).toBe(0);
      expect(planRegions(config).size).toBe(0);
    }
    expect(parse('vms: { vm1: { devices: [{ port: "null:a" }] } }').applications).toBeUndefined();
  });

  test('ports that are named have their settings, and a region with room for registers', () => {
    const config = parse(`
applications: { ports: ['p{1', 'p}1', 'vale0:a'], socket-mode: 0660 }
switches: { vale0: { rx-slots: 512 } }
`);
    expect(config.applications).toEqual({ socket: { mode: 0o660 }, ports: ['p{1', 'p}1', 'vale0:a'] });
    expect(config.ports.get('vale0:a')).toMatchObject({ rxSlots: 512, vnetHdr: true });
    expect(config.switches.get('vale0')!.otherPorts).toMatchObject({ rxSlots: 512, txSlots: 1024 });
    const plan = planRegions(config);
    expect([...plan.keys()]).toEqual(['vm:the applications']);
    const { ifNum, ringNum } = plan.get('vm:the applications')!;
    expect(ifNum).toBeGreaterThanOrEqual(3 + 64);
    expect(ringNum).toBeGreaterThanOrEqual(6);
    expect(configWarnings(config)).toEqual([]);
  });

  test('sharing a region with VMs is said aloud', () => {
    const config = parse(`
applications: { region: lan, ports: ['p}1'] }
regions: { lan: { buf-num: 8192 } }
vms: { vm1: { region: lan, devices: [{ port: 'p{1' }] } }
`);
    expect(configWarnings(config)).toEqual([
      'regions.lan: shared by vm1, the applications: each of them can read and change the packets of the others; sharing a region is sharing trust',
    ]);
  });
});

describe('what cannot be', () => {
  test.each([
    ["applications: { ports: ['x'] }", "'x' is not a port name"],
    ["applications: { ports: 'p}1' }", "'p}1' is not a list: '[p}1]' would be right"],
    [
      'applications: { region: lan }',
      "applications.region: there is no region 'lan': an entry 'lan' under regions would be right",
    ],
    ['applications: { socket-group: nobody-has-this }', "there is no group 'nobody-has-this' here"],
    ['applications: { socket-mode: 0777 }', "'0777' is not the mode of a socket"],
    ['applications: { port: [] }', "unknown key 'port': 'ports' would be right"],
    ["applications: { ports: ['p{1'] }", "'p{1' has no other end: a device with port 'p}1' would be right"],
    [
      "applications: { ports: ['null:a'] }\nvms: { vm1: { devices: [{ port: 'null:a' }] } }",
      "belongs to vm1's net0 already: a port of its own would be right",
    ],
    [
      "applications: { ports: ['p}1'] }\nvms: { vm1: { devices: [{ port: 'p{1' }] } }",
      "applications.ports[0]: an application has 'p}1' in its private region and vm1 has 'p{1' in its private region: 'region: lan' for both would be right",
    ],
  ])('%s', (text, message) => {
    expect(messageOf(text)).toContain(message);
  });

  test('a run-dir whose socket has too long a path', () => {
    const text = `run-dir: /tmp/${'x'.repeat(100)}\napplications: {}`;
    expect(messageOf(text)).toContain("netmap.sock' has 117 bytes, too many for a socket: at most 107");
  });
});
