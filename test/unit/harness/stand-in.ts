/** A small stand-in for the in-VM agent, compiled on the spot: the harness is tested without the real one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
  char line[256];
  int asked = 0;
  struct termios console;
  setvbuf(stdout, NULL, _IONBF, 0);
  tcgetattr(0, &console);
  cfmakeraw(&console);
  tcsetattr(0, TCSANOW, &console);
  puts("PTNET-READY");
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\\n")] = 0;
    if (!strcmp(line, "info")) printf("PTNET {\\"op\\":\\"info\\",\\"ok\\":true,\\"boot\\":%d}\\n", ++asked);
    else if (!strcmp(line, "reboot")) reboot(RB_AUTOBOOT);
    else if (!strcmp(line, "poweroff")) reboot(RB_POWER_OFF);
    else if (!strcmp(line, "hang")) pause();
    else if (!strcmp(line, "die")) exit(1);
    else printf("PTNET {\\"op\\":\\"%s\\",\\"ok\\":false,\\"error\\":\\"unknown command\\"}\\n", line);
  }
  return 1;
}
`;

/** Compiles it below `folder` and returns its path. */
export async function buildStandIn(folder: string): Promise<string> {
  const source = join(folder, 'stand-in.c');
  const program = join(folder, 'stand-in');
  await writeFile(source, SOURCE);
  await execa('cc', ['-static', '-O1', '-o', program, source]);
  return program;
}
