// provisional
import type { TakenState } from './state.ts';
export function recorded(ports: TakenState['ports'], _stats: number): { ports: TakenState['ports'] } {
  return { ports };
}
