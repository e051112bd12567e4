/**
 * A real etcd for a test, of one server or several: on free ports of loopback, in a folder of its
 * own, ended by its pids with the test's process at the latest.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { systemClock } from '../../src/base/system-clock.js'
import { HttpEtcd, type HttpEtcdOptions } from '../../src/etcd/http-port.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { freezeProgram } from './freeze.js'
import { type GuardedChild, startGuarded } from './guarded-child.js'
import { scratch } from './scratch.js'

export interface EtcdServer {
  readonly endpoint: string
  /** SIGSTOP: it accepts connections and answers nothing. */
  freeze(): void
  thaw(): void
  /** SIGKILL. What it has stored stays. */
  kill(): Promise<void>
  /** Starts it again, with what it had stored. */
  restart(): Promise<void>
}

export interface EtcdCluster {
  readonly servers: readonly EtcdServer[]
  readonly endpoints: readonly string[]
  /** Everything is gone, as if the disks had been replaced; it runs again on the same ports. */
  replace(): Promise<void>
  stop(): Promise<void>
}

export interface EtcdClusterOptions {
  size?: number
  /** More settings of each server: `['--quota-backend-bytes', '1000000']`. */
  args?: readonly string[]
  /** What it takes to ask it over TLS; the servers get theirs with `args`. */
  tls?: HttpEtcdOptions['tls']
}

/** True when etcd is not installed; with CI set that is an error. */
export function etcdMissing(): boolean {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    if (process.env.CI) throw new Error('etcd is not installed', { cause: error })
    console.warn('SKIPPED: etcd is not installed, so nothing about etcd was tested')
    return true
  }
}

export async function startEtcd(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  const { size = 1, args = [], tls } = options
  const folder = scratch('etcd')
  const scheme = tls ? 'https' : 'http'
  const places: Place[] = []
  for (let index = 0; index < size; index++) {
    const client = `${scheme}://127.0.0.1:${await freePort()}`
    const peer = `http://127.0.0.1:${await freePort()}`
    places.push({ name: `e${index + 1}`, client, peer })
  }
  let incarnation = 1
  const servers = places.map((place) =>
    serverAt(place, () => [
      ...flagsOf(place, places),
      ...['--data-dir', join(folder.path, `${place.name}-${incarnation}`), ...args],
    ]),
  )
  const startAll = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.restart()))
    await Promise.all(servers.map(({ endpoint }) => answers(endpoint, tls)))
  }
  await startAll()
  const killAll = async () => void (await Promise.all(servers.map((server) => server.kill())))
  return {
    servers,
    endpoints: servers.map(({ endpoint }) => endpoint),
    replace: async () => {
      await killAll()
      incarnation++
      await startAll()
    },
    stop: async () => {
      await killAll()
      folder.remove()
    },
  }
}

interface Place {
  readonly name: string
  readonly client: string
  readonly peer: string
}

function flagsOf({ name, client, peer }: Place, all: readonly Place[]): string[] {
  const cluster = all.map((place) => `${place.name}=${place.peer}`).join(',')
  return [
    ...['--name', name, '--initial-cluster', cluster],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--log-level', 'error', '--logger', 'zap'],
  ]
}

function serverAt({ client }: Place, flags: () => readonly string[]): EtcdServer {
  let child: GuardedChild | undefined
  const kill = async (): Promise<void> => {
    await child?.kill()
    child = undefined
  }
  return {
    endpoint: client,
    freeze: () => {
      if (child) freezeProgram(child.pid)
    },
    thaw: () => child?.signal('SIGCONT'),
    kill,
    restart: async () => {
      await kill()
      child = await startGuarded(['etcd', ...flags()])
    },
  }
}

/** Until it has a leader and answers, if only that one has no right to ask. */
async function answers(endpoint: string, tls: HttpEtcdOptions['tls']): Promise<void> {
  const port = new HttpEtcd({ endpoints: [endpoint], tls, clock: systemClock })
  const range = { key: Buffer.from('x').toString('base64') }
  const isUp = async (): Promise<boolean> => {
    const reply = await port.call('/v3/kv/range', range, 1_000)
    return reply.ok || reply.failure === 'refused'
  }
  try {
    await eventually(isUp, { timeoutMs: 60_000, everyMs: 50, what: `etcd at ${endpoint}` })
  } finally {
    port.close()
  }
}
