import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { allExamples, docPages, type Example, examplesOf } from '../support/doc-examples.js'
import { type EtcdCluster, etcdMissing, startEtcd } from '../support/etcd.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { type RedisServer, redisMissing, startRedis } from '../support/redis.js'
import { ROOT } from '../support/root.js'
import { type Scratch, scratch } from '../support/scratch.js'
import { buildOnce, ShellProgram } from '../support/shell-program.js'

/** Inside the package, so that `import 'citadel'` means what is built here. */
const FOLDER = join(ROOT, '.cache', `docs-${process.pid}`)
const PATIENCE_MS = 30_000
/** How long a program that stays is watched for failing after all. */
const WATCH_MS = 1_500

const examples = allExamples()
const withoutRedis = redisMissing()
const withoutEtcd = etcdMissing()
let redis: RedisServer | undefined
let etcd: EtcdCluster | undefined
let home: Scratch
let epmdPort: number
let programs: Program[] = []

class Program {
  stdout = ''
  stderr = ''
  status: number | undefined
  readonly ended: Promise<number>
  private readonly child: ChildProcess

  constructor(file: string, args: readonly string[] = []) {
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: home.path,
      ERL_EPMD_PORT: String(epmdPort),
      CITADEL_COOKIE: 'docs-test',
    }
    const command = ['--import', 'tsx', join(FOLDER, file), ...args]
    this.child = spawn(process.execPath, command, {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        this.status = code ?? -1
        resolve(this.status)
      })
    })
    programs.push(this)
  }

  prints(line: string | RegExp): Promise<boolean> {
    const what = `${line} in ${this.stdout} ${this.stderr}`
    const has = (row: string): boolean => (typeof line === 'string' ? row === line : line.test(row))
    return eventually(() => this.stdout.split('\n').some(has), { timeoutMs: PATIENCE_MS, what })
  }

  async kill(): Promise<void> {
    if (this.status === undefined) this.child.kill('SIGKILL')
    await this.ended
  }
}

beforeAll(async () => {
  buildOnce()
  mkdirSync(FOLDER, { recursive: true })
  if (!withoutRedis && examples.some(({ needsRedis }) => needsRedis)) redis = await startRedis()
  if (!withoutEtcd && examples.some(({ needsEtcd }) => needsEtcd)) etcd = await startEtcd()
  for (const example of examples) writeFileSync(join(FOLDER, fileOf(example)), sourceOf(example))
}, 180_000)

afterAll(async () => {
  await redis?.stop()
  await etcd?.stop()
  rmSync(FOLDER, { recursive: true, force: true })
})

beforeEach(async () => {
  home = scratch('docs')
  epmdPort = await freePort()
})

afterEach(async () => {
  await Promise.all(programs.map((program) => program.kill()))
  programs = []
  home.remove()
})

function fileOf({ place, name }: Example): string {
  return name ?? `${place.replace(/[^\w]+/g, '-')}.ts`
}

function sourceOf({ source, needsRedis, needsEtcd }: Example): string {
  // Without an import or export it would be no module to the compiler.
  const text = /^(import|export) /m.test(source) ? source : `${source}\nexport {}\n`
  if (needsRedis && redis) return text.replaceAll('redis://127.0.0.1:6379', redis.url)
  return needsEtcd && etcd ? text.replaceAll('http://127.0.0.1:2379', etcd.endpoints[0]!) : text
}

/** The expected lines in this order, with others between them allowed. */
function missingLines(stdout: string, expected: readonly string[]): string[] {
  const missing: string[] = []
  let rest = stdout.split('\n')
  for (const line of expected) {
    const at = rest.indexOf(line)
    if (at < 0) missing.push(line)
    else rest = rest.slice(at + 1)
  }
  return missing
}

describe('the examples of README.md and docs/', () => {
  const alone = examples.filter(({ name }) => name === undefined)

  test.each(alone.map((example) => [example.place, example] as const))('%s', async (_, example) => {
    if (example.needsRedis && withoutRedis) return
    if (example.needsEtcd && withoutEtcd) return
    const program = new Program(fileOf(example))
    const { expected, stays } = example
    if (stays) {
      const held = eventually(() => program.status !== undefined, { timeoutMs: WATCH_MS })
      await expect(held, program.stderr).rejects.toThrow()
    } else {
      const status = await Promise.race([
        program.ended,
        new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, 'does not end')),
      ])
      expect({ status, stderr: program.stderr }).toMatchObject({ status: 0 })
    }
    expect(missingLines(program.stdout, expected), program.stdout).toEqual([])
  })

  test('satisfy the compiler, strictly', () => {
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: {
        rootDir: '../..',
        noEmit: true,
        noUnusedLocals: false,
        noUnusedParameters: false,
        types: ['node'],
      },
      include: ['.'],
    }
    writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const errors = ((): string => {
      try {
        execFileSync(process.execPath, [tsc, '-p', FOLDER], { encoding: 'utf8', cwd: ROOT })
        return ''
      } catch (error) {
        return String((error as { stdout: unknown }).stdout)
      }
    })()
    expect(errors).toBe('')
  })

  test('are many, and the ones with a name have a test here', () => {
    expect(examples.length).toBeGreaterThan(20)
    const names = examples.flatMap(({ name }) => name ?? []).sort()
    expect(names).toEqual(['counter.ts', 'reader.ts', 'rooms.ts'])
  })
})

describe('the shell sessions of README.md', () => {
  const sessions = consoleSessions(readFileSync(join(ROOT, 'README.md'), 'utf8'))
  let shells = new Map<string, ShellProgram>()

  afterEach(async () => {
    await Promise.all([...shells.values()].map((shell) => shell.kill()))
    shells = new Map()
  })

  async function startShell(node: string, env: Record<string, string> = {}): Promise<void> {
    const args = ['shell', '--name', node, '--interactive', 'examples/worker.mjs']
    const shell = new ShellProgram(args, { epmdPort, home: home.path, env })
    shells.set(node, shell)
    await shell.prompted()
  }

  test('two nodes print what README.md says they print', async () => {
    const steps = sessions.slice(0, 2).flat()
    expect(steps.length).toBe(12)
    for (const { node, typed, printed } of steps) {
      if (!shells.has(node)) await startShell(node)
      expect({ typed, printed: await shells.get(node)?.line(typed) }).toEqual({ typed, printed })
    }
  })

  test.skipIf(withoutRedis)('two nodes find each other through Redis as it says', async () => {
    const env = { CITADEL_REDIS_URL: redis?.url ?? '', CITADEL_DOMAIN: 'demo' }
    await Promise.all(['n1@127.0.0.1', 'n2@127.0.0.1'].map((node) => startShell(node, env)))
    const steps = sessions.slice(2).flat()
    expect(steps.length).toBe(2)
    for (const { node, typed, printed } of steps) {
      await eventually(async () => (await shells.get(node)?.line(typed)) === printed, {
        what: `${typed} prints ${printed}`,
      })
    }
  })
})

interface Step {
  node: string
  typed: string
  printed: string
}

/** What is typed at each prompt of each `console` block, and what is printed then. */
function consoleSessions(text: string): Step[][] {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block]) => {
    const steps: Step[] = []
    for (const row of block!.trimEnd().split('\n')) {
      const [, node, typed] = /^(\S+@\S+)> (.+)$/.exec(row) ?? []
      const last = steps.at(-1)
      if (node && typed) steps.push({ node, typed, printed: '' })
      else if (last) last.printed += last.printed === '' ? row : `\n${row}`
    }
    return steps
  })
}

describe('the tutorial', () => {
  test('two nodes: the counter of one is found by its key from the other', async () => {
    const counter = new Program('counter.ts')
    await counter.prints('n1@127.0.0.1 has the counter')
    const first = new Program('reader.ts')
    expect(await first.ended, first.stderr).toBe(0)
    expect(first.stdout).toBe('the counter is at 1\n')
    const second = new Program('reader.ts')
    expect(await second.ended, second.stderr).toBe(0)
    expect(second.stdout).toBe('the counter is at 2\n')
    await counter.kill()
    const third = new Program('reader.ts')
    expect(await third.ended).toBe(0)
    expect(third.stdout).toBe('n1@127.0.0.1 does not answer\n')
  })

  test('two nodes: the rooms of a killed node run on the other', async () => {
    const n1 = new Program('rooms.ts', ['n1@127.0.0.1'])
    await n1.prints('lobby n1, garden n1, kitchen n1, cellar n1')
    const n2 = new Program('rooms.ts', ['n2@127.0.0.1', 'n1@127.0.0.1'])
    await n2.prints('lobby n1, garden n1, kitchen n1, cellar n1')
    await n1.kill()
    await n2.prints('lobby n2, garden n2, kitchen n2, cellar n2')
  })
})

describe('the pages', () => {
  const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
  const pages = ['README.md', 'CONTRIBUTING.md', ...docPages()]

  test('every link within the repository leads somewhere', () => {
    const dead: string[] = []
    for (const page of pages) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [path = '', anchor] = target!.split('#')
        const file = path === '' ? page : join(dirname(page), path)
        const there = existsSync(join(ROOT, file))
        if (!there || (anchor && !anchorsOf(read(file)).includes(anchor))) {
          dead.push(`${page}: ${target}`)
        }
      }
    }
    expect(dead).toEqual([])
  })

  test('every page is listed in docs/README.md', () => {
    const index = read('docs/README.md')
    const listed = (page: string): boolean => index.includes(`](${page.slice('docs/'.length)}`)
    const top = docPages().filter((page) => /^docs\/[^/]+\.md$/.test(page))
    expect(top.filter((page) => page !== 'docs/README.md' && !listed(page))).toEqual([])
  })

  test('every error code and every option of a node is explained', () => {
    const codes = [...read('src/base/errors.ts').matchAll(/^ {2}\| '(\w+)'/gm)].map(([, it]) => it)
    const explained = read('docs/processes.md')
    expect(codes.length).toBeGreaterThan(20)
    expect(codes.filter((code) => !explained.includes(`\n| \`${code}\` |`))).toEqual([])
    const [, body = ''] =
      /export interface CitadelOptions \{([\s\S]*?)\n\}/.exec(read('src/node-options.ts')) ?? []
    const options = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, it]) => it)
    const operations = read('docs/operations.md')
    const table = operations.slice(
      operations.indexOf('## Options'),
      operations.indexOf('## Limits'),
    )
    expect(options.length).toBeGreaterThan(10)
    expect(options.filter((option) => !table.includes(`\`${option}\``))).toEqual([])
  })
})

/** As GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

describe('the reader of examples', () => {
  test('marks decide what is run, and comments what is printed', () => {
    const page = [
      '```ts\nconsole.log(1) // 1\n```',
      '<!-- continues -->\n```ts\nconsole.log(2) // 2\n```',
      '<!-- fragment: no node -->\n\n```ts\nnot a program\n```',
      '```sh\n# no comment of ours\n```',
      '<!-- stays -->\nText between.\n```ts\nconsole.log(3)\n```',
    ].join('\n')
    expect(examplesOf('page.md', page).map(({ expected, stays }) => ({ expected, stays }))).toEqual(
      [
        { expected: ['1'], stays: false },
        { expected: ['1', '2'], stays: false },
        { expected: [], stays: false },
      ],
    )
    expect(missingLines('a\nb\n', ['b', 'a'])).toEqual(['a'])
  })
})
