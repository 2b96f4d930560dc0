// Rules that every file of the tree keeps, each a function from a file to its complaints.
import ts from 'typescript';
import type { SourceFile } from './tree.ts';

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;

/** Folders whose files may include Node's C++ interface: the engine builds and is tested without Node. */
const ADDON_FOLDERS = ['native/src/addon/', 'guest-driver/addon/'];

const isScript = (path: string): boolean => /\.(ts|mjs|js)$/.test(path);
const isNative = (path: string): boolean => /\.(h|cc|c)$/.test(path);

/** The first thing in a file, after what its kind wants in the first line, is a sentence about what the file is for. */
export function checkFirstSentence({ path, text }: SourceFile): string[] {
  const body = text.replace(/^#!.*\n/, '').replace(/^(\/\/|\/\*|#) SPDX-License-Identifier: .*\n/, '');
  const comment = leadingComment(body, isScript(path) || isNative(path) ? '//' : '#');
  const sentence = /^\S+( \S+){2,}?[.:](\s|$)/.exec(comment);
  return sentence === null
    ? [`${path}:1: the first line must be a sentence that says what the file is for`]
    : [];
}

function leadingComment(text: string, marker: string): string {
  const block = /^\/\*\*?([\s\S]*?)\*\//.exec(text);
  if (block !== null) return block[1]!.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim();
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith(marker));
  const comment = lines.slice(0, end < 0 ? lines.length : end);
  return comment.map((line) => line.slice(marker.length).trim()).join(' ');
}

const REFERENCE =
  /(?<![\w./-])(?:backend|demo|docs|examples|guest-driver|native|pci|scripts|spec|test|vm-images)\/[\w./-]+\.(?:cc|h|json|md|mjs|ts|yaml)\b/g;

/** A file that is named by its path from the root is there, but for names such as KIND. @param exists by such a path. */
export function checkReferences({ path, text }: SourceFile, exists: (path: string) => boolean): string[] {
  const named = [...text.matchAll(REFERENCE)].map(([reference]) => reference);
  return named
    .filter((reference) => !/[A-Z]{4}/.test(reference) && !exists(reference))
    .map((reference) => `${path}: names ${reference}, which is not there`);
}

export function checkFileLength({ path, text }: SourceFile): string[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return lines > FILE_LINES_MAX ? [`${path}: ${lines} lines, at most ${FILE_LINES_MAX}: split it`] : [];
}

/** Functions that have a name; the callbacks that make up a test file are not what the limit is about. */
export function checkFunctionLength({ path, text }: SourceFile): string[] {
  const complaints: string[] = [];
  const report = (name: string, first: number, last: number): void => {
    const lines = last - first + 1;
    if (lines <= FUNCTION_LINES_MAX) return;
    complaints.push(`${path}:${first}: ${name} has ${lines} lines, at most ${FUNCTION_LINES_MAX}: split it`);
  };
  if (isScript(path)) forEachNamedFunction(path, text, report);
  if (isNative(path)) forEachNativeFunction(text, report);
  return complaints;
}

function forEachNamedFunction(
  path: string,
  text: string,
  report: (n: string, a: number, b: number) => void,
): void {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    const named =
      ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isConstructorDeclaration(node) ||
      ts.isAccessor(node) ||
      (ts.isVariableDeclaration(node) &&
        node.initializer !== undefined &&
        ts.isArrowFunction(node.initializer));
    if (named) {
      const name = ts.isConstructorDeclaration(node)
        ? 'constructor'
        : (node.name?.getText(source) ?? 'function');
      report(name, lineOf(node.getStart(source)), lineOf(node.getEnd()));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

/** By the layout that clang-format gives: a function at namespace level ends with a brace in the first column. */
function forEachNativeFunction(text: string, report: (n: string, a: number, b: number) => void): void {
  let first: { line: number; text: string } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '}' && first !== undefined) {
      report(first.text, first.line, index + 1);
      first = undefined;
    } else if (/^(namespace|class|struct|enum|union|extern|template|using|#|\/\/|\}|\s*$)/.test(line)) {
      first = undefined;
    } else if (/^[A-Za-z]/.test(line) && first === undefined) {
      first = { line: index + 1, text: line };
    } else if (/;$/.test(line) && /^\S/.test(line)) {
      first = undefined;
    }
  }
}

export function checkNapi({ path, text }: SourceFile): string[] {
  if (ADDON_FOLDERS.some((folder) => path.startsWith(folder))) return [];
  const match = /^\s*#\s*include\s*[<"]((?:napi|node_api|js_native_api|node|uv)\.h)[>"]/m.exec(text);
  return match === null ? [] : [`${path}: includes ${match[1]}: only ${ADDON_FOLDERS.join(' and ')} may`];
}

/** A test that is switched off, or that switches the others off, tells nobody. */
export function checkNoSwitchedOffTests({ path, text }: SourceFile): string[] {
  if (!path.startsWith('test/') || !path.endsWith('.ts')) return [];
  const complaints: string[] = [];
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && /^(only|skip|todo)$/.test(node.name.text)) {
      const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      complaints.push(`${path}:${line}: .${node.name.text}: a test runs or is deleted`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return complaints;
}

/** What a guest or a peer can bring into the log has a rate: in the host, only complaints write there, the commands, and what tells of the host's own interfaces. */
const WRITE_LOGS = [
  'backend/complaints.ts',
  'backend/log.ts',
  'backend/cli/',
  'backend/ports/interface-watch.ts',
];

export function checkNoUnboundedLog({ path, text }: SourceFile): string[] {
  if (!/^(backend|pci|native)\/.*\.ts$/.test(path) || WRITE_LOGS.some((own) => path.startsWith(own)))
    return [];
  const complaints: string[] = [];
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    const called = ts.isCallExpression(node) ? node.expression : undefined;
    const name = called && ts.isPropertyAccessExpression(called) ? called.name.text : '';
    const level =
      called && ts.isElementAccessExpression(called) && /log/i.test(called.expression.getText(source));
    if (
      level ||
      /^(debug|info|warn|error|log)$/.test(name) ||
      /^process\.std(out|err)\./.test(called?.getText(source) ?? '')
    ) {
      const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      complaints.push(`${path}:${line}: ${called!.getText(source)}: Complaints.add() has a rate`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return complaints;
}

/** Written in two parts, so that this file keeps the rule. */
const UNFINISHED = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);

export function checkFinished({ path, text }: SourceFile): string[] {
  return text.split('\n').flatMap((line, index) => {
    const match = UNFINISHED.exec(line);
    return match === null ? [] : [`${path}:${index + 1}: ${match[1]}: do it or leave it out`];
  });
}
