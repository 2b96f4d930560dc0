// docs/reference/messages.md: every message that the host and its commands can print, by its first words, read from the sources.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { literalsOf } from './cpp-messages.ts';

/** Fewer are a key, a unit or a word of the protocol. */
const WORDS_MIN = 4;
/** Where what looks like a message is a help text, a description, or a program of another language. */
const NOT_MESSAGES =
  /^(backend\/(cli\/(completion|command-tree)|config\/descriptions)\.ts$|native\/(test|fuzz|model|bench)\/|.*\/(build|test|node_modules)\/|.*\/layout\.ts$)/;
/** What runs in the tool's own processes, in programs that `ptnet exec` starts, and in test guests, whose words the tool repeats. */
const FOLDERS = [
  'backend',
  'guest-driver/addon',
  'guest-driver/agent',
  'guest-driver/core',
  'guest-driver/model',
  'native',
  'vm-images',
];
/** Of its folder the only one that says something; registers have descriptions. */
const FILES = ['pci/rejects.ts'];
const FIRST_SENTENCE = /^(?:#!.*\n)?\/[/*]\*? ([\s\S]*?)[.:](?:\s|$)/;
/** Whose arguments are help, not messages. */
const HELP = new Set([
  'description',
  'argument',
  'option',
  'addHelpText',
  'Option',
  'Argument',
  'summary',
  'describe',
]);

export interface Subject {
  /** The file's own first sentence. */
  readonly about: string;
  readonly messages: readonly string[];
}

export function collectMessages(root: string): Subject[] {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  );
  return [...files, ...FILES]
    .filter((path) => /\.(ts|cc|c|h)$/.test(path) && !NOT_MESSAGES.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const about = FIRST_SENTENCE.exec(text)?.[1]?.replaceAll(/\n(\/\/)? ?/g, ' ') ?? path;
      const found = path.endsWith('.ts') ? messagesIn(path, text) : literalsOf(text).filter(isMessage);
      return { about, messages: [...new Set(found.map((message) => message.trim()))].sort() };
    })
    .filter(({ messages }) => messages.length > 0);
}

function messagesIn(path: string, text: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && HELP.has(calledName(node))) {
      if (ts.isPropertyAccessExpression(node.expression)) visit(node.expression.expression);
      return;
    }
    const message =
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) ? node.text : templateText(node);
    if (message !== undefined && isMessage(message)) found.push(message.trim());
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return found;
}

const calledName = ({ expression }: ts.CallExpression | ts.NewExpression): string =>
  ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();

/** What stands in for a value is three dots. */
function templateText(node: ts.Node): string | undefined {
  if (!ts.isTemplateExpression(node)) return undefined;
  return node.head.text + node.templateSpans.map(({ literal }) => `...${literal.text}`).join('');
}

const isMessage = (text: string): boolean =>
  (text.match(/(?<![\w.-])[A-Za-z][a-z']*(?![\w-])/g)?.length ?? 0) >= WORDS_MIN &&
  !/^(#|\s*Exit codes)/.test(text);

export function messagesReference(subjects: readonly Subject[]): string {
  const sections = subjects.map(
    ({ about, messages }) => `## ${about}\n\n${messages.map((message) => `- ${code(message)}`).join('\n')}\n`,
  );
  return [
    '# Messages\n',
    "Every message of the host and its commands, by the part that it comes from (`npm run generate` reads them from the sources, TypeScript, C++ and C); `...` stands for a name or a value. Search for the words after it. A message names its object first, then what is wrong, then what would be right. What needs more than that is in [troubleshooting](../troubleshooting.md). The system's own messages look like `open: ENOENT: no such file or directory, 'host.yaml'`: a call, its error, and what it was about.\n",
    ...sections,
  ].join('\n');
}

/** In one line, and whatever is in it. */
function code(message: string): string {
  const line = message.replaceAll(/\s*\n\s*/g, ' ');
  return line.includes('`') ? `\`\` ${line} \`\`` : `\`${line}\``;
}
