// The texts: that their links lead somewhere.
import {existsSync, readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';

const repository = fileURLToPath(new URL('..', import.meta.url));

const TEXTS = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'test/interleavings/README.md',
  ...readdirSync(path.join(repository, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

const read = (file: string): string => readFileSync(path.join(repository, file), 'utf8');

const withoutCode = (text: string): string => text.replace(/^```.*?^```/gms, '');

/** The targets of all links and images of a text. */
const linksOf = (text: string): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);

/** The anchors of a text: those of its headings, as GitHub makes them, and its own. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutCode(text).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  for (const [, id = ''] of text.matchAll(/<a id="([^"]+)">/g)) anchors.add(id);
  return anchors;
}

for (const file of TEXTS) {
  test(`every link of ${file} leads to a file of the repository, and to a heading there`, (t) => {
    const links = linksOf(read(file)).filter((target) => !/^[a-z]+:/.test(target));
    t.deepEqual(
      links.filter((target) => !leadsSomewhere(file, target)),
      [],
    );
  });
}

function leadsSomewhere(file: string, target: string): boolean {
  const [name = '', anchor] = decodeURIComponent(target).split('#');
  const found = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
  if (!existsSync(path.join(repository, found))) return false;
  return anchor === undefined || anchorsOf(read(found)).has(anchor);
}
