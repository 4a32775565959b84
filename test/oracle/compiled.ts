/** Our engine with every block compiled before it runs. */
import { Subject } from './subject';

export class CompiledSubject extends Subject {
  static override async start(): Promise<CompiledSubject> {
    return new CompiledSubject(await Subject.machine('region'));
  }
  /** Instructions that compiled code has run. */
  get completed(): number {
    return this.engine.compiledInstructions;
  }
}
