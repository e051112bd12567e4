/**
 * A network of real machines on one: a network namespace per host, each on a cable of its own to a
 * router, which is a namespace as well and can lose what it forwards, silently and in one direction.
 * Made as root with `ip`; nothing of it is seen outside, and nothing of it outlives the test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'

export interface NetworkHost {
  readonly address: string
  /** What a program is started through to run on this host. */
  readonly through: readonly string[]
}

/** From, to: what goes that way is lost. */
export type Way = readonly [from: NetworkHost, to: NetworkHost]

interface Host extends NetworkHost {
  readonly namespace: string
  /** The router's end of its cable. */
  readonly port: string
}

let networks = 0
let missing: string | undefined

/**
 * Why this machine allows no network namespaces; undefined: it does. With CI set that is an error.
 * `untested` is said on standard error.
 */
export function namespacesMissing(untested: string): string | undefined {
  missing ??= whatForbids() ?? ''
  if (missing === '') return undefined
  if (process.env.CI) throw new Error(`network namespaces cannot be made: ${missing}`)
  process.stderr.write(`SKIPPED: ${untested} IS NOT tested: no network namespaces (${missing})\n`)
  return missing
}

function whatForbids(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root makes them'
  try {
    new Network(1).remove()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').slice(0, 2).join(' ') : String(error)
  }
}

export class Network {
  readonly hosts: readonly NetworkHost[]
  readonly #router: string
  readonly #all: Host[] = []
  readonly #lost = new Set<string>()
  readonly #guard: ChildProcess
  readonly #namespaces: string[] = []

  constructor(size: number) {
    const name = `citadel-${process.pid}-${++networks}`
    this.#router = `${name}-r`
    this.#namespaces.push(this.#router)
    for (let at = 1; at <= size; at++) this.#namespaces.push(`${name}-h${at}`)
    this.#guard = guard(this.#namespaces)
    try {
      ip(['netns', 'add', this.#router])
      inside(this.#router, 'echo 1 >/proc/sys/net/ipv4/ip_forward')
      for (let at = 1; at <= size; at++) this.#all.push(this.#addHost(name, at))
    } catch (error) {
      this.remove()
      throw error
    }
    this.hosts = this.#all
  }

  #addHost(name: string, at: number): Host {
    const namespace = `${name}-h${at}`
    const port = `h${at}`
    const address = `10.71.${at}.2`
    const router = `10.71.${at}.1`
    ip(['netns', 'add', namespace])
    ip('link add eth0 netns', namespace, 'type veth peer name', port, 'netns', this.#router)
    batch(this.#router, [`addr add ${router}/24 dev ${port}`, `link set ${port} up`])
    batch(namespace, [
      'link set lo up',
      `addr add ${address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${router}`,
    ])
    return { namespace, port, address, through: ['ip', 'netns', 'exec', namespace] }
  }

  /** What goes these ways is lost from now on, without a word to either side. */
  lose(ways: readonly Way[]): void {
    const rules = ways.map(ruleOf).filter((rule) => !this.#lost.has(rule))
    batch(
      this.#router,
      rules.map((rule) => `rule add ${rule}`),
    )
    for (const rule of rules) this.#lost.add(rule)
  }

  /** Nothing passes between hosts of different groups. */
  split(groups: readonly (readonly NetworkHost[])[]): void {
    this.lose(
      groups.flatMap((group) =>
        groups
          .filter((other) => other !== group)
          .flatMap((other) => group.flatMap((from) => other.map((to): Way => [from, to]))),
      ),
    )
  }

  /** Nothing is lost any more. */
  heal(): void {
    const rules = [...this.#lost]
    batch(
      this.#router,
      rules.map((rule) => `rule del ${rule}`),
    )
    this.#lost.clear()
  }

  /** The cable of a host is pulled at the router, or put in again. */
  plug(host: NetworkHost, isIn: boolean): void {
    batch(this.#router, [`link set ${(host as Host).port} ${isIn ? 'up' : 'down'}`])
  }

  /** What goes to that host goes this slowly; undefined: as fast as it can. */
  slow(host: NetworkHost, megabits: number | undefined): void {
    const { port } = host as Host
    const limit = ['tbf', 'rate', `${megabits}mbit`, 'burst', '64kb', 'latency', '200ms']
    const change = megabits === undefined ? ['del'] : ['replace']
    const what = ['dev', port, 'root', ...(megabits === undefined ? [] : limit)]
    execute('tc', ['-n', this.#router, 'qdisc', ...change, ...what])
  }

  remove(): void {
    for (const namespace of this.#namespaces) {
      try {
        ip(['netns', 'del', namespace])
      } catch {
        // It was never made.
      }
    }
    this.#guard.stdin?.end('done\n')
  }
}

const ruleOf = ([from, to]: Way): string => `from ${from.address} to ${to.address} blackhole`

/** Removes the namespaces when this process has ended without doing so. */
function guard(namespaces: readonly string[]): ChildProcess {
  const script = 'read -r word || for name; do ip netns del "$name" 2>/dev/null; done'
  const child = spawn('sh', ['-c', script, 'guard', ...namespaces], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  return child
}

/** Words in one text or several; an array is taken as it is. */
function ip(...parts: readonly [readonly string[]] | readonly string[]): void {
  const words = parts.flatMap((part) => (typeof part === 'string' ? part.split(' ') : part))
  execute('ip', words)
}

function batch(namespace: string, lines: readonly string[]): void {
  if (lines.length === 0) return
  execute('ip', ['-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`)
}

const inside = (namespace: string, script: string): void =>
  execute('ip', ['netns', 'exec', namespace, 'sh', '-c', script])

function execute(program: string, words: readonly string[], input = ''): void {
  execFileSync(program, words, { input, stdio: ['pipe', 'ignore', 'pipe'] })
}
