import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { redisMissing, startRedis } from '../support/redis.js'
import { type Scratch, scratch } from '../support/scratch.js'
import { buildOnce, environment, ShellProgram } from '../support/shell-program.js'

const WORKER = 'examples/worker.mjs'
const LOCAL = /^#PID<0\.\d+\.\d+>$/
const REMOTE = /^#PID<[1-9]\d*\.\d+\.\d+>$/

let home: Scratch
let epmdPort: number
let programs: ShellProgram[] = []

beforeAll(() => buildOnce(), 180_000)

beforeEach(async () => {
  home = scratch('shell')
  epmdPort = await freePort()
})

afterEach(async () => {
  await Promise.all(programs.map((program) => program.kill()))
  programs = []
  home.remove()
})

function command(args: readonly string[], env: Record<string, string> = {}): ShellProgram {
  const program = new ShellProgram(args, { epmdPort, home: home.path, env })
  programs.push(program)
  return program
}

/** A shell to talk to, with its banner read. */
async function shell(name: string, env: Record<string, string> = {}): Promise<ShellProgram> {
  const program = command(['shell', '--name', name, '--interactive', WORKER], env)
  expect(await program.prompted()).toContain(`this is ${name}`)
  return program
}

const piped = (lines: string, args: readonly string[] = []): ShellProgram => {
  const program = command(['shell', '--name', 'n1@127.0.0.1', ...args])
  void program.end(lines)
  return program
}

/** The slot and serial of a pid: the same in every shell, where the first number differs. */
const local = (pid: string): string => pid.replace(/^#PID<\d+/, '')

describe('two shells', () => {
  test('two nodes go through the sessions of the original README', async () => {
    const n1 = await shell('n1@127.0.0.1')
    const n2 = await shell('n2@127.0.0.1')
    expect(await n1.line('Citadel.start()')).toBe('#Citadel<n1@127.0.0.1>')
    expect(await n2.line('Citadel.start()')).toBe('#Citadel<n2@127.0.0.1>')
    expect(await n2.line("connect('n1@127.0.0.1')")).toBe('true')
    expect(await n1.line('nodes()')).toBe("[ 'n2@127.0.0.1' ]")

    const me = await n1.line('self()')
    expect(me).toMatch(LOCAL)
    const register = "citadel.registry.register('dumb_iex_process', self())"
    expect(await n1.line(register)).toBe('undefined')
    expect(await n1.line("citadel.registry.findByKey('dumb_iex_process')")).toBe(me)
    const found = await eventually(async () => {
      const pid = await n2.line("citadel.registry.findByKey('dumb_iex_process')")
      return pid === 'undefined' ? '' : pid
    })
    expect(found).toMatch(REMOTE)
    expect(local(found)).toBe(local(me))
    const refused = await n2.line(register)
    expect(refused).toMatch(/^\*\* \(already_registered\) [^\n]+$/)
    expect(refused).toContain(found)

    expect(await n1.line("citadel.groups.join('dumb_group', self())")).toBe('undefined')
    expect(await n1.line("citadel.groups.members('dumb_group')")).toBe(`[ ${me} ]`)
    await eventually(async () => (await n2.line("groups.members('dumb_group')")) === `[ ${found} ]`)
  })

  test('two nodes: children of a supervisor land on the node that the hash says', async () => {
    const n1 = await shell('n1@127.0.0.1')
    const n2 = await shell('n2@127.0.0.1')
    expect(await n2.line("await connect('n1@127.0.0.1')")).toBe('true')
    for (const node of [n1, n2]) {
      await node.line(
        "const workers = await citadel.supervisor('workers', { modules: { Worker } })",
      )
      expect(await node.line('workers')).toBe('#Supervisor<workers>')
    }
    const both = "[ 'n1@127.0.0.1', 'n2@127.0.0.1' ]"
    for (const node of [n1, n2]) {
      await eventually(async () => (await node.line('workers.nodes()')) === both)
    }
    for (const [id, starter] of [
      [0, n1],
      [1337, n2],
    ] as const) {
      const pid = await starter.line(`workers.startChild(Worker, ["kek"], { id: ${id} })`)
      const where = await starter.line(`workers.nodeFor(${id})`)
      expect(pid).toMatch(where.includes(starter === n1 ? 'n1@' : 'n2@') ? LOCAL : REMOTE)
      expect(await starter.line(`citadel.call(workers.lookup(${id}), 'where')`)).toBe(where)
      expect(await starter.line(`citadel.call(workers.lookup(${id}), 'name')`)).toBe("'kek'")
      const again = await starter.line(`workers.startChild(Worker, ["kek"], { id: ${id} })`)
      expect(again).toMatch(/^\*\* \(already_started\) /)
    }
    await eventually(async () => (await n1.line('workers.members().size')) === '2')
    expect(await n2.line('[...workers.members().keys()].sort()')).toBe('[ 0, 1337 ]')
  })

  test('two nodes: a supervisor of one node is joined by a second that connects later', async () => {
    const n1 = await shell('n1@127.0.0.1')
    await n1.line("const workers = await citadel.supervisor('workers')")
    expect(await n1.line('workers.startChild(Worker, ["kek"], { id: 0 })')).toMatch(LOCAL)
    const n2 = await shell('n2@127.0.0.1')
    expect(await n2.line("connect('n1@127.0.0.1')")).toBe('true')
    await n2.line("const workers = await citadel.supervisor('workers')")
    await eventually(async () => /^#PID/.test(await n2.line('workers.lookup(0)')))
    expect(await n2.line('workers.startChild(Worker, ["kek"], { id: 1337 })')).toMatch(/^#PID</)
    const where = await n1.line("citadel.call(workers.lookup(1337), 'where')")
    expect(await n1.line('workers.nodeFor(1337)')).toBe(where)
  })

  test.skipIf(redisMissing())('two nodes find each other through Redis', async () => {
    const redis = await startRedis()
    try {
      const env = { CITADEL_REDIS_URL: redis.url, CITADEL_DOMAIN: 'shells' }
      const n1 = await shell('node1@127.0.0.1', env)
      const n2 = await shell('node2@127.0.0.1', env)
      const both = "[ 'node1@127.0.0.1', 'node2@127.0.0.1' ]"
      for (const node of [n1, n2]) {
        expect(await node.line('Citadel.start()')).toMatch(/^#Citadel<node\d@127/)
        await eventually(async () => (await node.line('citadel.members()')) === both)
        await eventually(
          async () => (await node.line('citadel.joinCluster()')) === '[ true, true ]',
        )
        expect(await node.line('members()')).toBe(both)
      }
      expect(await n1.line('nodes()')).toBe("[ 'node2@127.0.0.1' ]")
    } finally {
      await redis.stop()
    }
  })

  test('two nodes: one that leaves is gone from the other, with what it had', async () => {
    const n1 = await shell('n1@127.0.0.1')
    const n2 = await shell('n2@127.0.0.1')
    await n2.line("connect('n1@127.0.0.1')")
    await n2.line("registry.register('mine', self())")
    await eventually(async () => /^#PID/.test(await n1.line("registry.findByKey('mine')")))
    expect(await n2.end()).toBe(0)
    await eventually(async () => (await n1.line('nodes()')) === '[]')
    expect(await n1.line("registry.findByKey('mine')")).toBe('undefined')
    const n2Again = await shell('n2@127.0.0.1')
    expect(await n2Again.line("connect('n1@127.0.0.1')")).toBe('true')
  })

  test('two nodes with different cookies do not connect, and say why', async () => {
    await shell('n1@127.0.0.1')
    const n2 = await shell('n2@127.0.0.1', { CITADEL_COOKIE: 'another' })
    expect(await n2.line("connect('n1@127.0.0.1')")).toBe('false')
    await eventually(() => n2.stderr.includes('cookie'))
  })
})

describe('one shell', () => {
  test('runs what is piped in, in order, and ends with its input', async () => {
    const lines = [
      "await registry.register('key', self())",
      "registry.findByKey('key') === self()",
      'class Counter extends GenServer {',
      '  init(n) { this.n = n }',
      '  add(n) { return (this.n += n) }',
      '}',
      'const counter = await citadel.spawn(Counter, [5])',
      "citadel.call(counter, 'add', 3)",
      'throw new TypeError("no")',
      'missing.thing',
      "citadel.send(self(), new Tuple(new Atom('hello'), 1))",
      'flush()',
      'const os = await import("node:os"); typeof os.cpus',
    ]
    const program = piped(lines.join('\n'))
    expect(await program.end()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      'undefined',
      'true',
      'undefined',
      'undefined',
      '8',
      '** (TypeError) no',
      '** (ReferenceError) missing is not defined',
      'true',
      "Tuple(Atom('hello'), 1)",
      'undefined',
      "'function'",
      '',
    ])
    expect(program.stderr).toBe('')
  })

  test('with --strict it stops at the first statement that fails, with status 1', async () => {
    const program = piped('1\nnope\n2\n', ['--strict'])
    expect(await program.end()).toBe(1)
    expect(program.stdout).toBe('1\n** (ReferenceError) nope is not defined\n')
  })

  test('survives the crash of a linked process, and even its own death', async () => {
    const n1 = await shell('n1@127.0.0.1')
    const me = await n1.line('self()')
    await n1.line('class Bomb extends GenServer { boom() { throw new Error("boom") } }')
    await n1.line('const bomb = await citadel.spawn(Bomb, [], { link: true })')
    expect(await n1.line("citadel.call(bomb, 'boom')")).toMatch(/^\*\* \(exited\) [^\n]*boom/)
    expect(await n1.line('flush()')).toMatch(/Exit \{[\s\S]*Error: boom/)
    expect(await n1.line('self()')).toBe(me)
    const untilReplaced = 'while (self() === before) await new Promise(setImmediate)'
    const killed = await n1.line(
      `const before = self(); citadel.exit(before, 'kill'); ${untilReplaced}`,
    )
    expect(killed).toMatch(/^\*\* [^\n]* \(killed\)[^\n]*#PID<0/)
    expect(await n1.line('isAlive(self())')).toBe('true')
    expect(await n1.line('self()')).not.toBe(me)
    expect(await n1.line("citadel.send(self(), 'still here'); flush()")).toContain("'still here'")
  })

  test('lives through errors outside of any statement', async () => {
    const n1 = await shell('n1@127.0.0.1')
    n1.write(
      "setTimeout(() => { throw new Error('late') }, 5); Promise.reject(new Error('stray'))\n",
    )
    await eventually(
      () => n1.stdout.includes('** (Error) late') && /\(Error\) stray/.test(n1.stdout),
    )
    n1.write('.exit\n')
    expect(await n1.end()).toBe(0)
  })

  test('leaves nothing behind when it is told to end while a statement waits', async () => {
    const n1 = await shell('n1@127.0.0.1')
    n1.write('await new Promise(() => {})\n')
    expect(await n1.signal('SIGTERM')).toBe(143)
    const again = await shell('n1@127.0.0.1')
    again.write('.exit\n')
    expect(await again.end()).toBe(0)
  })

  test('ends at once when the node was stopped from its prompt', async () => {
    const n1 = await shell('n1@127.0.0.1')
    expect(await n1.line('citadel.stop()')).toBe('undefined')
    expect(await n1.line('1 + 1')).toBe('2')
    expect(await n1.end()).toBe(0)
  })

  test('Citadel.start with another name starts another node, which ends with it', async () => {
    const n1 = await shell('n1@127.0.0.1')
    await n1.line("const other = await Citadel.start({ name: 'n5@127.0.0.1' })")
    expect(await n1.line('other')).toBe('#Citadel<n5@127.0.0.1>')
    expect(await n1.line("connect('n5@127.0.0.1')")).toBe('true')
    expect(await n1.line('other.pid')).toMatch(REMOTE)
    expect(await n1.end()).toBe(0)
  })

  test('one node: Citadel.start with another arbiter than it runs with is refused', async () => {
    const n1 = await shell('n1@127.0.0.1')
    const quorum = "Citadel.start({ arbiter: { type: 'mesh', quorum: { size: 3 } } })"
    expect(await n1.line(quorum)).toMatch(/^\*\* \(bad_argument\) [^\n]*first Citadel.start\(\)/)
    expect(await n1.line("Citadel.start({ arbiter: { type: 'mesh' } })")).toMatch(/^#Citadel</)
    expect(await n1.end()).toBe(0)
  })
})

describe('what it refuses', () => {
  test.each([
    [['shell', '--name', 'n1'], 1, /^citadel: [^\n]*n1[^\n]*\n$/],
    [['shell', '--name', 'n1@127.0.0.1', 'no-such-file.mjs'], 1, /^citadel: There is no file/],
    [['shell', '--nmae', 'n1@127.0.0.1'], 2, /^citadel: unknown option '--nmae'/],
    [['shell', '--epmd-port', 'many'], 2, /^citadel: [^\n]*--epmd-port[^\n]*\n$/],
    [['frobnicate'], 2, /^citadel: unknown command 'frobnicate'\n$/],
    [['run'], 2, /^citadel: missing required argument 'file'\n$/],
  ] as const)('%j: one sentence and a status', async (args, status, sentence) => {
    const program = command(args)
    expect(await program.end()).toBe(status)
    expect(program.stderr).toMatch(sentence)
    expect(program.stdout).toBe('')
  })

  test('a name that is taken: one sentence and status 1', async () => {
    await shell('n1@127.0.0.1')
    const second = command(['shell', '--name', 'n1@127.0.0.1'])
    expect(await second.end()).toBe(1)
    expect(second.stderr).toMatch(/^citadel: [^\n]* n1 [^\n]*choose another name\n$/)
  })
})

test('in this folder, npx citadel is this command', () => {
  const env = { ...environment({ epmdPort, home: home.path }), npm_config_cache: home.path }
  const options = { encoding: 'utf8', env: { ...env, npm_config_offline: 'true' } } as const
  expect(execFileSync('npx', ['citadel', '--version'], options)).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('citadel run: a file is a node, until a signal ends it', async () => {
  const file = join(home.path, 'app.mjs')
  writeFileSync(
    file,
    `export default async function (citadel) {
       await citadel.registry.register('app', citadel.pid)
       console.log('running', citadel.name)
     }`,
  )
  const app = command(['run', file, '--name', 'app@127.0.0.1'])
  await eventually(() => app.stdout === 'running app@127.0.0.1\n')
  const n1 = await shell('n1@127.0.0.1')
  expect(await n1.line("connect('app@127.0.0.1')")).toBe('true')
  expect(await n1.line("registry.findByKey('app')")).toMatch(REMOTE)
  expect(await app.signal('SIGTERM')).toBe(143)
  await eventually(async () => (await n1.line('nodes()')) === '[]')
})

/** The utility `script` gives a program a terminal. */
const scriptMissing = ((): boolean => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    if (process.env.CI) throw new Error('the utility script is not installed', { cause: error })
    console.warn('SKIPPED: the utility script is not installed, so no terminal was tested')
    return true
  }
})()

test.skipIf(scriptMissing)('at a terminal: what is pasted runs in order, and is remembered', () => {
  const main = `${process.execPath} dist/shell/main.js shell --name n1@127.0.0.1`
  const input =
    'const a = await citadel.sleep(50).then(() => 20)\ra + 1\rfunction f() {\rreturn a * 2\r}\rf()\r.exit\r'
  const screen = execFileSync('script', ['-qec', main, '/dev/null'], {
    input,
    encoding: 'utf8',
    env: { ...environment({ epmdPort, home: home.path }), TERM: 'dumb', NO_COLOR: '1' },
    timeout: 30_000,
  })
  expect(screen).toMatch(/this is n1@127\.0\.0\.1/)
  expect(screen).toMatch(/\n21\r\n[\s\S]*\n40\r\n/)
  const kept = readFileSync(join(home.path, '.local/state/citadel/shell_history'), 'utf8')
  expect(kept.split('\n').slice(0, 2)).toEqual(['.exit', 'f()'])
})
