/**
 * A real redis-server for a test: on a free port of loopback, in a folder of its own, writing
 * nothing to disk, ended by its pid with the test's process at the latest.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { freezeProgram } from './freeze.js'
import { type GuardedChild, startGuarded } from './guarded-child.js'
import { scratch } from './scratch.js'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Runs one command, such as `command('SADD', 'key', 'value')`; answers what redis-cli prints. */
  command(...words: string[]): string
  /** SIGSTOP: it accepts connections and answers nothing. */
  freeze(): void
  thaw(): void
  /** SIGKILL. All data is gone. */
  kill(): Promise<void>
  /** Starts again on the same port, empty; kills it first if it runs. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface RedisServerOptions {
  /** Start it on this port; a free one otherwise. */
  port?: number
  /** More settings: `['--requirepass', 'secret']`. */
  args?: readonly string[]
}

/** True when redis-server is not installed; with CI set that is an error. */
export function redisMissing(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    if (process.env.CI) throw new Error('redis-server is not installed', { cause: error })
    console.warn('SKIPPED: redis-server is not installed, so nothing about Redis was tested')
    return true
  }
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const folder = scratch('redis')
  const flags = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder.path]
  const command = ['redis-server', '--port', String(port), ...flags, ...(options.args ?? [])]
  let child: GuardedChild | undefined
  const kill = async (): Promise<void> => {
    await child?.kill()
    child = undefined
  }
  const start = async (): Promise<void> => {
    mkdirSync(folder.path, { recursive: true })
    child = await startGuarded(command, { removes: folder.path })
    await eventually(() => accepts(port), { what: `redis-server on port ${port}` })
  }
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (...words) =>
      execFileSync('redis-cli', ['-p', String(port), ...words], {
        encoding: 'utf8',
      }).trimEnd(),
    freeze: () => {
      if (child) freezeProgram(child.pid)
    },
    thaw: () => child?.signal('SIGCONT'),
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    stop: async () => {
      await kill()
      folder.remove()
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
