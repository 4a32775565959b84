export * from './paging';
export * from './memory';
export * from './blocks';
export * from './integer';
export * from './segment';
export * from './strings';
export * from './float/index';
export * from './x87/index';
