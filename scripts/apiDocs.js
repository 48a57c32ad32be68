/**
 * Writes docs/api.md: what the doc comments say about the exports of each entry of the package, as
 * TypeDoc renders them. The entries are those that tshy builds (`tshy.exports` in package.json).
 *
 * With `--check`, it fails if docs/api.md is not what it would write.
 */
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import * as prettier from 'prettier';
import {Application, Converter, ReflectionKind} from 'typedoc';

const repository = fileURLToPath(new URL('..', import.meta.url));
const target = path.join(repository, 'docs/api.md');

const {name, tshy} = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8'));

/** Entries that export nothing. The doc comment of `watchLocks` says how to use this one. */
const WITHOUT_EXPORTS = ['./debug/register'];

const entries = Object.entries(tshy.exports)
  .filter(([entry]) => !WITHOUT_EXPORTS.includes(entry))
  .map(([entry, file]) => ({specifier: path.posix.join(name, entry), file, slug: slugOf(entry)}));

/** The name of TypeDoc's module, and so of its file. */
function slugOf(entry) {
  return entry === '.' ? 'index' : entry.slice(2).replaceAll('/', '.');
}

const INTRODUCTION = `# API

This page is generated from the doc comments in \`src/\`: \`npm run docs:api\` writes it. Your editor
shows the same text.`;

const rendered = await prettier.format(await render(), {
  ...(await prettier.resolveConfig(target)),
  filepath: target,
});

if (!process.argv.includes('--check')) await writeFile(target, rendered);
else if ((await readFile(target, 'utf8').catch(() => '')) !== rendered) {
  console.error('docs/api.md does not match the doc comments. Run `npm run docs:api`.');
  process.exitCode = 1;
}

async function render() {
  const directory = await mkdtemp(path.join(tmpdir(), 'api-docs-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: entries.map(({file}) => path.join(repository, file)),
      tsconfig: path.join(repository, 'scripts/tsconfig.api.json'),
      basePath: path.join(repository, 'src'),
      name,
      readme: 'none',
      // `tsc` has checked the types.
      skipErrorChecking: true,
      logLevel: 'Warn',
      treatWarningsAsErrors: true,
      // Line numbers would change with each edit.
      disableSources: true,
      excludeExternals: true,
      excludeInternal: true,
      sort: ['source-order'],
      groupOrder: [
        'Functions',
        'Classes',
        'Type Aliases',
        'Interfaces',
        'References',
        'Properties',
        'Methods',
      ],
      outputs: [{name: 'markdown', path: directory}],
      router: 'module',
      entryFileName: 'toc',
      hideBreadcrumbs: true,
      hidePageHeader: true,
      hidePageTitle: true,
      useCodeBlocks: true,
      expandParameters: true,
      useHTMLAnchors: true,
      hideGroupHeadings: true,
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      parametersFormat: 'table',
      tableColumnSettings: {
        hideModifiers: true,
        hideInherited: true,
        hideOverrides: true,
        hideSources: true,
      },
    });
    app.converter.on(Converter.EVENT_RESOLVE_END, ({project}) => prepare(project));
    const project = await app.convert();
    if (project === undefined) throw new Error('TypeDoc failed.');
    app.validate(project);
    await app.generateOutputs(project);
    if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('TypeDoc warned.');
    const sections = await Promise.all(
      entries.map(async (entry) =>
        sectionOf(entry, await readFile(path.join(directory, `${entry.slug}.md`), 'utf8')),
      ),
    );
    return withoutIdleAnchors([INTRODUCTION, ...sections].join('\n\n'));
  } finally {
    await rm(directory, {recursive: true, force: true});
  }
}

/**
 * What a type inherits is described where it comes from, except options: a caller looks for all of
 * them in one place. A field's initial value in its class is no default of anything.
 */
function prepare(project) {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    const isOption = reflection.parent?.name.endsWith('Options') === true;
    if (reflection.inheritedFrom !== undefined && !isOption) project.removeReflection(reflection);
    if (reflection.parent?.kindOf(ReflectionKind.Class)) delete reflection.defaultValue;
  }
}

/** One entry's part of the page: its anchors begin with its name, because entries share names. */
function sectionOf({specifier, slug}, markdown) {
  const body = compact(markdown)
    .replaceAll(/<a id="([^"]+)"><\/a>/g, `<a id="${slug}-$1"></a>`)
    .replaceAll(/\]\(#([^)]+)\)/g, `](#${slug}-$1)`)
    .replaceAll(/\]\(([\w.]+)\.md#([^)]+)\)/g, '](#$1-$2)')
    .replaceAll(/\]\(([\w.]+)\.md\)/g, '](#$1)');
  return `<a id="${slug}"></a>\n\n## ${specifier}\n\n${body}`;
}

/**
 * The same in fewer words: what a signature says already is left out, and the parts of a method's
 * description need no headings.
 */
function compact(markdown) {
  const out = [];
  const reexported = [];
  let last = '';
  for (const {heading, level, anchor, text} of partsOf(markdown)) {
    const [, renames, link] = /^(Renames and re|Re)-exports (\[.*\]\(.*\))$/.exec(text) ?? [];
    if (link !== undefined) {
      reexported.push(renames === 'Re' ? link : `\`${heading}\` (the former name of ${link})`);
      continue;
    }
    switch (heading) {
      case 'Type Parameters':
      case 'Overrides':
      case 'Extended by':
      case 'Methods':
        continue;
      case 'Parameters':
        if (text.includes('](')) out.push(table(text));
        break;
      case 'Extends':
        out.push(`Extends ${text.replaceAll(/^- /gm, '').replaceAll(/\s*\n\s*/g, ', ')}.`);
        break;
      case 'Returns':
        out.push(describe('Returns', withoutTypes(text)));
        break;
      case 'Throws':
        if (last === 'Throws') out.push(`${out.pop()}\n${item(text)}`);
        else out.push(`Throws:\n\n${item(text)}`);
        break;
      case 'Properties':
        out.push(table(text));
        break;
      case 'Call Signature':
      case 'Example':
      case '':
        out.push(table(text));
        break;
      default:
        out.push(anchor, `${'#'.repeat(Math.min(level + 1, 4))} ${heading}`, table(text));
    }
    last = heading;
  }
  if (reexported.length > 0) out.push(`This entry also exports ${reexported.join(', ')}.`);
  return out.filter((part) => part.trim() !== '').join('\n\n');
}

/** Leaves out the type, which the signature has. A sentence ends in a full stop. */
function withoutTypes(text) {
  const isType = (paragraph) => /^[`[(]/.test(paragraph) && !paragraph.endsWith('.');
  return text
    .split('\n\n')
    .filter((paragraph) => !isType(paragraph))
    .join('\n\n');
}

function describe(what, text) {
  return text === '' ? '' : `${what} ${text}`;
}

function item(text) {
  return `- ${text.replaceAll('\n', '\n  ')}`;
}

/** Leaves out the anchors of table rows to which no link leads. */
function withoutIdleAnchors(markdown) {
  return markdown.replaceAll(/^\| <a id="([^"]*)"><\/a> /gm, (cell, id) =>
    markdown.includes(`(#${id})`) ? cell : '| ',
  );
}

/** Lists in a table's cells stay lists, and what has no default value says nothing of one. */
function table(text) {
  return text
    .split('\n')
    .map((line) => {
      if (!line.startsWith('| ')) return line;
      return line
        .replaceAll(/(?<!\\)\| (`undefined`|-)(?= +\|)/g, '| ')
        .replaceAll(/ - (?=`)/g, '<br />• ')
        .replaceAll('|<br />', '| ');
    })
    .join('\n');
}

/** What is below each heading, and the anchor that stands above it. */
function partsOf(markdown) {
  const parts = [{heading: '', level: 0, text: ''}];
  let isCode = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    const [, marks = '', heading = ''] = (!isCode && /^(#+) (.*)$/.exec(line)) || [];
    if (marks !== '') parts.push({heading, level: marks.length, text: ''});
    else if (line !== '***') parts.at(-1).text += `${line}\n`;
  }
  const trailing = /\s*(<a id="[^"]*"><\/a>)\s*$/;
  return parts.map((part, n) => {
    const [, anchor = ''] = trailing.exec(parts[n - 1]?.text ?? '') ?? [];
    return {...part, anchor, text: part.text.replace(trailing, '').trim()};
  });
}
