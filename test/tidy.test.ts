/**
 * The house rules as a test: direction of imports, no cycles, sizes, and who may touch what is not
 * deterministic. Exceptions are listed by name, with a reason.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const files = ['src', 'simulator'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${top}/${file}`)
    .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })),
)

const FOLDER_FILES_MAX = 30
const FILE_LINES_MAX = 500

/** The folders, from the top, as docs/architecture.md shows them. */
const FOLDERS: readonly string[] =
  readFileSync(join(root, 'docs', 'architecture.md'), 'utf8').match(
    /(?<=^\| `)(?:src|simulator)\/[\w/]*(?=\/` \|)|(?<=^\| `)(?:src|simulator)(?=\/` \|)/gm,
  ) ?? []

/** The simulated world is for tests of users, and for the simulator. */
const mayTest = (folder: string): boolean => /^(simulator|src\/testing)/.test(folder)

/** What a file imports from the project. An augmentation of a module is no import. */
function importsOf(file: string, text: string): string[] {
  const code = text.replace(/declare module '[^']+'/g, '')
  const found: string[] = []
  for (const [, path] of code.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    found.push(normalize(join(dirname(file), path!)).replace(/\.js$/, '.ts'))
  }
  return found
}

describe('the source tree', () => {
  test('each folder has its place in docs/architecture.md, and imports only from below it', () => {
    const wrong: string[] = []
    const used = new Set(files.map(({ file }) => dirname(file)))
    expect([...used].sort()).toEqual([...FOLDERS].sort())
    for (const { file, text } of files) {
      const folder = dirname(file)
      for (const target of importsOf(file, text)) {
        const other = dirname(target)
        const isBelow = FOLDERS.indexOf(other) >= FOLDERS.indexOf(folder)
        const isAllowed = other !== 'src/testing' || mayTest(folder)
        if (!isBelow || !isAllowed) wrong.push(`${file} imports ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('no folder has over 30 files', () => {
    const sizes = new Map<string, number>()
    for (const { file } of files) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1)
    expect([...sizes].filter(([, size]) => size > FOLDER_FILES_MAX)).toEqual([])
  })

  test('no import cycle, types included', () => {
    const graph = new Map(files.map(({ file, text }) => [file, importsOf(file, text)]))
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
    const long = files
      .filter(({ text }) => text.split('\n').length > FILE_LINES_MAX + 1)
      .map(({ file }) => file)
    const silent = files
      .filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
      .map(({ file }) => file)
    expect({ long, silent }).toEqual({ long: [], silent: [] })
  })

  test('time, chance, sockets and the process are touched by the adapters only', () => {
    const ADAPTERS = [
      /^src\/base\/system-(clock|random)\.ts$/,
      // Loggers write to standard error.
      /^src\/loggers\.ts$/,
      /^src\/base\/tcp-transport\.ts$/,
      /^src\/environment\.ts$/,
      // Signals are the process's by definition.
      /^src\/signals\.ts$/,
      // Redis, DNS and etcd are the outside world by definition.
      /^src\/discovery\/(redis-|dns-)/,
      /^src\/etcd\/http-exchange\.ts$/,
      // Programs for people.
      /^src\/(shell|demo)\//,
      // Real turns of the event loop between simulated events, and the program around it.
      /^(src\/testing|simulator)\//,
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
