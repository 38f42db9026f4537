import { createHash } from 'node:crypto';
import { RoleTable } from '../../auth/roleTable.js';
import { type EventCatalogue, loadCatalogue } from './eventCatalogue.js';

/** A catalogue and what its roles allow: they change together. */
interface InForce {
  readonly catalogue: EventCatalogue;
  /** A hash of it: the same on every node that has the same. */
  readonly version: string;
  readonly roles: RoleTable;
}

/**
 * The catalogue in force on this node. A reload has two steps, so that a cluster can make sure that every node has a sound file
 * before the first one changes.
 */
export class Catalogues {
  private readonly path: string | null;
  private inForce: InForce;
  private ready: { readonly id: string; readonly next: InForce } | null = null;

  /**
   * @param path EVENT_CATALOGUE; null: the one that comes with the product.
   * @throws CatalogueError with the place of the fault.
   */
  constructor(path: string | null) {
    this.path = path;
    this.inForce = build(path);
  }

  get catalogue(): EventCatalogue {
    return this.inForce.catalogue;
  }

  get version(): string {
    return this.inForce.version;
  }

  get roles(): RoleTable {
    return this.inForce.roles;
  }

  /**
   * Reads and checks the file; what is in force stays. The last one prepared is kept.
   *
   * @throws CatalogueError with the place of the fault.
   */
  prepare(id: string): EventCatalogue {
    this.ready = null;
    const next = build(this.path);
    this.ready = { id, next };
    return next.catalogue;
  }

  /** Puts in force what was prepared under this id. @returns false when another was prepared since. */
  apply(id: string): boolean {
    if (this.ready?.id !== id) return false;
    this.inForce = this.ready.next;
    this.ready = null;
    return true;
  }
}

function build(path: string | null): InForce {
  const catalogue = loadCatalogue(path);
  const version = createHash('sha256').update(JSON.stringify(catalogue.raw)).digest('hex').slice(0, 12);
  return { catalogue, version, roles: new RoleTable(catalogue.raw) };
}
