/**
 * What the demo brings along so that it disturbs nothing on the machine: a port for EPMD, a cookie
 * and a home folder of its own. Only a Redis is shared, when the user names one and a domain in it.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Redis {
  readonly url: string
  readonly domain: string
}

export interface Surroundings {
  readonly epmdPort: number
  /** Through which the nodes find each other; undefined: they are connected by hand. */
  readonly redis: Redis | undefined
  /** The environment variables of the nodes. */
  readonly environment: NodeJS.ProcessEnv
  remove(): void
}

export async function makeSurroundings(variables = process.env): Promise<Surroundings> {
  const epmdPort = await freePort()
  const home = mkdtempSync(join(tmpdir(), 'citadel-demo-'))
  const redis = redisOf(variables)
  return {
    epmdPort,
    redis,
    environment: {
      ...variables,
      HOME: home,
      CITADEL_DEMO_HOME: home,
      CITADEL_COOKIE: randomBytes(16).toString('hex'),
      ERL_EPMD_PORT: String(epmdPort),
      CITADEL_REDIS_URL: redis?.url,
      CITADEL_DOMAIN: redis?.domain,
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  }
}

/** Both are needed: the default domain may be that of a cluster at work. */
function redisOf(variables: NodeJS.ProcessEnv): Redis | undefined {
  const { CITADEL_REDIS_URL: url, CITADEL_DOMAIN: domain } = variables
  return url && domain ? { url, domain } : undefined
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
