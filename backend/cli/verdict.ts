// How a command ends that has said all there is to say, and did not find things right.
import { CommanderError } from 'commander';

export const VERDICT = 'ptnet.verdict';
const EXIT_NOT_WELL = 1;

export const notWell = (): CommanderError => new CommanderError(EXIT_NOT_WELL, VERDICT, '');
