/**
 * Signals to real programs: `citadel run`, and programs that use `stopOnSignals` themselves.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CitadelError, stopOnSignals } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { ROOT } from '../support/root.js'
import { type Scratch, scratch } from '../support/scratch.js'
import { buildOnce, environment } from '../support/shell-program.js'

const MAIN = join(ROOT, 'dist/shell/main.js')
/** Inside the package, so that `import 'citadel'` means what is built here. */
const FOLDER = join(ROOT, '.cache', `signals-${process.pid}`)
const SLOWLY = /^\[citadel\] stopping: [^\n]*at most 25 s; a second signal leaves at once\n$/

let home: Scratch
let epmdPort: number
let programs: Program[] = []

class Program {
  stdout = ''
  stderr = ''
  /** Its status, or the signal that ended it. */
  readonly ended: Promise<number | string>
  private readonly child: ChildProcess

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: environment({ epmdPort, home: home.path }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status, signal) => resolve(status ?? signal ?? ''))
    })
    programs.push(this)
  }

  async prints(text: string): Promise<void> {
    await eventually(() => this.stdout.includes(`${text}\n`), { timeoutMs: 30_000, what: text })
  }

  async says(text: string): Promise<void> {
    await eventually(() => this.stderr.includes(text), { timeoutMs: 30_000, what: text })
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

function written(source: string): string {
  const file = join(FOLDER, `program-${programs.length}.mjs`)
  writeFileSync(file, source)
  return file
}

/** `citadel run` of a file with this source. */
const run = (source: string, ...flags: string[]): Program =>
  new Program([MAIN, 'run', written(source), ...flags])

/** A program of its own with this source. */
const script = (source: string): Program => new Program([written(source)])

beforeAll(() => {
  buildOnce()
  mkdirSync(FOLDER, { recursive: true })
}, 180_000)

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }))

beforeEach(async () => {
  home = scratch('signals')
  epmdPort = await freePort()
})

afterEach(async () => {
  await Promise.all(programs.map((program) => program.kill()))
  programs = []
  home.remove()
})

describe('citadel run', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)(
    'one node: %s stops it, its processes clean up, and its status is %d',
    async (signal, status) => {
      const program = run(`
      import { GenServer } from 'citadel'
      class Careful extends GenServer {
        async terminate(reason) {
          await new Promise((resolve) => setTimeout(resolve, 20))
          console.log('cleaned up after', reason)
        }
      }
      export default async function (citadel) {
        await citadel.spawn(Careful)
        console.log('running')
      }`)
      await program.prints('running')
      program.send(signal)
      expect(await program.ended).toBe(status)
      expect(program.stdout).toBe('running\ncleaned up after shutdown\n')
      // On a slow machine it may take long enough to be worth the line.
      if (program.stderr !== '') expect(program.stderr).toMatch(SLOWLY)
    },
  )

  test('one node: a second signal leaves at once, while a child takes long to end', async () => {
    const program = run(
      `
      import { GenServer } from 'citadel'
      export class Slow extends GenServer {
        static terminateTimeoutMs = 600_000
        terminate() {
          console.log('ending')
          return new Promise((resolve) => setTimeout(resolve, 600_000))
        }
      }
      export default async function (citadel) {
        const children = await citadel.supervisor('children')
        await children.startChild(Slow, [], { id: 1, shutdownMs: 600_000 })
        console.log('running')
      }`,
      '--drain-ms',
      '120000',
    )
    await program.prints('running')
    program.send('SIGTERM')
    await program.prints('ending')
    await program.says('at most 120 s; a second signal leaves at once\n')
    program.send('SIGINT')
    // That of the second signal: it was not the first stop that came to its end.
    expect(await program.ended).toBe(130)
  })

  test('one node: a default export that never returns keeps no signal from ending it', async () => {
    const program = run(`
      export default async function (citadel) {
        console.log('running')
        for (;;) await citadel.sleep(5)
      }`)
    await program.prints('running')
    program.send('SIGTERM')
    expect(await program.ended).toBe(143)
    if (program.stderr !== '') expect(program.stderr).toMatch(SLOWLY)
  })

  test.each(['-1', 'soon', '1.5'])('--drain-ms %s is refused in one sentence', async (value) => {
    const program = run('', `--drain-ms=${value}`)
    expect(await program.ended).toBe(2)
    expect(program.stderr).toMatch(/^citadel: [^\n]*--drain-ms[^\n]*milliseconds\.\n$/)
  })
})

describe('stopOnSignals', () => {
  test('one node: stops it, and ends the program with the status of the signal', async () => {
    const program = script(`
      import { Citadel, GenServer, stopOnSignals } from 'citadel'
      class Careful extends GenServer {
        terminate(reason) { console.log('cleaned up after', reason) }
      }
      const citadel = await Citadel.start({ discovery: false })
      stopOnSignals(citadel)
      setInterval(() => {}, 1_000)
      await citadel.spawn(Careful)
      console.log('running')`)
    await program.prints('running')
    program.send('SIGINT')
    expect(await program.ended).toBe(130)
    expect(program.stdout).toBe('running\ncleaned up after shutdown\n')
  })

  test('one program: the budget is passed on, and after the line a second signal leaves at once', async () => {
    const program = script(`
      import { stopOnSignals } from 'citadel'
      const stop = (options) => {
        console.log('stopping', JSON.stringify(options))
        return new Promise(() => setTimeout(() => {}, 600_000))
      }
      const say = (line) => console.log(line)
      stopOnSignals({ stop }, { budgetMs: 1_500, signals: ['SIGUSR2', 'SIGTERM'], say })
      setInterval(() => {}, 1_000)
      console.log('running')`)
    await program.prints('running')
    program.send('SIGUSR2')
    await program.prints('stopping {"budgetMs":1500}')
    await eventually(() => /\nstopping: .* 1\.5 s; a second signal/.test(program.stdout))
    program.send('SIGTERM')
    expect(await program.ended).toBe(143)
    expect(program.stderr).toBe('')
    expect(program.stdout.split('{"budgetMs"').length).toBe(2)
  })

  test('one program: a signal given twice at the same time, as npm does, is one signal', async () => {
    const program = script(`
      import { stopOnSignals } from 'citadel'
      const stop = async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        console.log('stopped')
      }
      stopOnSignals({ stop })
      setInterval(() => {}, 1_000)
      process.kill(process.pid, 'SIGTERM')
      process.kill(process.pid, 'SIGTERM')`)
    expect(await program.ended).toBe(143)
    expect(program.stdout).toBe('stopped\n')
  })

  test('one program: when stopping fails it says why, and the status is 1', async () => {
    const program = script(`
      import { stopOnSignals } from 'citadel'
      stopOnSignals({ stop: () => Promise.reject(new Error('no way')) })
      setInterval(() => {}, 1_000)
      console.log('running')`)
    await program.prints('running')
    program.send('SIGTERM')
    expect(await program.ended).toBe(1)
    expect(program.stderr).toBe('[citadel] stopping failed: no way\n')
  })

  test('one program: what it answers takes the handlers away again', async () => {
    const program = script(`
      import { stopOnSignals } from 'citadel'
      stopOnSignals({ stop: async () => {} })()
      setInterval(() => {}, 1_000)
      console.log('running')`)
    await program.prints('running')
    program.send('SIGTERM')
    expect(await program.ended).toBe('SIGTERM')
  })

  test('no node: options that cannot be are refused', () => {
    const node = { stop: async () => {} }
    expect(() => stopOnSignals(node, { budgetMs: -1 })).toThrow(CitadelError)
    expect(() => stopOnSignals(undefined as never)).toThrow('wants a node, or an object with stop')
    expect(() => stopOnSignals(node, { signals: ['SIGKILL' as never] })).toThrow(/SIGKILL/)
    expect(process.listenerCount('SIGKILL')).toBe(0)
  })
})
