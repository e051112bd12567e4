/**
 * The house rules as a test: direction of imports, no cycles, sizes, and who may touch what is not
 * deterministic. Exceptions are listed by name, with a reason.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const src = join(root, 'src')

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(src, file), 'utf8') }))

/** A folder may import itself and those after it. Files of `src/` itself are named one by one. */
const LAYERS: Record<string, string[]> = {
  base: [],
  term: ['base'],
  process: ['term', 'base'],
  mesh: ['process', 'term', 'base'],
  discovery: ['mesh', 'base'],
  etcd: ['base'],
  cluster: ['etcd', 'mesh', 'process', 'term', 'base'],
  'environment.ts': ['base'],
  'node-options.ts': ['environment.ts', 'cluster', 'discovery', 'base'],
  'node.ts': [
    'loggers.ts',
    'node-options.ts',
    'environment.ts',
    'cluster',
    'etcd',
    'discovery',
    'mesh',
    'process',
    'term',
    'base',
  ],
  'citadel.ts': ['node.ts', 'node-options.ts', 'cluster', 'mesh', 'process', 'base'],
  'signals.ts': ['base'],
  'loggers.ts': ['base'],
  'index.ts': [
    'loggers.ts',
    'citadel.ts',
    'signals.ts',
    'cluster',
    'discovery',
    'mesh',
    'process',
    'term',
    'base',
  ],
  shell: [
    'index.ts',
    'demo',
    'loggers.ts',
    'citadel.ts',
    'signals.ts',
    'process',
    'term',
    'base',
    'mesh',
    'cluster',
    'environment.ts',
  ],
  // `discovery`: the demo takes the row of the node it has killed out of Redis.
  demo: ['index.ts', 'citadel.ts', 'discovery', 'mesh', 'base'],
  // Everything, because it simulates and inspects everything; nothing imports it.
  testing: [
    'etcd',
    'index.ts',
    'node.ts',
    'citadel.ts',
    'environment.ts',
    'cluster',
    'discovery',
    'mesh',
    'process',
    'term',
    'base',
  ],
}

const layerOf = (file: string): string =>
  file.includes('/') ? file.slice(0, file.indexOf('/')) : file

function importsOf(file: string, text: string): string[] {
  const found: string[] = []
  for (const [, path] of text.matchAll(/(?:from|import|declare module)\s*\(?\s*'(\.[^']+)'/g)) {
    found.push(relative(src, normalize(join(src, dirname(file), path!))).replace(/\.js$/, '.ts'))
  }
  return found
}

/** The augmentation in citadel.ts names the module it adds to; that is no import. */
const code = (text: string): string => text.replace(/declare module '[^']+'/g, '')

describe('the source tree', () => {
  test('imports go one way: base, term, process, mesh, cluster, node, face, programs', () => {
    const wrong: string[] = []
    for (const { file, text } of files) {
      const layer = layerOf(file)
      const allowed = LAYERS[layer]
      if (!allowed) wrong.push(`${file} is in no layer`)
      for (const target of importsOf(file, code(text))) {
        const other = layerOf(target)
        if (other !== layer && !allowed?.includes(other)) wrong.push(`${file} imports ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('no import cycle, types included', () => {
    const graph = new Map(files.map(({ file, text }) => [file, importsOf(file, code(text))]))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (done.has(file) || path.includes(file)) return
      for (const next of graph.get(file) ?? []) visit(next, [...path, file])
      done.add(file)
    }
    for (const file of graph.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })

  test('no file is over 500 lines, and every one says at its top what it is', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 501).map(({ file }) => file)
    const silent = files
      .filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
      .map(({ file }) => file)
    expect({ long, silent }).toEqual({ long: [], silent: [] })
  })

  test('time, chance, sockets and the process are touched by the adapters only', () => {
    const ADAPTERS = [
      /^base\/system-(clock|random)\.ts$/,
      // Loggers write to standard error.
      /^loggers\.ts$/,
      /^mesh\/tcp-transport\.ts$/,
      /^environment\.ts$/,
      // Signals are the process's by definition.
      /^signals\.ts$/,
      // Redis, DNS and etcd are the outside world by definition.
      /^discovery\/(redis-|dns-)/,
      /^etcd\/http-exchange\.ts$/,
      // Programs for people.
      /^(shell|demo)\//,
      // Real turns of the event loop between simulated events, and the program around it.
      /^testing\//,
    ]
    const IMPURE =
      /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|process\.(env|hrtime|on|stdout|stderr|nextTick)|from 'node:(net|http|tls|dns|fs|os|child_process|timers))/
    const wrong: string[] = []
    for (const { file, text } of files) {
      if (ADAPTERS.some((adapter) => adapter.test(file))) continue
      const bare = text
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
        // They compare addresses and open nothing.
        .replace("import { BlockList, isIP } from 'node:net'", '')
      const found = IMPURE.exec(bare)
      if (found) wrong.push(`${file} uses ${found[0]}`)
    }
    expect(wrong).toEqual([])
  })

  test('no names that say nothing', () => {
    const vague = /(^|[-/])(utils?|helpers?|manager|impl|common|misc|types)(\.|-|\/)/
    expect(files.filter(({ file }) => vague.test(file)).map(({ file }) => file)).toEqual([])
  })

  test('no state in modules: nothing is declared with let at the top of a file', () => {
    const wrong = files
      .filter(({ text }) => /^(export )?(let|var) /m.test(text))
      .map(({ file }) => file)
    expect(wrong).toEqual([])
  })
})

describe('docs/faults.md', () => {
  const page = readFileSync(join(root, 'docs', 'faults.md'), 'utf8')

  test('has a row for each kind of fault, with tests that are there', () => {
    const number = (letter: string, last: number, later: number[]): string[] =>
      Array.from({ length: last }, (_, at) => at + 1)
        .filter((at) => !later.includes(at))
        .map((at) => `${letter}${at}`)
    const wanted = [...number('F', 25, [24]), ...number('H', 15, [13])]
    expect(page.match(/(?<=^\| )[FH]\d+(?= \|)/gm)).toEqual(wanted)
    const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    const named = page.match(/(?<=`)[\w./-]+\.test\.ts(?=`)/g) ?? []
    const isThere = (name: string) => tests.some((file) => `/test/${file}`.endsWith(`/${name}`))
    expect(named.filter((name) => !isThere(name))).toEqual([])
    for (const row of page.match(/^\| [FH]\d+ .*$/gm) ?? []) expect(row).toContain('.test.ts`')
  })
})
